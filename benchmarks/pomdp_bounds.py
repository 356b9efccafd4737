"""Bounds of the point-based planner on published POMDPs, beside what is known of their values.

    python benchmarks/pomdp_bounds.py FOLDER [--seconds 20] [--gap 1e-3] [--model NAME]

FOLDER holds the files (they are not part of the repository). Seconds count the search; reading and
setting up are listed apart. `known` is the interval that SARSOP proves (one core, 25 s on Hallway
and TagAvoid, 17 s on RockSample, to a gap of 1e-3 on the others). A row is consistent when the two
intervals overlap, as two proofs about one number must.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from optcore.belief.planning import PointBasedPlanner
from optcore.belief.pomdp import SparsePOMDP

KNOWN = {
    "tiger.95.POMDP": (19.3711, 19.3721),
    "shuttle.95.POMDP": (32.8890, 32.8897),
    "cheese.95.POMDP": (3.4853, 3.4862),
    "4x3.95.POMDP": (1.8899, 1.8909),
    "Hallway.pomdp": (0.985, 1.210),
    "TagAvoid.pomdp": (-6.29, -1.62),
    "RockSample_7_8.pomdpx": (21.04, 24.93),
}
ROUNDED = 1e-4  # the known values are given to this


def main() -> int:
    parser = argparse.ArgumentParser(description="Bounds of the point-based planner.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--model", default="", help="only names that contain this")
    args = parser.parse_args()
    print(
        f"{'model':22} {'lower':>9} {'upper':>9} {'gap':>8} {'known':>19} {'':12} "
        f"{'search s':>8} {'set-up s':>8} {'beliefs':>8} {'vectors':>8} {'MB':>6}"
    )
    consistent = True
    for name, (low, high) in KNOWN.items():
        if args.model not in name:
            continue
        start = time.perf_counter()
        planner = PointBasedPlanner(SparsePOMDP.from_pomdp(args.folder / name))
        ready = time.perf_counter()
        found = planner.solve(gap=args.gap, seconds=args.seconds)
        done = time.perf_counter()
        overlaps = found.lower <= high + ROUNDED and found.upper >= low - ROUNDED
        consistent &= overlaps
        print(
            f"{name:22} {found.lower:9.4f} {found.upper:9.4f} {found.gap:8.4f} "
            f"{f'{low:g} .. {high:g}':>19} {'consistent' if overlaps else 'CONTRADICTS':12} "
            f"{done - ready:8.3f} {ready - start:8.2f} {found.nodes:8d} {found.vectors:8d} "
            f"{found.memory_mb:6.1f}",
            flush=True,
        )
    return 0 if consistent else 1


if __name__ == "__main__":
    raise SystemExit(main())
