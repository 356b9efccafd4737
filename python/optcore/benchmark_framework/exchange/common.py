"""What the formats share: a summary from samples that another tool took."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.environment import describe_environment
from optcore.benchmark_framework.summary import BenchmarkSummary, summarise
from optcore.benchmark_framework.timing import Samples

__all__ = ["foreign", "from_samples"]


def foreign(tool: str, host: str | None, **known: Any) -> dict[str, Any]:
    """Environment of a result: this machine's where the host is this one, else what is known."""
    here = describe_environment() if host and host == platform.node() else {}
    given = {key: value for key, value in known.items() if value is not None}
    return {**here, "host": host, "tool": tool, **given}


def from_samples(
    name: str,
    seconds: Sequence[float],
    environment: Mapping[str, Any],
    *,
    inner: int = 1,
    error: str | None = None,
    figures: Mapping[str, float] | None = None,
) -> BenchmarkSummary:
    """A summary of seconds a call; `figures` stand in where the samples were not kept."""
    samples = Samples(
        seconds=[float(value) for value in seconds],
        inner=inner,
        attempted=len(seconds) + (error is not None),
        errors=int(error is not None),
        first_error=error,
    )
    if figures and not seconds:
        samples.attempted = int(figures.get("iterations", 1))
    config = BenchmarkConfig(enable_profiling=False, enable_memory_tracking=False)
    summary = summarise(name, samples, config, environment=environment)
    if figures and not seconds and error is None:
        known: dict[str, Any] = {k: v for k, v in figures.items() if k != "iterations"}
        summary = dataclasses.replace(
            summary,
            **known,
            outcome="ok",
            success_rate=1.0,
            regression_status="no_baseline",
            regression_reason="",
            notes=("its samples were not kept",),
        )
    return summary
