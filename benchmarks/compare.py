#!/usr/bin/env python3
"""Measure optcore beside its peers: python benchmarks/compare.py AREA [--json FILE] [--quick].

Each case runs on the same inputs beside every peer that is installed, in turns A B A B, on one
thread, after its answers were found to agree. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path

AREAS = ("gp", "mpc", "belief", "loop", "workbench", "optimize", "cuda", "learn", "firmware")


def built_areas() -> list[str]:
    """Areas that have a module."""
    return [area for area in AREAS if importlib.util.find_spec(f"areas.{area}") is not None]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__)
    parser.add_argument("area", metavar="AREA", nargs="?", default="", help=", ".join(AREAS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as a JSON list")
    parser.add_argument("--quick", action="store_true", help="a fifth of the samples and the time")
    parser.add_argument("--case", metavar="TEXT", help="only cases whose id contains TEXT")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--cpu", type=int, metavar="N", help="stay on this processor")
    options = parser.parse_args(arguments)
    there = built_areas()
    if options.area not in there:
        known = (
            f"area '{options.area}' is not built yet"
            if options.area in AREAS
            else (f"unknown area '{options.area}'" if options.area else "which area?")
        )
        parser.exit(2, f"compare.py: {known}; there are: {', '.join(there)}\n")
    return options


def main(arguments: list[str] | None = None) -> int:
    """0: compared; 1: some case's answers do not agree; 2: a wrong call."""
    options = parse(arguments)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    from harness import environment, runner, table

    cases = runner.select(importlib.import_module(f"areas.{options.area}").cases(), options.case)
    if not cases:
        print(f"compare.py: no case of '{options.area}' contains '{options.case}'", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{case.id}  {case.measure}, {case.unit}" for case in cases))
        return 0
    described = environment.describe()
    print(
        f"{described['cpu']}, {described['isa']}, {described['threads']} thread, "
        f"load {described['load']}, {described['git']}{', quick' if options.quick else ''}"
    )
    rows: list[runner.Row] = []
    try:
        for case in cases:
            _progress(f"{case.id} ({case.measure})")
            rows.append(runner.run_case(case, described, quick=options.quick))
    except KeyboardInterrupt:
        print("\ninterrupted: the rows below are complete", file=sys.stderr)
    _progress("")
    print(table.render(rows))
    if options.json:
        options.json.write_text(runner.to_json(rows))
    return 1 if any(row["checks"]["agree"] is False for row in rows) else 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import one_thread

    one_thread.pin()
    sys.exit(main())
