#!/usr/bin/env bash
# Builds examples/cpp against this library, the way others do, and runs it; 77: skipped.
# Usage: run.sh find_package|fetch|pkg_config|ament CMAKE BUILD-OF-OPTCORE
set -eu
way=$1 cmake=$2 build=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
example=$root/examples/cpp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quiet() { "$@" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }
install() { quiet "$cmake" --install "$build" --component cpp --prefix "$work/prefix"; }
project() {
  quiet "$cmake" -S "$example" -B "$work/build" -G Ninja "$@"
  "$cmake" --build "$work/build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-2}" --target cart beliefs
  "$work/build/cart"
  "$work/build/beliefs"
}

case $way in
  find_package)
    install
    project -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release ;;
  fetch)  # without optimisation: this is about targets, not speed
    project -DOPTCORE_SOURCE="$root" -DCMAKE_BUILD_TYPE=Debug -DOPTCORE_CUDA=OFF ;;
  pkg_config)
    command -v pkg-config > /dev/null || { echo "skipped: no pkg-config (apt-get install pkg-config)"; exit 77; }
    install
    export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
    flags=$(pkg-config --cflags --libs --static optcore)
    "${CXX:-c++}" -std=c++20 -O1 "$example/beliefs.cpp" $flags -o "$work/beliefs"
    "$work/beliefs" ;;
  ament)  # ROS 2: what ament_package() adds, beside the C++ package as it is
    [ -n "$(ls -d /opt/ros/*/share/ament_cmake /usr/share/ament_cmake 2> /dev/null)" ] ||
      { echo "skipped: no ament_cmake (apt-get install ament-cmake)"; exit 77; }
    quiet "$cmake" -S "$root" -B "$work/ros" -G Ninja -DOPTCORE_ROS=ON -DOPTCORE_CUDA=OFF \
      -DPython3_EXECUTABLE=/usr/bin/python3  # Debian's: ament needs catkin_pkg beside it
    quiet "$cmake" --install "$work/ros" --component Unspecified --prefix "$work/prefix"
    for file in optcore/package.xml ament_index/resource_index/packages/optcore; do
      [ -e "$work/prefix/share/$file" ] || { echo "share/$file is missing"; exit 1; }
    done
    install
    project -Doptcore_DIR="$work/prefix/share/optcore/cmake" -DCMAKE_BUILD_TYPE=Release ;;
  *) echo "run.sh: unknown way '$way'" >&2; exit 2 ;;
esac
