#!/usr/bin/env bash
# Formatting, static analysis and types; every tool runs, the first failure decides the exit code.
# Usage: lint.sh C++-SOURCE...
set -u
status=0
step() {
  echo "lint: $1"
  shift
  "$@" || status=1
}
step "clang-format" clang-format --dry-run -Werror "$@"
step "ruff check" ruff check -q .
step "ruff format" ruff format -q --check .
step "mypy" mypy --no-error-summary
step "stubtest of optcore._native" env MYPYPATH=python python -m mypy.stubtest optcore._native \
  --concise --allowlist scripts/stubtest_allowlist.txt --ignore-unused-allowlist
[ $status -eq 0 ] && echo "lint: clean"
exit $status
