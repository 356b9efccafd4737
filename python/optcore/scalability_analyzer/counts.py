"""What a shard of a load test counted: plain arrays, which add up across threads and machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optcore._native import runtime

__all__ = ["LoadCounts", "added"]

Counts = NDArray[np.int64]


def added(a: Counts, b: Counts) -> Counts:
    """Sum of two histograms that end at different buckets."""
    if len(a) < len(b):
        a, b = b, a
    out = a.copy()
    out[: len(b)] += b
    return out


@dataclass(frozen=True)
class LoadCounts:
    """Histograms by HdrHistogram bucket (:meth:`runtime.Histogram.counts`) and totals."""

    response: Counts
    service: Counts
    lag: Counts
    wake_lag: Counts
    heat: Counts
    """(time slots, latency bins)"""
    max_response: int
    """ns"""
    finished: int
    """calls that ended well within the measured time"""
    errors: int
    timeouts: int
    busy: int
    """calls that found no free worker"""
    unstarted: int
    """calls that were given up"""
    error_types: Counter[str] = field(default_factory=Counter)
    first_error: str | None = None
    cpu_seconds: float = 0.0
    memory_mb: float = 0.0

    @classmethod
    def of(
        cls,
        run: runtime.LoadRun,
        error_types: Counter[str],
        first_error: str | None,
        cpu_seconds: float,
        memory_mb: float,
    ) -> LoadCounts:
        return cls(
            response=run.response.counts(),
            service=run.service.counts(),
            lag=run.lag.counts(),
            wake_lag=run.wake_lag.counts(),
            heat=run.heat(),
            max_response=run.response.max_ns,
            error_types=error_types,
            first_error=first_error,
            cpu_seconds=cpu_seconds,
            memory_mb=memory_mb,
            **run.totals(),
        )

    def __add__(self, other: LoadCounts) -> LoadCounts:
        return LoadCounts(
            response=added(self.response, other.response),
            service=added(self.service, other.service),
            lag=added(self.lag, other.lag),
            wake_lag=added(self.wake_lag, other.wake_lag),
            heat=self.heat + other.heat,
            max_response=max(self.max_response, other.max_response),
            finished=self.finished + other.finished,
            errors=self.errors + other.errors,
            timeouts=self.timeouts + other.timeouts,
            busy=self.busy + other.busy,
            unstarted=self.unstarted + other.unstarted,
            error_types=self.error_types + other.error_types,
            first_error=self.first_error or other.first_error,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            memory_mb=self.memory_mb + other.memory_mb,
        )
