#!/usr/bin/env bash
# Installs the Debian packages that steps need when they are missing and we are root; otherwise says
# in one line which they are and fails. Usage: system_packages.sh STEP..., a step being
#   python    virtual environment, compiler, headers
#   test      GoogleTest; Redis, pkg-config and ament_cmake (these never fail)
#   firmware  cross compilers and QEMU (never fails)
#   bench     Google Benchmark
set -eu

missing=()
optional=()
need() { # need PACKAGE TEST-COMMAND...
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_header() { echo "#include <$1>" | c++ -E -x c++ - ; }
cxx20() { echo '#include <span>
#include <concepts>
int main() {}' | c++ -std=c++20 -fsyntax-only -x c++ - ; }
python_headers() { python3 -c 'import sysconfig, pathlib, sys
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())'; }
has_ament() { ls -d /opt/ros/*/share/ament_cmake /usr/share/ament_cmake 2>/dev/null | grep -q . ; }
new_enough() { python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; }

for step in "$@"; do
  case $step in
    python)
      if command -v python3 >/dev/null && ! new_enough; then
        echo "optcore: python3 is $(python3 -V 2>&1); 3.10 or newer is needed" >&2
        exit 1
      fi
      need python3-venv python3 -c 'import ensurepip, venv'
      need g++ cxx20
      need python3-dev python_headers ;;
    test)
      need libgtest-dev has_header gtest/gtest.h
      command -v redis-server >/dev/null || optional+=(redis-server)
      command -v pkg-config >/dev/null || optional+=(pkg-config)
      has_ament || optional+=(ament-cmake) ;;
    bench) need libbenchmark-dev has_header benchmark/benchmark.h ;;
    firmware)
      command -v arm-none-eabi-g++ >/dev/null || optional+=(gcc-arm-none-eabi
        libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib)
      command -v qemu-system-arm >/dev/null || optional+=(qemu-system-arm)
      command -v aarch64-linux-gnu-g++ >/dev/null || optional+=(g++-aarch64-linux-gnu)
      command -v qemu-aarch64 >/dev/null || optional+=(qemu-user) ;;
    *) echo "system_packages.sh: unknown step '$step'" >&2; exit 2 ;;
  esac
done

root() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }
get() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
install() {
  echo "optcore: installing Debian packages: $*"
  get "$@" 2>/dev/null || { apt-get update -qq && get "$@"; }
}

if [ ${#missing[@]} -gt 0 ]; then
  if ! root; then
    echo "optcore: please install: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  install "${missing[@]}"
fi
if [ ${#optional[@]} -gt 0 ]; then
  left_out=()
  if ! root; then
    left_out=("${optional[@]}")
  elif ! install "${optional[@]}"; then  # no release has to have every one of them
    for package in "${optional[@]}"; do get "$package" || left_out+=("$package"); done
  fi
  if [ ${#left_out[@]} -gt 0 ]; then
    echo "optcore: some tests will be skipped; they need: apt-get install ${left_out[*]}" >&2
  fi
fi
