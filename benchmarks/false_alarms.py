#!/usr/bin/env python3
"""How often regression rules cry wolf, and what they miss: ours, pytest-benchmark's and pyperf's.

    python benchmarks/false_alarms.py [--sessions 30] [--rounds 10] [--json FILE]

A session is a process of its own. It times one function against itself, against 5 % and against
20 % more work, in turns, 100 samples a side, ROUNDS times. All rules then judge the same samples:

- interleaved: the two sides of a round; an alarm of ours is looked for again in the next round;
- stored: the first round of a session is the baseline, a later one of every other session is new.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import one_thread

one_thread.pin()  # before NumPy is imported

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from optcore.benchmark_framework.config import BenchmarkConfig  # noqa: E402
from optcore.benchmark_framework.measurement import measure_in_turns  # noqa: E402
from optcore.benchmark_framework.regression import judge_interleaved, judge_stored  # noqa: E402
from optcore.benchmark_framework.subject import subject_of  # noqa: E402

Array = NDArray[np.float64]
SAMPLES, STEPS = 100, 100
MORE = {"same": 0, "+5%": 5, "+20%": 20}  # percent more work on the new side
CONFIG = BenchmarkConfig(num_iterations=SAMPLES)
FEW_DRAWS = CONFIG.replace(bootstrap_samples=100)  # a stored alarm does not depend on them


def workload(steps: int) -> float:
    """So many products of a small matrix and a vector."""
    matrix, vector = MATRIX, VECTOR
    for _ in range(steps):
        vector = matrix @ vector
    return float(vector[0])


MATRIX = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
VECTOR = np.ones(64)


def session(rounds: int) -> Array:
    """(rounds, what, side, sample): seconds a call."""
    sets = np.empty((rounds, len(MORE), 2, SAMPLES))
    for r in range(rounds):
        for k, more in enumerate(MORE.values()):
            pair = (
                subject_of(workload, (STEPS,), {}, "bypass"),
                subject_of(workload, (STEPS * (100 + more) // 100,), {}, "bypass"),
            )
            for side, samples in enumerate(measure_in_turns(pair, CONFIG)):
                sets[r, k, side] = samples.seconds
    return sets


@dataclass(frozen=True)
class Pair:
    """Old and new samples, and the next ones for a rule that looks twice."""

    before: Array
    after: Array
    again: tuple[Array, Array]


Rule = Callable[[Pair], bool]


def interleaved_pairs(data: Array, what: int) -> Iterator[Pair]:
    for one in data:
        for r in range(len(one) - 1):
            again = (one[r + 1, what, 0], one[r + 1, what, 1])
            yield Pair(one[r, what, 0], one[r, what, 1], again)


def stored_pairs(data: Array, what: int) -> Iterator[Pair]:
    for i in range(len(data)):
        for j in range(len(data)):
            if i != j:
                baseline = data[i, 0, 0, 0]
                yield Pair(baseline, data[j, 1, what, 1], (baseline, data[j, 2, what, 1]))


def interleaved_rule(pair: Pair) -> bool:
    return judge_interleaved(pair.before, pair.after, CONFIG, lambda: pair.again).detected


def stored_rule(pair: Pair) -> bool:
    return judge_stored(pair.before, pair.after, FEW_DRAWS, lambda: pair.again[1]).detected


def peers() -> dict[str, Rule]:
    """The rules of other tools, by their own code; a tool that is missing is left out."""
    rules: dict[str, Rule] = {}
    try:
        from pytest_benchmark.utils import PercentageRegressionCheck

        def fails(field: str) -> Rule:
            figure: Any = {"mean": np.mean, "median": np.median, "min": np.min}[field]
            check = PercentageRegressionCheck(field, 10)
            return lambda pair: bool(
                check.fails({field: float(figure(pair.after))}, {field: float(figure(pair.before))})
            )

        rules |= {f"pytest-benchmark {f}:10%": fails(f) for f in ("mean", "median", "min")}
    except ImportError:
        pass
    try:
        from pyperf._utils import is_significant

        def slower(least: float) -> Rule:
            def rule(pair: Pair) -> bool:
                old, new = pair.before.tolist(), pair.after.tolist()
                ratio = float(np.mean(new) / np.mean(old))
                return ratio > 1 + least and bool(is_significant(old, new)[0])

            return rule

        rules |= {"pyperf t-test": slower(0.0), "pyperf t-test, --min-speed=10": slower(0.1)}
    except ImportError:
        pass
    return rules


def rate(rule: Rule, pairs: list[Pair]) -> dict[str, Any]:
    from scipy.stats import binomtest

    alarms = sum(rule(pair) for pair in pairs)
    low, high = binomtest(alarms, len(pairs)).proportion_ci()
    return {
        "alarms": alarms,
        "comparisons": len(pairs),
        "percent": round(100 * alarms / len(pairs), 2),
        "interval_percent": [round(100 * float(low), 2), round(100 * float(high), 2)],
    }


def tables(data: Array) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """how -> rule -> what -> rate."""
    kinds = {
        "interleaved": (interleaved_pairs, interleaved_rule),
        "stored": (stored_pairs, stored_rule),
    }
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for how, (pairs, ours) in kinds.items():
        sets = {what: list(pairs(data, k)) for k, what in enumerate(MORE)}
        rules = {"optcore": ours, **peers()}
        found[how] = {
            name: {what: rate(rule, given) for what, given in sets.items()}
            for name, rule in rules.items()
        }
    return found


def show(found: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> None:
    for how, rules in found.items():
        print(f"\n{how}: alarms in percent of {next(iter(rules.values()))['same']['comparisons']}")
        print(f"  {'rule':32}" + "".join(f"{what:>26}" for what in MORE))
        for name, rates in rules.items():
            cells = []
            for value in rates.values():
                low, high = value["interval_percent"]
                cells.append(f"{value['percent']:8.2f} [{low:.2f}, {high:.2f}]")
            print(f"  {name:32}" + "".join(f"{cell:>26}" for cell in cells))


def run_session(rounds: int) -> Array:
    command = [sys.executable, __file__, "--session", "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"a session failed: {done.stderr.decode()[-500:]}")
    measured: Array = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description="False alarms and power of regression rules.")
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--samples", type=Path, metavar="FILE.npy", help="keep, or judge again")
    parser.add_argument("--session", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session:
        np.save(sys.stdout.buffer, session(options.rounds))
        return
    start = time.monotonic()
    if options.samples and options.samples.is_file():
        data = np.load(options.samples, allow_pickle=False)
    else:
        data = np.stack([run_session(options.rounds) for _ in range(options.sessions)])
        if options.samples:
            np.save(options.samples, data)
    measured = time.monotonic() - start
    from harness import environment

    medians = np.median(data[:, 0, 0, 0], axis=1)
    facts = {
        **environment.describe(),
        "sessions": len(data),
        "rounds": data.shape[1],
        "samples_a_side": SAMPLES,
        "median_us": round(float(np.median(medians)) * 1e6, 1),
        "run_to_run_variation_percent": round(100 * float(medians.std() / medians.mean()), 1),
        "largest_over_smallest_median": round(float(medians.max() / medians.min()), 3),
        "measuring_s": round(measured, 1),
    }
    print(
        f"{facts['cpu']}, load {facts['load']}, {len(data)} sessions; medians vary by "
        f"{facts['run_to_run_variation_percent']} % between them; {measured:.0f} s"
    )
    found = tables(data)
    show(found)
    if options.json:
        options.json.write_text(json.dumps({"environment": facts, "rates": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
