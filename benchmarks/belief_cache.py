"""How often exactly the same belief update comes again, and what a cache of updates costs.

    python benchmarks/belief_cache.py FOLDER [--steps 4000] [--seed 0] [--model NAME]

FOLDER holds the POMDP files (they are not part of the repository). A random policy acts from the
start belief, 100 steps an episode; `repeats` is the share of updates whose (belief, action,
observation) came before, bit for bit. `plain` and `kept` are the median costs of a call without
and with `BayesianRLOptimizer`'s cache, and `cache` says whether it is still on at the end: it
switches itself off where it does not pay.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from optcore.algorithm_optimizer import BayesianRLOptimizer
from optcore.belief.pomdp import SparsePOMDP

MODELS = (
    "tiger.95.POMDP",
    "cheese.95.POMDP",
    "shuttle.95.POMDP",
    "4x3.95.POMDP",
    "TagAvoid.pomdp",
    "Hallway.pomdp",
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Repeats of belief updates.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="", help="only names that contain this")
    args = parser.parse_args()
    print(f"{'model':20} {'states':>7} {'repeats':>8} {'plain us':>9} {'kept us':>8}  cache")
    for name in MODELS:
        if args.model not in name:
            continue
        model = SparsePOMDP.from_pomdp(args.folder / name)
        optimizer = BayesianRLOptimizer()
        rng = np.random.default_rng(args.seed)
        seen: set[tuple[bytes, int, int]] = set()
        repeats, plain, kept = 0, [], []
        belief, state = model.start, 0
        for step in range(args.steps):
            if step % 100 == 0:
                belief = model.start
                state = int(rng.choice(model.n_states, p=belief))
            action = int(rng.integers(model.n_actions))
            state = _draw(rng, model.tables.transitions[action], state)
            observation = _draw(rng, model.tables.observations[action], state)
            key = (belief.tobytes(), action, observation)
            repeats += key in seen
            seen.add(key)
            begin = time.perf_counter_ns()
            model.update_belief(belief, action, observation)
            middle = time.perf_counter_ns()
            update = optimizer.update_belief(model, belief, action, observation)
            kept.append(time.perf_counter_ns() - middle)
            plain.append(middle - begin)
            belief = update.belief
        cache = optimizer.statistics()["belief_updates"]
        assert not isinstance(cache, int)
        print(
            f"{name:20} {model.n_states:7} {repeats / args.steps:8.1%} "
            f"{statistics.median(plain) / 1e3:9.2f} {statistics.median(kept) / 1e3:8.2f}  "
            f"{'on' if cache.active else cache.note}",
            flush=True,
        )
    return 0


def _draw(rng: np.random.Generator, matrix: object, row: int) -> int:
    """A column of a CSR matrix's row by its probabilities."""
    begin, end = matrix.indptr[row], matrix.indptr[row + 1]  # type: ignore[attr-defined]
    shares = matrix.data[begin:end]  # type: ignore[attr-defined]
    return int(rng.choice(matrix.indices[begin:end], p=shares / shares.sum()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    raise SystemExit(main())
