"""What a profile consists of: frozen values, SI units unless the name says else."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Allocation", "Bottleneck", "FunctionTime", "LineTime", "ProfileMetrics", "ProfileOutcome",
    "ProfilingData", "StackNode", "SystemSample", "speedup",
]  # fmt: skip


@dataclass(frozen=True)
class ProfileMetrics:
    """Totals of one call; None: not measured."""

    execution_time: float
    """s, wall"""
    cpu_time: float | None = None
    """s, of all threads of the process"""
    cpu_percent: float | None = None
    memory_before_mb: float | None = None
    memory_after_mb: float | None = None
    memory_peak_mb: float | None = None
    """high-water mark of the process; it can lie before the call"""
    minor_faults: int | None = None
    major_faults: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    gpu_utilization: float | None = None
    """percent"""
    gpu_memory_mb: float | None = None
    call_count: int = 1
    overhead_estimate: float | None = None
    """s that profiling itself took"""
    gc_collections: int | None = None
    gc_time: float | None = None
    """s"""


@dataclass(frozen=True)
class LineTime:
    """Time of the samples (or of the trace) whose innermost frame stood on a line."""

    file: str
    line: int
    function: str
    seconds: float
    native_seconds: float = 0.0
    waiting_seconds: float = 0.0
    hits: int = 0


@dataclass(frozen=True)
class FunctionTime:
    file: str
    line: int
    function: str
    self_seconds: float
    total_seconds: float
    running: float
    native: float
    lock: float
    sleep: float
    io: float
    interpreter_lock: float


@dataclass(frozen=True)
class Allocation:
    file: str
    line: int
    megabytes: float
    count: int


@dataclass(frozen=True)
class SystemSample:
    """One look at the process: s since the start, percent of one core, MB."""

    time: float
    cpu_percent: float
    rss_mb: float
    gpu_percent: float | None = None
    gpu_memory_mb: float | None = None


@dataclass(frozen=True)
class StackNode:
    """A frame of the sampled call tree; `seconds` are those of samples that ended in it."""

    parent: int
    file: str
    line: int
    function: str
    seconds: float
    by_activity: tuple[float, ...] = ()


@dataclass(frozen=True)
class Bottleneck:
    kind: str
    evidence: str
    suggestion: str
    confidence: float
    """0 to 1"""
    share: float = 0.0
    """of the wall time"""


@dataclass(frozen=True)
class ProfilingData:
    """One profiled call."""

    name: str
    metrics: ProfileMetrics
    lines: tuple[LineTime, ...] = ()
    functions: tuple[FunctionTime, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    gpu: dict[str, float] | None = None
    io: dict[str, int] | None = None
    timeline: tuple[SystemSample, ...] = ()
    bottlenecks: tuple[Bottleneck, ...] = ()
    suggestions: tuple[str, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    instrumented: bool = False
    """whether tracing slowed the call: its time compares with nothing else"""
    notes: tuple[str, ...] = ()
    stacks: dict[str, tuple[StackNode, ...]] = field(default_factory=dict)
    """call tree by thread name; node 0 is the root"""

    @property
    def execution_time(self) -> float:
        return self.metrics.execution_time

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class ProfileOutcome(tuple[Any, ProfilingData]):
    """The pair (result, data), which also answers for the data's figures."""

    __slots__ = ()

    def __new__(cls, result: Any, data: ProfilingData) -> ProfileOutcome:
        return super().__new__(cls, (result, data))

    @property
    def result(self) -> Any:
        return self[0]

    @property
    def data(self) -> ProfilingData:
        return self[1]

    @property
    def metrics(self) -> ProfileMetrics:
        return self[1].metrics

    @property
    def execution_time(self) -> float:
        """s, wall."""
        return self[1].metrics.execution_time


def speedup(before: ProfileOutcome | ProfilingData, after: ProfileOutcome | ProfilingData) -> float:
    """Ratio of execution times; warns when only one of the two was slowed by tracing."""
    a, b = (o.data if isinstance(o, ProfileOutcome) else o for o in (before, after))
    if a.instrumented != b.instrumented:
        warnings.warn("one of the two calls was traced: the ratio means nothing", stacklevel=2)
    return a.execution_time / b.execution_time
