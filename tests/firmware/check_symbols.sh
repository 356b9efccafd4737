#!/usr/bin/env bash
# Fails when an object refers to the heap, to exceptions or to static guards.
# Usage: check_symbols.sh NM OBJECT...
set -eu
nm=$1
shift
bad='^(malloc|calloc|realloc|free|_sbrk|_Zn[wa].*|_Zd[la].*|__cxa_.*|__gxx_personality.*|_ZSt.*throw.*|_Unwind.*|__aeabi_d.*|__aeabi_f2d)$'
found=$("$nm" -u "$@" | awk '$1 == "U" { print $2 }' | sort -u | grep -E "$bad" || true)
if [ -n "$found" ]; then
  echo "firmware objects refer to:" $found
  exit 1
fi
echo "firmware objects need only:" $("$nm" -u "$@" | awk '$1 == "U" { print $2 }' | sort -u)
