#!/bin/sh
# Compiler launcher for nvcc: what ptxas says of registers and spills goes to <object>.ptxas, for
# check_spills.sh; everything else to where it went before.
# Usage: nvcc_keep_report.sh NVCC ARGUMENT...
object=
previous=
for argument in "$@"; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.stderr"
status=$?
report='^ptxas info|^ +[0-9]+ bytes (stack|cumulative)'
grep -E "$report" "$object.stderr" >"$object.ptxas"
grep -Ev "$report" "$object.stderr" >&2
rm -f "$object.stderr"
exit $status
