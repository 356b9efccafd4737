"""Scalability analyzer: load tests that do not lie, and what they say about more machines."""

from __future__ import annotations

from optcore.scalability_analyzer.analyzer import ScalabilityAnalyzer
from optcore.scalability_analyzer.autoscaling import ScalingAdvice
from optcore.scalability_analyzer.config import ScalabilityConfig
from optcore.scalability_analyzer.counts import LoadCounts
from optcore.scalability_analyzer.queueing import QueueSizing, erlang_c, servers_for
from optcore.scalability_analyzer.resources import LimitingResource
from optcore.scalability_analyzer.result import (
    Latency,
    ScalabilityResult,
    ScenarioResult,
    TargetResult,
)
from optcore.scalability_analyzer.scenario import Scenario
from optcore.scalability_analyzer.shard import Shard, Timetable
from optcore.scalability_analyzer.sizing import Option, Sizing
from optcore.scalability_analyzer.target import Endpoint, FunctionTarget
from optcore.scalability_analyzer.usl import Interval, UslFit, fit_usl

__all__ = [
    "Endpoint",
    "FunctionTarget",
    "Interval",
    "Latency",
    "LimitingResource",
    "LoadCounts",
    "Option",
    "QueueSizing",
    "ScalabilityAnalyzer",
    "ScalabilityConfig",
    "ScalabilityResult",
    "ScalingAdvice",
    "Scenario",
    "ScenarioResult",
    "Shard",
    "Sizing",
    "TargetResult",
    "Timetable",
    "UslFit",
    "erlang_c",
    "fit_usl",
    "servers_for",
]
