#!/usr/bin/env bash
# Configures, builds and runs the firmware tests of one processor; 77 (skipped) where the cross
# tools are missing. Usage: run.sh CMAKE BUILD-FOLDER TOOLCHAIN [-DOPTION=VALUE...]
set -eu
cmake=$1 build=$2 toolchain=$3
shift 3
source=$(cd "$(dirname "$0")/../.." && pwd)
case $toolchain in
  aarch64)
    tools="aarch64-linux-gnu-g++ qemu-aarch64"
    packages="g++-aarch64-linux-gnu qemu-user" ;;
  *)
    tools="arm-none-eabi-g++ qemu-system-arm"
    packages="gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib
      qemu-system-arm" ;;
esac
for tool in $tools; do
  if ! command -v "$tool" > /dev/null; then
    echo "skipped: no $tool (apt-get install" $packages")"
    exit 77
  fi
done
mkdir -p "$build"
"$cmake" -S "$source" -B "$build" -G Ninja --toolchain "$source/cpp/cmake/toolchains/$toolchain.cmake" \
  -DCMAKE_BUILD_TYPE=Release -DOPTCORE_TESTS=ON -DOPTCORE_WERROR=ON -DOPTCORE_CUDA=OFF "$@" \
  > "$build/configure.log" || { cat "$build/configure.log"; exit 1; }
"$cmake" --build "$build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-2}" --target firmware
"$(dirname "$cmake")/ctest" --test-dir "$build" --output-on-failure
