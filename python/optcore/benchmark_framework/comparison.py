"""Two results beside each other: may they be compared at all, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.benchmark_framework import measurement, regression
from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.environment import describe_environment, differences
from optcore.benchmark_framework.measurement import Progress
from optcore.benchmark_framework.regression import Verdict, unjudged
from optcore.benchmark_framework.subject import Subject
from optcore.benchmark_framework.summary import BenchmarkSummary, summarise
from optcore.benchmark_framework.timing import Samples, timer_floor

__all__ = ["Comparison", "array", "in_turns", "stored_verdict"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Two benchmarks and the verdict; it also answers for the verdict's figures."""

    before: BenchmarkSummary
    after: BenchmarkSummary
    verdict: Verdict

    @property
    def status(self) -> str:
        return self.verdict.status

    @property
    def reason(self) -> str:
        return self.verdict.reason

    @property
    def ratio(self) -> float | None:
        """after / before; above 1 slower."""
        return self.verdict.ratio

    @property
    def interval(self) -> tuple[float, float] | None:
        return self.verdict.interval

    def to_dict(self) -> dict[str, Any]:
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "verdict": self.verdict.to_dict(),
        }


def in_turns(
    pair: tuple[Subject, Subject],
    names: tuple[str, str],
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure two functions, in turns unless the configuration says else, and judge."""

    def sample() -> tuple[Samples, Samples]:
        if config.interleave:
            return measurement.measure_in_turns(pair, config, setup, progress)
        first, second = (measurement.measure(s, config, setup, progress) for s in pair)
        return first, second

    floor, environment = timer_floor(), describe_environment()
    sets = sample()
    a, b = (
        summarise(label, samples, config,
                  cache=subject.cache, timer_floor=floor, environment=environment)
        for label, samples, subject in zip(names, sets, pair, strict=True)
    )  # fmt: skip
    failed = next((s for s in (a, b) if s.outcome != "ok"), None)
    if failed is not None:
        return Comparison(a, b, unjudged("failed", f"{failed.name}: {failed.outcome}"))

    def again() -> tuple[Array, Array]:
        first, second = sample()
        return array(first), array(second)

    if config.interleave:
        verdict = regression.judge_interleaved(a.raw, b.raw, config, again)
    else:
        verdict = regression.judge_stored(a.raw, b.raw, config, lambda: again()[1])
    return Comparison(a, b.judged(verdict), verdict)


def stored_verdict(
    baseline: BenchmarkSummary,
    summary: BenchmarkSummary,
    config: BenchmarkConfig,
    again: Callable[[], Array] | None,
) -> Verdict:
    """Judge a result against an earlier one, if machine and way of measuring are the same.

    `again` takes further samples of the later one.
    """
    unlike = differences(baseline.environment, summary.environment)
    if baseline.cache != summary.cache:
        unlike.append(f"cache: {summary.cache}, not {baseline.cache}")
    for key in ("isolate", "pin_cpu"):
        old, new = baseline.config.get(key), summary.config.get(key)
        if old != new:
            unlike.append(f"{key}: {new}, not {old}")
    if unlike:
        return unjudged("not_comparable", "; ".join(unlike))
    for one in (baseline, summary):
        if one.outcome != "ok":
            return unjudged("failed", f"{one.name}: {one.regression_reason}")
        if one.raw.size == 0:
            return unjudged("not_comparable", f"{one.name}: its samples were not kept")
    return regression.judge_stored(baseline.raw, summary.raw, config, again)


def array(samples: Samples) -> Array:
    """Seconds a call."""
    return np.asarray(samples.seconds, dtype=np.float64)
