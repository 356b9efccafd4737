#!/usr/bin/env bash
# A weak symbol outside the inline namespaces in a file compiled for AVX2 or AVX-512 could be chosen
# by the linker for everybody, and crash an older CPU. Usage: check_isa_symbols.sh liboptcore_host.a
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
for isa in avx2 avx512; do
  members=$(ar t "$1" | sort -u)
  # objects of the kernel libraries define symbols of their own namespace
  nm -C --defined-only "$1" 2>/dev/null | awk -v isa="$isa" '
    /^[^ ].*\.o:$/ { member += 1; file = $0 " " member }  # one name, an object per instruction set
    / [VvWwuU] / { weak[file] = weak[file] "\n    " $0 }
    index($0, "(optcore::Isa)" (isa == "avx2" ? 2 : 3)) || index($0, "optcore::" isa "::") { own[file] = 1 }
    END { for (f in own) { n = split(weak[f], lines, "\n")
            for (i = 1; i <= n; i++) if (lines[i] != "" && !index(lines[i], "optcore::" isa "::"))
              print f lines[i] } }' > "$work/$isa"
  if [ -s "$work/$isa" ]; then
    echo "weak symbols compiled for $isa that older CPUs could be given:"
    cat "$work/$isa"
    bad=1
  fi
done
exit $bad
