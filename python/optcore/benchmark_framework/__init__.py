"""Benchmarks: robust figures, baselines, and regressions that are ones."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Loaded at first use: every pytest session imports this package, for the sake of the plugin.
_HOMES = {
    "BenchmarkConfig": "config",
    "BenchmarkFramework": "framework",
    "BenchmarkSummary": "summary",
    "Change": "changes",
    "Comparison": "comparison",
    "Timeline": "timeline",
    "Verdict": "regression",
    "change_points": "changes",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
