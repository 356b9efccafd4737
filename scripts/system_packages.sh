#!/usr/bin/env bash
# Installs the Debian packages a step needs when they are missing and we are root;
# otherwise says in one line which they are. Usage: system_packages.sh python|test|bench
set -eu

missing=()
need() { # need PACKAGE TEST-COMMAND...
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_header() { echo "#include <$1>" | c++ -E -x c++ - ; }
python_headers() { python3 -c 'import sysconfig, pathlib, sys
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())'; }

case ${1:?python, test or bench} in
  python)
    need python3-venv python3 -c 'import ensurepip, venv'
    need g++ c++ --version
    need python3-dev python_headers
    required=1 ;;
  test)
    need libgtest-dev has_header gtest/gtest.h
    need libbenchmark-dev has_header benchmark/benchmark.h
    required=1 ;;
  bench)
    need libbenchmark-dev has_header benchmark/benchmark.h
    required=1 ;;
  *) echo "system_packages.sh: unknown step '$1'" >&2; exit 2 ;;
esac

[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "optcore: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
else
  echo "optcore: please install: apt-get install ${missing[*]}" >&2
  exit "$required"
fi
