"""Profiler: where the time of a call goes, at a cost that does not change the answer."""

from __future__ import annotations

from optcore.profiler.config import ProfilerConfig
from optcore.profiler.data import (
    Allocation,
    Bottleneck,
    FunctionTime,
    LineTime,
    ProfileMetrics,
    ProfileOutcome,
    ProfilingData,
    speedup,
)
from optcore.profiler.system_profiler import SystemProfiler

__all__ = [
    "Allocation",
    "Bottleneck",
    "FunctionTime",
    "LineTime",
    "ProfileMetrics",
    "ProfileOutcome",
    "ProfilerConfig",
    "ProfilingData",
    "SystemProfiler",
    "speedup",
]
