"""What a report tells, and how its numbers are spelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.benchmark_framework.timeline import Timeline

if TYPE_CHECKING:
    from optcore.benchmark_framework.framework import Comparison

__all__ = ["Report", "duration", "interval", "status_text", "time_unit"]

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@dataclass(frozen=True)
class Report:
    results: Sequence[BenchmarkSummary]
    timelines: Sequence[Timeline] = ()
    comparisons: Sequence[Comparison] = field(default_factory=list)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit in which a time is read best: (seconds in it, its name)."""
    if not math.isfinite(seconds):
        return 1.0, "s"
    return next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])


def duration(seconds: float | None) -> str:
    """A time with four digits and its unit."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    scale, unit = time_unit(abs(seconds))
    return f"{seconds / scale:.4g} {unit}"


def interval(summary: BenchmarkSummary) -> str:
    """The interval of the median."""
    if not math.isfinite(summary.ci_low):
        return "-"
    return f"{duration(summary.ci_low)} to {duration(summary.ci_high)}"


def status_text(summary: BenchmarkSummary) -> str:
    """Status of a result in a few words: the outcome where it failed."""
    if summary.outcome != "ok":
        return summary.outcome.replace("_", " ")
    return summary.regression_status.replace("_", " ")
