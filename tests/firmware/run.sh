#!/usr/bin/env bash
# Configures, builds and runs the firmware tests; 77 (skipped) where the cross tools are missing.
# Usage: run.sh CMAKE BUILD-FOLDER
set -eu
cmake=$1 build=$2
source=$(cd "$(dirname "$0")/../.." && pwd)
for tool in arm-none-eabi-g++ qemu-system-arm; do
  if ! command -v $tool > /dev/null; then
    echo "skipped: no $tool (apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi" \
      "libstdc++-arm-none-eabi-newlib qemu-system-arm)"
    exit 77
  fi
done
mkdir -p "$build"
"$cmake" -S "$source" -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$source/cpp/cmake/firmware.cmake" \
  -DCMAKE_BUILD_TYPE=Release -DOPTCORE_TESTS=ON -DOPTCORE_WERROR=ON -DOPTCORE_CUDA=OFF \
  > "$build/configure.log" || { cat "$build/configure.log"; exit 1; }
"$cmake" --build "$build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-2}"
"$(dirname "$cmake")/ctest" --test-dir "$build" --output-on-failure
