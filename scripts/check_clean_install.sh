#!/usr/bin/env bash
# Proves on a fresh Debian what the README says of installing:
#   python3 alone             the wheel installs, imports and runs `optcore run`
#   without g++, then headers the sdist is refused, and the error names the package to install
#   with both                 the sdist builds from its own requirements, without a network
# Needs root, debootstrap and a Debian mirror. Usage: check_clean_install.sh PYTHON [SUITE]
# PYTHON must be of the suite's minor version (bookworm: 3.11) for the wheel to fit.
set -eu
cd "$(dirname "$0")/.."
python=$(readlink -f "$(dirname "$1")")/$(basename "$1") suite=${2:-bookworm}
[ "$(id -u)" -eq 0 ] || { echo "check_clean_install: needs root, for chroot" >&2; exit 77; }
command -v debootstrap > /dev/null ||
  { echo "check_clean_install: apt-get install debootstrap" >&2; exit 77; }
if [ "${IN_OWN_MOUNTS:-}" != 1 ]; then  # what is mounted below goes when we do
  IN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
work=$(mktemp -d)
root=$work/root
trap 'umount "$root/proc" 2> /dev/null || true; rm -rf "$work"' EXIT
say() { echo "clean install: $*"; }
fail() { say "FAILED: $*" >&2; exit 1; }
pip=(-m pip --disable-pip-version-check -q)

say "sdist, wheel and what both require, into one folder"
mkdir "$work/house"
OPTCORE_CUDA=OFF "$python" - "$work/house" << 'PY'
import sys
from scikit_build_core.build import build_sdist
print("clean install:  ", build_sdist(sys.argv[1]))
PY
wheels=(dist/optcore-*.whl)
[ -e "${wheels[0]}" ] || OPTCORE_CUDA=OFF "$python" "${pip[@]}" wheel --no-deps -w dist .
cp dist/optcore-*.whl "$work/house"
"$python" "${pip[@]}" download -d "$work/house" --only-binary :all: "$(echo dist/optcore-*.whl)[report]" \
  'scikit-build-core>=0.11' 'pybind11>=3.0' 'cmake>=3.26' ninja

say "$suite with python3 alone"
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" \
  "${MIRROR:-http://deb.debian.org/debian}" > "$work/debootstrap.log" 2>&1 ||
  { tail -5 "$work/debootstrap.log"; fail debootstrap; }
cp /etc/resolv.conf "$root/etc/"
mount -t proc proc "$root/proc"
mv "$work/house" "$root/house"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OPTCORE_CUDA=OFF "$@"; }
[ -z "$(inside sh -c 'command -v g++ c++ gcc')" ] || fail "it has a compiler already"

offline=(-m pip --disable-pip-version-check -q install --no-index --find-links /house)
inside python3 -m venv /wheel
inside /wheel/bin/python "${offline[@]}" --only-binary :all: 'optcore[report]'
inside /wheel/bin/optcore run --quiet --people 5 --json /run.json --report /run.html
[ -s "$root/run.html" ] && grep -q '"' "$root/run.json" || fail "optcore run wrote nothing"
say "the wheel installs, imports and runs: $(inside /wheel/bin/optcore doctor | grep -m1 '^cpu kernels')"

# Without numpy etc. in question: only optcore itself comes from source.
source=("${offline[@]}" --no-binary optcore --no-deps optcore)
refused() { # refused WHAT PACKAGE
  inside python3 -m venv /from_source
  if inside /from_source/bin/python "${source[@]}" > "$work/refused.log" 2>&1; then
    fail "the sdist built without $1"
  fi
  grep -q "apt-get install $2" "$work/refused.log" ||
    { tail -30 "$work/refused.log"; fail "without $1, the error does not name $2"; }
  say "without $1: $(grep -m1 -o "optcore: no .*apt-get install $2" "$work/refused.log")"
}
get() { inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
  > "$work/apt.log" 2>&1 || { tail -5 "$work/apt.log"; fail "apt-get install $*"; }; }
inside apt-get update -qq > /dev/null
refused "a compiler" g++
get g++
refused "Python's headers" python3-dev
get python3-dev
start=$SECONDS
inside /from_source/bin/python "${source[@]}"
inside /from_source/bin/python "${offline[@]}" optcore  # its run-time requirements
inside /from_source/bin/python -c 'import optcore.gp, optcore.mpc, optcore.belief'
say "with g++ and python3-dev the sdist builds offline, in $((SECONDS - start)) s"
