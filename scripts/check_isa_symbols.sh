#!/usr/bin/env bash
# The kernels are compiled once per instruction set, and the linker keeps one copy of each weak
# symbol for everybody. So an object compiled for AVX2 or AVX-512 may define weak symbols only in the
# inline namespace of its own instruction set; any other could crash an older CPU.
# Usage: check_isa_symbols.sh NM OBJECT...   (objects of <library>_avx2.dir and <library>_avx512.dir)
set -eu
nm=$1
shift
bad=0
seen=0
for object in "$@"; do
  case $object in
    *_avx2.dir/*) isa=avx2 ;;
    *_avx512.dir/*) isa=avx512 ;;
    *) continue ;;
  esac
  seen=$((seen + 1))
  leaked=$("$nm" -C --defined-only "$object" |
    awk -v own="optcore::$isa::" '$2 ~ /^[VvWwu]$/ && !index($0, own)')
  if [ -n "$leaked" ]; then
    printf 'weak symbols for everybody, compiled for %s in %s:\n%s\n' "$isa" "$object" "$leaked"
    bad=1
  fi
done
echo "$seen objects of AVX2 and AVX-512 looked at"
exit $bad
