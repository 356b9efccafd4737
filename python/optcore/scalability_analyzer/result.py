"""What an analysis found: frozen values, s and MB (2^20 bytes) unless the name says else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optcore._native import runtime
from optcore.scalability_analyzer.counts import LoadCounts
from optcore.scalability_analyzer.scenario import Scenario

if TYPE_CHECKING:
    from optcore.scalability_analyzer.autoscaling import ScalingAdvice
    from optcore.scalability_analyzer.resources import LimitingResource
    from optcore.scalability_analyzer.sizing import Sizing
    from optcore.scalability_analyzer.usl import UslFit

__all__ = ["Latency", "ScalabilityResult", "ScenarioResult", "TargetResult"]

_S = 1e-9
_QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
_LAG_SHARE = 0.1  # of the p99 response, beyond which a run says more about the generator
_STARTED = 0.98  # of the offered rate, below which the target is saturated


@dataclass(frozen=True)
class Latency:
    """Quantiles of a latency, s, at most 0.1 % above the true ones; NaN where nothing counted."""

    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    p9999: float
    max: float
    mean: float
    count: int
    histogram: NDArray[np.int64] = field(repr=False, compare=False)
    """counts by bucket, HdrHistogram's layout of three digits"""

    @classmethod
    def of(cls, counts: NDArray[np.int64], maximum_ns: int | None = None) -> Latency:
        histogram = runtime.Histogram()
        histogram.add_counts(counts)
        top = histogram.max_ns if maximum_ns is None else maximum_ns
        if histogram.count == 0:
            nan = float("nan")
            return cls(nan, nan, nan, nan, nan, nan, nan, nan, 0, counts)
        upper, number = histogram.buckets()
        lower = [u - (u >> 11) for u in upper]  # a bucket is u / 2048 to u / 1024 wide
        mean = float(np.dot(np.add(upper, lower) / 2, number)) / histogram.count
        at = [min(histogram.quantile(q), top) * _S for q in _QUANTILES]
        p50, p90, p95, p99, p999, p9999 = at
        return cls(p50, p90, p95, p99, p999, p9999, top * _S, mean * _S, histogram.count, counts)

    def quantile(self, q: float) -> float:
        """s that a share q of the calls did not exceed."""
        histogram = runtime.Histogram()
        histogram.add_counts(self.histogram)
        return min(histogram.quantile(q) * _S, self.max) if self.count else float("nan")

    def variation(self) -> float:
        """Squared coefficient of variation."""
        histogram = runtime.Histogram()
        histogram.add_counts(self.histogram)
        upper, number = histogram.buckets()
        values, weights = np.array(upper) * _S, np.array(number)
        mean = float(np.average(values, weights=weights))
        return float(np.average((values - mean) ** 2, weights=weights)) / mean**2

    def to_dict(self) -> dict[str, Any]:
        names = ("p50", "p90", "p95", "p99", "p999", "p9999", "max", "mean", "count")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class ScenarioResult:
    """One scenario, measured."""

    name: str
    scenario: Scenario
    throughput: float
    """calls per second that ended well within the measured time"""
    offered_rate: float | None
    """calls per second that were due; None in a closed loop"""
    response: Latency
    """from the time a call was due to its end"""
    service: Latency
    """from its start to its end"""
    start_lag: Latency
    """from the time a call was due to its start"""
    errors: int
    timeouts: int
    unstarted: int
    """calls that nobody was free for until the end: in `response` with the time they had waited"""
    cpu_percent: float
    """of all usable processors, of the processes under load"""
    memory_mb: float
    """resident, at the end of the measured time"""
    saturated: bool
    """an open loop whose target did not keep up with what was offered"""
    generator_bound: bool
    """the generator, not the target, may be what the latencies show; `notes` say why"""
    notes: tuple[str, ...] = ()
    error_types: Mapping[str, int] = field(default_factory=dict)
    first_error: str | None = None
    cpu_seconds_per_call: float | None = None
    concurrency: float = 0.0
    """calls under way on average, by Little's law: throughput times mean response"""
    little_ratio: float | None = None
    """users over throughput x (mean response + think time); 1 but for what was not measured"""
    heat: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((0, 0), dtype=np.int64), repr=False, compare=False
    )
    """calls by time slot and latency bin"""
    heat_bins: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(0), repr=False, compare=False
    )
    """upper ends of the latency bins, s"""

    @property
    def users(self) -> int:
        return self.scenario.concurrent_users

    @property
    def error_rate(self) -> float:
        whole = self.errors + self.response.count
        return self.errors / whole if whole else 0.0

    @classmethod
    def of(cls, counts: LoadCounts, scenario: Scenario, offered: int, cpus: int) -> ScenarioResult:
        """From the counts; `offered` calls were due in the measured time of an open loop."""
        back_to_back = not scenario.is_open and scenario.think_time == 0
        response = Latency.of(counts.response, counts.max_response)
        service = response if back_to_back else Latency.of(counts.service)
        lag = Latency.of(counts.lag)
        throughput = counts.finished / scenario.duration
        mean = response.mean if response.count else 0.0
        little = None
        if not scenario.is_open and throughput:
            little = scenario.concurrent_users / (throughput * (mean + scenario.think_time))
        saturated = scenario.is_open and (
            counts.unstarted > 0 or counts.finished + counts.errors < _STARTED * offered
        )
        notes = tuple(_doubts(counts, scenario, response, lag))
        done = max(counts.finished, 1)
        return cls(
            name=scenario.name,
            scenario=scenario,
            throughput=throughput,
            offered_rate=offered / scenario.duration if scenario.is_open else None,
            response=response,
            service=service,
            start_lag=lag,
            errors=counts.errors,
            timeouts=counts.timeouts,
            unstarted=counts.unstarted,
            cpu_percent=100 * counts.cpu_seconds / scenario.duration / cpus,
            memory_mb=counts.memory_mb,
            saturated=saturated,
            generator_bound=bool(notes),
            notes=notes,
            error_types=dict(counts.error_types),
            first_error=counts.first_error,
            cpu_seconds_per_call=counts.cpu_seconds / done if counts.finished else None,
            concurrency=throughput * mean,
            little_ratio=little,
            heat=counts.heat,
            heat_bins=np.multiply(runtime.LoadRun.bin_ends(), _S, dtype=np.float64),
        )

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if one.name in ("heat", "heat_bins"):
                continue
            if isinstance(value, Latency):
                value = value.to_dict()
            elif isinstance(value, Scenario):
                value = {k: v for k, v in dataclasses.asdict(value).items() if k != "args"}
            out[one.name] = value
        return out


def _doubts(counts: LoadCounts, scenario: Scenario, response: Latency, lag: Latency) -> Any:
    """Why the latencies may be the generator's."""
    if not lag.count or not lag.p99 > _LAG_SHARE * response.p99:
        return
    own = Latency.of(counts.wake_lag)
    if own.count and own.p99 > _LAG_SHARE * response.p99:
        yield (
            f"generator-bound: it started calls up to {own.p99:.3g} s (p99) late although workers "
            f"were free, which is {own.p99 / response.p99:.0%} of the p99 response; use "
            'executor="process", spin=True, or a machine of its own'
        )
    busy = counts.busy + counts.unstarted
    if busy:
        yield (
            f"worker-bound: {busy} calls found all {scenario.concurrent_users} workers busy and "
            "started late; more concurrent_users would put them to the target in time"
        )


@dataclass(frozen=True)
class TargetResult:
    """A function or an endpoint under all scenarios, and what follows from them."""

    target: str
    scenarios: tuple[ScenarioResult, ...]
    usl: UslFit | None
    usl_reason: str
    """why there is no fit, or what it may not be used for"""
    limit: LimitingResource | None
    sizing: Sizing | None
    knee: str | None
    """the first scenario in which more load brought no more throughput, and where it stood"""
    advice: ScalingAdvice | None = None

    @property
    def best(self) -> ScenarioResult:
        return max(self.scenarios, key=lambda s: s.throughput)


@dataclass(frozen=True)
class ScalabilityResult:
    """All that :meth:`ScalabilityAnalyzer.run_comprehensive_analysis` measured."""

    targets: tuple[TargetResult, ...]
    environment: Mapping[str, Any]

    @property
    def scenarios(self) -> tuple[ScenarioResult, ...]:
        """Of the first target, in the order given."""
        return self.targets[0].scenarios

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; histograms and heat maps are left out."""
        return {
            "format": "optcore-load",
            "version": 1,
            "environment": dict(self.environment),
            "targets": [
                {
                    "target": one.target,
                    "scenarios": [s.to_dict() for s in one.scenarios],
                    "usl": one.usl.to_dict() if one.usl else None,
                    "usl_reason": one.usl_reason,
                    "limit": dataclasses.asdict(one.limit) if one.limit else None,
                    "sizing": dataclasses.asdict(one.sizing) if one.sizing else None,
                    "knee": one.knee,
                    "advice": one.advice.to_dict() if one.advice else None,
                }
                for one in self.targets
            ],
        }
