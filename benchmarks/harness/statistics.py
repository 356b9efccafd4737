"""A few honest figures from many samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.case import LOWER_IS_BETTER
from optcore.benchmark_framework import statistics


@dataclass(frozen=True)
class Summary:
    """Samples in the unit of their case. `p99` is the bad end: the 1st percentile of a rate."""

    median: float
    best: float
    p99: float
    worst: float
    count: int


def summarise(samples: Sequence[float] | NDArray[np.float64], unit: str) -> Summary:
    """Median, best, 99th percentile towards the bad end (linear between samples) and worst."""
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("samples: need at least one, all finite")
    low, high = float(values.min()), float(values.max())
    if unit in LOWER_IS_BETTER:
        best, p99, worst = low, float(np.quantile(values, 0.99)), high
    else:
        best, p99, worst = high, float(np.quantile(values, 0.01)), low
    return Summary(float(np.median(values)), best, p99, worst, values.size)


def ratio(ours: float, theirs: float, unit: str) -> float:
    """How many times better ours is; > 1 whatever the direction of the unit."""
    if unit in LOWER_IS_BETTER:
        return theirs / ours if ours > 0 else float("inf")
    return ours / theirs if theirs > 0 else float("inf")


def best_peer(peers: Mapping[str, Summary], unit: str) -> str:
    """Name of the peer with the best median."""
    choose = min if unit in LOWER_IS_BETTER else max
    return choose(peers, key=lambda name: peers[name].median)


def ratio_interval(
    ours: Sequence[float], theirs: Sequence[float], unit: str, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the ratio of medians; samples in turns count as independent."""
    pair = (ours, theirs) if unit in LOWER_IS_BETTER else (theirs, ours)
    return statistics.ratio_interval(*pair, draws=draws, block=1, seed=seed)
