#!/usr/bin/env bash
# Installs the packages that `make bench` compares with: the `peers` extra of pyproject.toml, and
# those that need care. What cannot be had is named in one line and left out; the comparison then
# lists it as absent. Usage: install_peers.sh PYTHON
#
# DAQP is built a second time, for this machine: its wheel must run on any x86-64.
#
# GPyTorch needs PyTorch, whose default Linux build brings gigabytes of CUDA. It is installed only
# when a CPU build can be had: one that the configured indexes mark "+cpu" (PIP_EXTRA_INDEX_URL may
# name PyTorch's own), else the default build where it needs no CUDA package (macOS, some others).
# OPTCORE_TORCH names the requirement to use in place of that search, e.g. OPTCORE_TORCH=torch==2.13.0
# where pip's configuration makes it a CPU build.
set -eu
cd "$(dirname "$0")/.."
python=${1:?the interpreter of the virtual environment}

pip() { "$python" -m pip --disable-pip-version-check "$@"; }
has() { "$python" -c "import $1" >/dev/null 2>&1; }
log=$(mktemp)
trap 'rm -f "$log" "$log".numpy' EXIT

# A peer never changes the NumPy that optcore is measured with.
"$python" -c 'import numpy; print("numpy==" + numpy.__version__)' > "$log.numpy"

install() { # install NAME PIP-ARGUMENT...
  local name=$1
  shift
  pip install -q --prefer-binary -c "$log.numpy" "$@" > "$log" 2>&1 && return
  echo "optcore: peer $name is left out: $(grep -m1 '^ERROR' "$log" || tail -n1 "$log")" >&2
  return 1
}

cpu_torch() { # prints the requirement of a PyTorch without CUDA, or nothing
  local marked
  if [ -n "${OPTCORE_TORCH:-}" ]; then
    echo "$OPTCORE_TORCH"
    return
  fi
  marked=$(pip index versions torch 2>/dev/null | grep -oE '[0-9.]+\+cpu' | head -n1 || true)
  if [ -n "$marked" ]; then
    echo "torch==$marked"
  elif [ "$(uname -s)" != Linux ]; then
    echo torch
  fi
}

mapfile -t peers < <(awk '/^peers = \[/{on=1; next} /^\]/{on=0} on' pyproject.toml |
  grep -oE '"[^"]+"' | tr -d '"')
echo "optcore: installing peers to compare with"
if ! pip install -q --prefer-binary -c "$log.numpy" "${peers[@]}" > "$log" 2>&1; then
  for peer in "${peers[@]}"; do install "${peer%%[>=<]*}" "$peer" || true; done
fi

# particles asks for NumPy 1 in its metadata and runs with NumPy 2: its dependencies by hand.
has particles || { install particles numba joblib && install particles --no-deps particles; } || true

if ! ls build/peers/daqp*.so >/dev/null 2>&1; then
  CFLAGS="-O3 -march=native" install "daqp for this machine" --no-binary daqp --no-deps \
    --target build/peers daqp || true
fi

if ! has gpytorch; then
  has torch || { torch=$(cpu_torch) && [ -n "$torch" ] && install torch "$torch"; } || true
  if has torch; then
    installed=$("$python" -c 'from importlib.metadata import version; print(version("torch"))')
    install gpytorch gpytorch "torch==$installed" || true
  else
    echo "optcore: peer gpytorch is left out: no CPU build of PyTorch on the configured indexes" >&2
  fi
fi
