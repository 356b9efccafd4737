#!/usr/bin/env bash
# Fails when an object refers to the heap, to exceptions, to static guards or, where it may not, to
# arithmetic in double. Usage: check_symbols.sh NM no-double|double-too OBJECT...
set -eu
nm=$1 doubles=$2
shift 2
heap='malloc|calloc|realloc|free|_sbrk|_Zn[wa].*|_Zd[la].*'
cxx='__cxa_.*|__gxx_personality.*|_ZSt.*throw.*|_Unwind.*|_ZNSt.*'
bad="$heap|$cxx"
[ "$doubles" = double-too ] || bad="$bad|__aeabi_d.*|__aeabi_f2d"
needed=$("$nm" -u "$@" | awk '$1 == "U" { print $2 }' | sort -u)
found=$(grep -xE "$bad" <<< "$needed" || true)
if [ -n "$found" ]; then
  echo "firmware objects refer to:" $found
  exit 1
fi
echo "firmware objects need only:" $needed
