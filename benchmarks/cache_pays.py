#!/usr/bin/env python3
"""Does a cache pay? Hit rates and time saved on three workloads, found in memory.

    python benchmarks/cache_pays.py [RECORDING...]

queries   20000 predictions of one Gaussian process; 2000 different ones, asked for by Zipf's law
          (exponent 1.1), as users ask a service: what a stable workload looks like.
factors   2000 steps of a control loop that needs the process of its newest 200 points; a point
          arrives every 20 steps. Cached: the fit; the prediction of each step is always made.
beliefs   one belief update for each row of recorded people (positions in metres, as published),
          four goals. No two updates are alike.

Each workload runs without a cache, with one, and with adaptive=True, five times in turns; times are
medians of whole runs. `saved` is the time that the cache claims, to be held against `time`.
"""

from __future__ import annotations

import functools
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optcore.belief import update_beliefs
from optcore.caching_system import CacheConfig, CacheSystem
from optcore.crowd import read_scene
from optcore.gp import RBF, GaussianProcess

GOALS = np.array([[10.0, 0.0], [-10.0, 0.0], [0.0, 10.0], [0.0, -10.0]])
RECORDINGS = ("eth/biwi_eth.txt", "ucy/crowds_zara01.txt", "ucy/crowds_zara02.txt")
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(2200, 3))
Y = np.sin(X).sum(axis=1)
PROCESS = GaussianProcess(RBF(length_scale=1.0), noise=1e-2).fit(X[:200], Y[:200])


def predict(query: Any) -> Any:
    return PROCESS.predict(query)[0]


def fit(points: Any, values: Any) -> Any:
    return GaussianProcess(RBF(length_scale=1.0), noise=1e-2).fit(points, values)


def queries(call: Callable[..., Any]) -> None:
    ranks = np.arange(1, 2001) ** -1.1
    for i in np.random.default_rng(1).choice(2000, size=20_000, p=ranks / ranks.sum()):
        call(X[200 + i : 201 + i])


def factors(call: Callable[..., Any]) -> None:
    for step in range(2000):
        first = step // 20
        process = call(X[first : first + 200], Y[first : first + 200])
        process.predict(X[step : step + 1])


def beliefs(call: Callable[..., Any], tracks: Sequence[Any]) -> None:
    for track in tracks:
        belief = np.full((1, len(GOALS)), -np.log(len(GOALS)))
        for before, now in zip(track.position[:-1], track.position[1:], strict=True):
            moved, wanted = now - before, GOALS - before
            along = wanted @ moved / np.maximum(np.linalg.norm(wanted, axis=1), 1e-9)
            belief = call(belief, 3.0 * along[None, :])


def measure(
    name: str, function: Callable[..., Any], run: Callable[[Callable[..., Any]], None]
) -> None:
    """One line for each way of running."""
    times: dict[str, list[float]] = {"no cache": [], "cache": [], "adaptive": []}
    reports: dict[str, dict[str, Any]] = {}
    for _ in range(5):
        for way, taken in times.items():
            with CacheSystem(CacheConfig(enable_persistence=False)) as cache:
                call = function
                if way != "no cache":
                    call = cache.cached(adaptive=way == "adaptive")(function)
                start = time.perf_counter()
                run(call)
                taken.append(time.perf_counter() - start)
                if way != "no cache":
                    reports[way] = call.cache_info()  # type: ignore[attr-defined]
    plain = statistics.median(times["no cache"])
    for way, taken in times.items():
        report = reports.get(way)
        middle = statistics.median(taken)
        line = f"{name:8} {way:9} {middle * 1e3:9.1f} ms  {plain / middle:6.2f} x"
        if report:
            line += (
                f"  hit rate {report['hit_rate']:6.1%}  went past {report['bypassed']:6d}"
                f"  saved {report['saved_s'] * 1e3:8.1f} ms  pays {report['pays']}"
            )
        print(line)


def main() -> int:
    given = [Path(path) for path in sys.argv[1:]]
    data = os.environ.get("OPTCORE_DATA", Path(__file__).parents[2] / "shared" / "data")
    found = [Path(data, "intent", name) for name in RECORDINGS]
    recordings = given or [path for path in found if path.exists()]
    measure("queries", predict, queries)
    measure("factors", fit, factors)
    tracks = [track for path in recordings for track in read_scene(path).tracks]
    if not tracks:
        print("beliefs  no recordings (name them, or set OPTCORE_DATA)")
        return 0
    measure("beliefs", update_beliefs, functools.partial(beliefs, tracks=tracks))
    rows = sum(len(track) - 1 for track in tracks)
    print(f"beliefs: {rows} updates of {len(tracks)} tracks in {len(recordings)} recordings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
