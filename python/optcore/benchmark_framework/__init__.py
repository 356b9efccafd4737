"""Benchmarks: robust figures, baselines, and regressions that are ones."""

from __future__ import annotations

from optcore.benchmark_framework.changes import Change, change_points
from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.framework import BenchmarkFramework, Comparison
from optcore.benchmark_framework.regression import Verdict
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.benchmark_framework.timeline import Timeline

__all__ = [
    "BenchmarkConfig",
    "BenchmarkFramework",
    "BenchmarkSummary",
    "Change",
    "Comparison",
    "Timeline",
    "Verdict",
    "change_points",
]
