#!/usr/bin/env bash
# Builds and runs the consumer project against this library.
# Usage: run.sh find_package|add_subdirectory CMAKE BUILD-OF-OPTCORE
set -eu
way=$1 cmake=$2 build=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $way in
  find_package)
    "$cmake" --install "$build" --component cpp --prefix "$work/prefix" > "$work/install.log"
    where=(-DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release) ;;
  add_subdirectory)  # without optimisation: this is about targets, not speed
    where=(-DOPTCORE_FOLDER="$here/../.." -DCMAKE_BUILD_TYPE=Debug -DOPTCORE_CUDA=OFF) ;;
  *) echo "run.sh: unknown way '$way'" >&2; exit 2 ;;
esac
"$cmake" -S "$here" -B "$work/build" -G Ninja "${where[@]}" > "$work/configure.log" ||
  { cat "$work/configure.log"; exit 1; }
"$cmake" --build "$work/build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-2}" --target embedded server
"$work/build/embedded"
"$work/build/server"
