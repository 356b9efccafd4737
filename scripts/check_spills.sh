#!/usr/bin/env bash
# Fails when a kernel keeps anything in local memory: spilled registers or an array on the stack.
# Prints registers and shared memory of every kernel. Usage: check_spills.sh FOLDER [EXEMPT...]
# FOLDER holds the *.ptxas reports of nvcc_keep_report.sh; EXEMPT are parts of kernel names that
# may have a stack, each with its reason where the list is kept. Spills are never exempt.
set -eu
folder=$1
shift
mapfile -t reports < <(find "$folder" -name '*.ptxas' | sort)
[ ${#reports[@]} -gt 0 ] || { echo "check_spills: no report under $folder"; exit 2; }
awk -v exempt="$*" '
  BEGIN { count = split(exempt, exempted, " ") }
  /Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; target = part[4]; next }
  /bytes stack frame/ {
    stack = $1; spills = $5 + $9
    if (kernel == "") next  # a function that was not inlined
    allowed = 0
    for (i = 1; i <= count; ++i) if (index(kernel, exempted[i])) allowed = 1
    bad = spills > 0 || (stack > 0 && !allowed)
    failed += bad; next
  }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    printf "%-6s %4d registers %5d B stack %5d B spilled  %s%s\n", target, registers, stack, spills,
           kernel, bad ? "   <-- local memory" : ""
    ++kernels; kernel = ""; bad = 0
  }
  END {
    if (kernels == 0) { print "check_spills: no kernel in the reports"; exit 2 }
    if (failed > 0) { printf "check_spills: %d kernels use local memory\n", failed; exit 1 }
    printf "check_spills: %d kernels, none uses local memory\n", kernels
  }' "${reports[@]}"
