"""What one benchmark came to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._plain import plain
from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.regression import Verdict, unjudged
from optcore.benchmark_framework.statistics import describe
from optcore.benchmark_framework.timing import Samples

__all__ = ["OUTCOMES", "BenchmarkSummary", "outcome_of", "summarise"]

OUTCOMES = ("ok", "raised", "timed_out", "not_finite", "crashed")
_FORMAT = 1
_NAN_FIELDS = (
    "mean_time", "median_time", "min_time", "max_time", "std_time", "iqr", "mad", "p90", "p99",
    "ci_low", "ci_high", "drift", "autocorrelation",
)  # fmt: skip


@dataclass(frozen=True)
class BenchmarkSummary:
    """Seconds a call, of the iterations that succeeded; NaN when none did.

    An iteration is a sample: one call, or `calls_per_sample` of them where a call is short.
    """

    name: str
    mean_time: float
    median_time: float
    min_time: float
    max_time: float
    std_time: float
    iqr: float
    mad: float
    """median absolute deviation"""
    p90: float
    p99: float
    ci_low: float
    ci_high: float
    """interval of the median, by block bootstrap"""
    iterations: int
    """attempted"""
    errors: int
    first_error: str | None
    success_rate: float
    """share of the iterations that raised nothing and met the timeout"""
    outcome: str
    """one of OUTCOMES"""
    outliers: int
    drift: float
    """change over the run, relative to the median"""
    autocorrelation: float
    bimodal: bool
    calls_per_sample: int
    timer_floor: float
    """s that an empty sample takes on this machine; it is not subtracted"""
    first_call: float | None
    """s of the first call, before the warm-up"""
    cache: str
    """"none" where the function has no cache, else what was done about it"""
    memory_peak_mb: float | None = None
    """growth of the resident peak by one call after the timing, MB = 2^20 bytes"""
    profile: tuple[dict[str, Any], ...] = ()
    """functions by own time in calls after the timing"""
    regression_status: str = "no_baseline"
    regression_reason: str = ""
    regression_ratio: float | None = None
    regression_interval: tuple[float, float] | None = None
    p_value: float | None = None
    effect_size: float | None = None
    """Cliff's delta"""
    baseline: dict[str, Any] | None = None
    """run, time, commit and median of what was compared with"""
    environment: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rounds: tuple[float, ...] = ()
    """medians of the visits, where a history visited its commit several times"""
    run: str = ""
    """under which the run is stored"""
    cold: BenchmarkSummary | None = None
    """with cache_policy="cold_and_hit": calls with an emptied cache"""
    raw: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    """every sample, s a call, in its order"""

    @property
    def regression_detected(self) -> bool:
        """False, with `regression_status` "no_baseline", while there is no baseline."""
        return self.regression_status == "regression"

    def judged(self, verdict: Verdict, baseline: dict[str, Any] | None = None) -> BenchmarkSummary:
        """A copy with a verdict."""
        return dataclasses.replace(
            self,
            regression_status=verdict.status,
            regression_reason=verdict.reason,
            regression_ratio=verdict.ratio,
            regression_interval=verdict.interval,
            p_value=verdict.p_value,
            effect_size=verdict.effect_size,
            baseline=baseline,
        )

    def to_dict(self, raw: bool = False) -> dict[str, Any]:
        """JSON-ready, NaN as None; the samples only when asked for."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        samples = values.pop("raw")
        values["cold"] = self.cold.to_dict(raw) if self.cold else None
        if raw:
            values["raw"] = samples.tolist()
        return {
            "format": "optcore-benchmark",
            "version": _FORMAT,
            "regression_detected": self.regression_detected,
            **plain(values),
        }

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], raw: NDArray[np.float64] | None = None
    ) -> BenchmarkSummary:
        """What :meth:`to_dict` wrote; a field of a later version is passed over."""
        known = {f.name for f in dataclasses.fields(cls)}
        given = {key: value for key, value in values.items() if key in known}
        for name in _NAN_FIELDS:
            if given.get(name) is None:
                given[name] = math.nan
        for name in ("profile", "notes", "rounds"):
            given[name] = tuple(given.get(name) or ())
        if given.get("regression_interval") is not None:
            given["regression_interval"] = tuple(given["regression_interval"])
        if given.get("cold") is not None:
            given["cold"] = cls.from_dict(given["cold"])
        given["raw"] = np.asarray(given.get("raw", ()) if raw is None else raw, dtype=np.float64)
        return cls(**given)


def summarise(
    name: str,
    samples: Samples,
    config: BenchmarkConfig,
    *,
    cache: str = "none",
    timer_floor: float = 0.0,
    environment: Mapping[str, Any] | None = None,
    crashed: bool = False,
) -> BenchmarkSummary:
    """The figures of some samples, before any comparison."""
    raw = np.asarray(samples.seconds, dtype=np.float64)
    found = describe(
        raw, level=config.statistical_significance_level, draws=config.bootstrap_samples
    )
    attempted = samples.attempted
    good = max(attempted - samples.errors - samples.late, 0)
    outcome = outcome_of(samples, config, crashed)
    summary = BenchmarkSummary(
        name=name,
        mean_time=found.mean,
        median_time=found.median,
        min_time=found.min,
        max_time=found.max,
        std_time=found.std,
        iqr=found.iqr,
        mad=found.mad,
        p90=found.p90,
        p99=found.p99,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        iterations=attempted,
        errors=samples.errors,
        first_error=samples.first_error,
        success_rate=good / attempted if attempted else 0.0,
        outcome=outcome,
        outliers=found.outliers,
        drift=found.drift,
        autocorrelation=found.autocorrelation,
        bimodal=found.bimodal,
        calls_per_sample=samples.inner,
        timer_floor=timer_floor,
        first_call=samples.first_call,
        cache=cache,
        environment=dict(environment or {}),
        config=config.to_dict(),
        notes=tuple(_notes(samples, found, timer_floor, environment or {}, cache)),
        raw=raw,
    )
    if outcome != "ok":
        return summary.judged(unjudged("failed", _REASONS[outcome].format(s=samples)))
    return summary


_REASONS = {
    "raised": "{s.errors} of {s.attempted} iterations raised; the first: {s.first_error}",
    "timed_out": "the timeout came after {s.attempted} iterations",
    "not_finite": "the function returned NaN or infinity",
    "crashed": "{s.first_error}",
}


def outcome_of(samples: Samples, config: BenchmarkConfig, crashed: bool = False) -> str:
    """One of OUTCOMES."""
    if crashed:
        return "crashed"
    if samples.errors or (samples.first_error and not samples.seconds):
        return "raised"
    if samples.timed_out or not samples.seconds:
        return "timed_out"
    if samples.nonfinite and not config.allow_nonfinite:
        return "not_finite"
    return "ok"


def _notes(
    samples: Samples, found: Any, floor: float, environment: Mapping[str, Any], cache: str
) -> list[str]:
    notes = []
    if samples.nonfinite:
        notes.append("the result holds NaN or infinity")
    if found.count and floor > 0.01 * found.median * samples.inner:
        share = floor / (found.median * samples.inner)
        notes.append(f"reading the clock is {share:.0%} of a sample")
    load, processors = environment.get("load"), environment.get("processors")
    if load is not None and processors is not None and load > processors:
        notes.append(f"the machine was busy: load {load:.1f} on {processors} processors")
    if found.count >= 20 and abs(found.drift) > 0.1:
        notes.append(f"the time drifts by {found.drift:+.0%} over the run")
    if found.bimodal:
        notes.append("the samples fall into two groups: the median may lie between them")
    if cache == "none" and samples.first_call and found.count:
        times = samples.first_call / found.median
        if times > 1000 and samples.first_call > 1e-3:
            notes.append(
                f"the first call took {times:,.0f} times the median: does it cache its result?"
            )
    return notes
