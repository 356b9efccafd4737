"""ScalabilityAnalyzer: what a function or an endpoint does under load, and what it would take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optcore import __version__
from optcore._machine import described
from optcore.errors import ConfigError
from optcore.scalability_analyzer.autoscaling import ScalingAdvice, advise
from optcore.scalability_analyzer.config import ScalabilityConfig
from optcore.scalability_analyzer.load import run_scenario, workers_for
from optcore.scalability_analyzer.resources import LimitingResource, limiting_resource, look
from optcore.scalability_analyzer.result import ScalabilityResult, ScenarioResult, TargetResult
from optcore.scalability_analyzer.scenario import Scenario, default_scenarios
from optcore.scalability_analyzer.sizing import size
from optcore.scalability_analyzer.target import Endpoint, FunctionTarget, Target, target_of
from optcore.scalability_analyzer.usl import UslFit, fit_usl

if TYPE_CHECKING:
    from optcore.distributed import Executor

__all__ = ["ScalabilityAnalyzer"]

_PASS_S = 2.0  # of the sampled pass, at most
_KNEE = 0.1  # of proportional growth: less than that is none


class ScalabilityAnalyzer:
    """Loads functions and endpoints, fits a scaling law, names what limits, sizes for a target.

    Args:
        config: a :class:`ScalabilityConfig`; default settings when absent.
        progress: called with a line of text before each scenario.
        on_recommendation: called with each :class:`ScalingAdvice` when `enable_auto_scaling` is on.
    """

    def __init__(
        self,
        config: ScalabilityConfig | None = None,
        *,
        progress: Callable[[str], object] | None = None,
        on_recommendation: Callable[[ScalingAdvice], object] | None = None,
    ) -> None:
        self.config = config if config is not None else ScalabilityConfig()
        self._progress, self._told = progress, on_recommendation

    def run_comprehensive_analysis(
        self,
        target_function: Callable[..., Any] | None = None,
        test_scenarios: Sequence[Mapping[str, Any]] | None = None,
        *,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        input_factory: Callable[[int], Any] | None = None,
        endpoints: Sequence[str | Endpoint | Mapping[str, Any]] | None = None,
    ) -> ScalabilityResult:
        """Run every scenario on the function and on each endpoint, one after the other.

        Args:
            target_function: a function or a coroutine function.
            test_scenarios: dictionaries with ``concurrent_users`` (closed loop) or
                ``arrival_rate`` (open loop), ``duration`` and more: see :class:`Scenario`. Absent:
                closed loops of 1, 2, 4 ... 32 users.
            args: arguments of each call.
            kwargs: keyword arguments of each call.
            input_factory: makes the arguments of call i (a tuple, or one value); not timed.
            endpoints: URLs, beside those of the configuration.

        Raises:
            ConfigError: nothing to load, an unknown key, or arguments that do not fit.
        """
        targets: list[Target] = []
        if target_function is not None:
            if not callable(target_function):
                raise ConfigError(f"target_function must be callable, got {target_function!r}")
            targets.append(FunctionTarget(target_function, args, dict(kwargs or {}), input_factory))
        targets += [target_of(one) for one in (*(endpoints or ()), *self.config.test_endpoints)]
        if not targets:
            raise ConfigError("need a target_function or endpoints")
        given = default_scenarios(self.config) if test_scenarios is None else test_scenarios
        scenarios = [Scenario.from_dict(one, self.config) for one in given]
        if not scenarios:
            raise ConfigError("test_scenarios is empty")
        for target in targets:
            for scenario in scenarios:
                target.check(scenario.args)
        start = {"optcore": __version__, **described(), "config": self.config.to_dict()}
        far = any(scenario.executor == "dask" for scenario in scenarios)
        with workers_for(self.config) if far else nullcontext() as workers:
            results = tuple(self._analyse(target, scenarios, workers) for target in targets)
        return ScalabilityResult(results, start)

    def run_scenario(self, target: Target, scenario: Scenario) -> ScenarioResult:
        """One scenario alone."""
        return run_scenario(target, scenario, self.config)

    def generate_scaling_report(self, result: ScalabilityResult, format: str = "text") -> str:
        """A report as text, json, csv or html (one file, pictures inside)."""
        from optcore.scalability_analyzer.report import render

        return render(result, format)

    def _analyse(
        self, target: Target, scenarios: Sequence[Scenario], workers: Executor | None
    ) -> TargetResult:
        measured = []
        for scenario in scenarios:
            self._say(f"{target.name}: {scenario.name}, {scenario.duration:g} s")
            measured.append(run_scenario(target, scenario, self.config, workers))
        usl, reason = _law(measured)
        limit = self._limit(target, measured)
        sizing = size(measured, usl, limit, self.config, seen=not isinstance(target, Endpoint))
        advice = None
        if self.config.enable_auto_scaling and sizing is not None:
            advice = advise(sizing, limit, self.config)
            if self._told is not None:
                self._told(advice)
        return TargetResult(
            target.name, tuple(measured), usl, reason, limit, sizing, _knee(measured), advice
        )

    def _limit(self, target: Target, measured: Sequence[ScenarioResult]) -> LimitingResource | None:
        """A pass of its own under the heaviest load: sampling never touches a reported figure."""
        heaviest = max(measured, key=lambda s: (s.throughput, s.users)).scenario
        if heaviest.executor == "dask":
            return None  # the work is on other machines
        short = replace(heaviest, duration=min(heaviest.duration, _PASS_S), ramp_up=0.0)
        self._say(f"{target.name}: what limits, {short.duration:g} s")
        if short.executor == "process":
            short = replace(short, executor="thread")
        return limiting_resource(look(lambda: self.run_scenario(target, short)), self.config)

    def _say(self, line: str) -> None:
        if self._progress is not None:
            self._progress(line)


def _law(measured: Sequence[ScenarioResult]) -> tuple[UslFit | None, str]:
    closed = [s for s in measured if not s.scenario.is_open and s.scenario.think_time == 0]
    loads = [float(s.users) for s in closed if s.throughput > 0]
    if len(set(loads)) < 4:
        return None, (
            f"a scaling law needs closed loops at 4 or more different loads, got {len(set(loads))}"
        )
    fit = fit_usl(loads, [s.throughput for s in closed if s.throughput > 0])
    if fit.peak is None:
        return fit, (
            f"the law's peak lies beyond {fit.farthest:g} users, 1.5 x the largest load tested: "
            "it is not reported"
        )
    if not math.isfinite(fit.peak_interval.high):
        return fit, "the peak has no upper bound within 1.5 x the largest load tested"
    return fit, ""


def _knee(measured: Sequence[ScenarioResult]) -> str | None:
    """Where more users brought less than a tenth of what proportional growth would."""
    closed = sorted(
        (s for s in measured if not s.scenario.is_open), key=lambda s: s.users
    )  # fmt: skip
    for before, after in itertools.pairwise(closed):
        if not before.throughput or after.users == before.users:
            continue
        growth = after.throughput / before.throughput - 1
        if growth < _KNEE * (after.users / before.users - 1):
            return (
                f"from {before.users} to {after.users} users throughput went from "
                f"{before.throughput:.4g} to {after.throughput:.4g} calls/s and p99 from "
                f"{before.response.p99:.3g} to {after.response.p99:.3g} s"
            )
    return None
