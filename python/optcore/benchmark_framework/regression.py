"""Whether a change of time is one: rules that stay silent on unchanged code.

Against a stored baseline the fast end decides: other work on a machine only ever makes samples
slower, so minimum and 10 % quantile move far less from run to run than mean or median. Interleaved
samples share the machine's weather, so their paired ratio decides, at much smaller effects. Either
alarm must be seen again in fresh samples. benchmarks/false_alarms.py measures both rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.benchmark_framework import statistics
from optcore.benchmark_framework.config import BenchmarkConfig

__all__ = ["STATUSES", "Verdict", "judge_interleaved", "judge_stored", "unjudged"]

Array = NDArray[np.float64]
Again = Callable[[], tuple[Array, Array]] | None

STATUSES = (
    "ok", "regression", "improvement", "inconclusive", "no_baseline", "not_comparable", "failed",
)  # fmt: skip
_LEAST = 5  # samples without which nothing is judged
_TAIL_LEAST = 500  # samples without which a p99 is luck


@dataclass(frozen=True)
class Verdict:
    """A status with its reason; ratios are new over old, above 1 slower."""

    status: str
    reason: str
    ratio: float | None = None
    """of medians; interleaved, the paired one"""
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    """Mann-Whitney, two-sided"""
    effect_size: float | None = None
    """Cliff's delta: 1 when every new sample is slower than every old one"""
    fast_ratio: float | None = None
    """the lesser change of minimum and 10 % quantile; stored baselines only"""
    tail_ratio: float | None = None
    """of p99; interleaved only"""
    tail_interval: tuple[float, float] | None = None
    interleaved: bool = False

    @property
    def detected(self) -> bool:
        return self.status == "regression"

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def unjudged(status: str, reason: str) -> Verdict:
    """A verdict without figures."""
    return Verdict(status, reason)


def judge_stored(
    before: Array,
    after: Array,
    config: BenchmarkConfig,
    again: Callable[[], Array] | None = None,
) -> Verdict:
    """Judge against samples of another day.

    Args:
        before, after: seconds a call.
        config: tolerance and level.
        again: takes a second set of new samples, when the first raised an alarm; without it the
            first set decides alone.
    """
    if min(before.size, after.size) < _LEAST:
        return unjudged(
            "inconclusive",
            f"need {_LEAST} samples on both sides, got {before.size} and {after.size}",
        )
    first = _stored_once(before, after, config)
    if first.status not in ("regression", "improvement") or again is None:
        return first
    fresh = again()
    if fresh.size < _LEAST:
        return _unconfirmed(first, fresh.size)
    second = _stored_once(before, fresh, config)
    if second.status == first.status:
        return first
    return _replaced(
        first,
        "inconclusive",
        f"{first.reason}; but a second run did not show it ({second.reason}): compare interleaved",
    )


def _stored_once(before: Array, after: Array, config: BenchmarkConfig) -> Verdict:
    level, limit = config.statistical_significance_level, config.baseline_tolerance_percent / 100
    p, delta = statistics.mann_whitney(before, after)
    low, high = statistics.ratio_interval(
        before, after, level=level, draws=config.bootstrap_samples
    )
    ends = [
        float(after.min() / before.min()),
        float(np.quantile(after, 0.1) / np.quantile(before, 0.1)),
    ]
    fast = min(ends, key=lambda ratio: abs(np.log(ratio)))
    ratio = float(np.median(after) / np.median(before))
    change = f"minimum x{ends[0]:.3f}, 10 % quantile x{ends[1]:.3f}, median x{ratio:.3f}, p {p:.2g}"
    if p < level and min(ends) > 1 + limit:
        status, reason = "regression", f"the fast end is slower by more than {limit:.0%}"
    elif p < level and max(ends) < 1 / (1 + limit):
        status, reason = "improvement", f"the fast end is faster by more than {limit:.0%}"
    elif low > 1 + config.min_effect_percent / 100:
        status = "inconclusive"
        reason = "the fast end is level, the median is not: compare interleaved"
    else:
        status, reason = "ok", f"the fast end is within {limit:.0%}"
    return Verdict(status, f"{reason} ({change})", ratio, (low, high), p, delta, fast)


def judge_interleaved(
    before: Array, after: Array, config: BenchmarkConfig, again: Again = None
) -> Verdict:
    """Judge samples taken in turns, block by block, in one sitting.

    A regression is slower by more than `min_effect_percent` with the interval clear of 1, twice.
    """
    if min(before.size, after.size) < 2 * statistics.BLOCK:
        return unjudged(
            "inconclusive",
            f"need {2 * statistics.BLOCK} samples on both sides, got {before.size} and "
            f"{after.size}",
        )
    first = _interleaved_once(before, after, config)
    if first.status not in ("regression", "improvement") or again is None:
        return first
    fresh = again()
    count = min(side.size for side in fresh)
    if count < 2 * statistics.BLOCK:
        return _unconfirmed(first, count)
    second = _interleaved_once(*fresh, config)
    if second.status == first.status:
        return first
    return _replaced(
        first, "inconclusive", f"{first.reason}; but a second run did not show it ({second.reason})"
    )


def _interleaved_once(before: Array, after: Array, config: BenchmarkConfig) -> Verdict:
    level, least = config.statistical_significance_level, config.min_effect_percent / 100
    draws = config.bootstrap_samples
    ratio, low, high = statistics.paired_ratio(before, after, level=level, draws=draws)
    p, delta = statistics.mann_whitney(before, after)
    tail, tail_interval = _tail(before, after, level, draws)
    limit = config.baseline_tolerance_percent / 100
    interval = f"x{ratio:.4f} [{low:.4f}, {high:.4f}]"
    if ratio > 1 + least and low > 1:
        status, reason = "regression", f"slower by more than {least:.1%}: {interval}"
    elif ratio < 1 / (1 + least) and high < 1:
        status, reason = "improvement", f"faster by more than {least:.1%}: {interval}"
    elif tail_interval is not None and tail_interval[0] > 1 + limit:
        status = "regression"
        reason = f"the tail is slower by more than {limit:.0%}: p99 x{tail:.3f}, median {interval}"
    elif high > 1 + limit:
        status, reason = "inconclusive", f"too noisy to exclude {limit:.0%}: {interval}"
    else:
        status, reason = "ok", f"within {least:.1%} or not told from 1: {interval}"
    return Verdict(
        status, reason, ratio, (low, high), p, delta,
        tail_ratio=tail, tail_interval=tail_interval, interleaved=True,
    )  # fmt: skip


def _tail(
    before: Array, after: Array, level: float, draws: int
) -> tuple[float, tuple[float, float] | None]:
    ratio = float(np.quantile(after, 0.99) / np.quantile(before, 0.99))
    if min(before.size, after.size) < _TAIL_LEAST:
        return ratio, None
    ends = []
    for seed, values in enumerate((before, after)):
        parts = statistics.bootstrap(values.size, draws=draws, block=statistics.BLOCK, seed=seed)
        ends.append(np.concatenate([np.quantile(values[r], 0.99, axis=1) for r in parts]))
    low, high = np.quantile(ends[1] / ends[0], [level / 2, 1 - level / 2])
    return ratio, (float(low), float(high))


def _unconfirmed(first: Verdict, count: int) -> Verdict:
    reason = f"{first.reason}; but a second run came to {count} samples, too few to confirm it"
    return _replaced(first, "inconclusive", reason)


def _replaced(verdict: Verdict, status: str, reason: str) -> Verdict:
    return Verdict(**{**verdict.to_dict(), "status": status, "reason": reason})
