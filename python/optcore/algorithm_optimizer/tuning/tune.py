"""Run all trials under a budget, then check that nothing became slower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from optcore.algorithm_optimizer.bayesian_rl import BayesianRLOptimizer
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.gp import GPInferenceOptimizer
from optcore.algorithm_optimizer.mpc import MPCOptimizer
from optcore.algorithm_optimizer.tuning import workloads
from optcore.algorithm_optimizer.tuning.clock import Budget, race
from optcore.algorithm_optimizer.tuning.result import Check, Choice, Settings, TuningResult
from optcore.algorithm_optimizer.tuning.trials import TRIALS, Goal

__all__ = ["apply", "tune"]


def apply(
    settings: Settings, gp: GPInferenceOptimizer, mpc: MPCOptimizer, rl: BayesianRLOptimizer
) -> None:
    """Set the optimizers so. A cache that the configuration switched off stays off."""
    gp.approximate_from = settings.gp_approximate_from
    gp.use_cache = settings.gp_cache and gp.config.cache_size > 0
    gp.cache_mb = settings.gp_cache_mb
    gp.threads = settings.gp_threads
    mpc.method = settings.mpc_method  # type: ignore[assignment]
    mpc.warm_start = settings.mpc_warm_start
    mpc.tolerance = settings.mpc_tolerance
    rl.single_from = settings.belief_single_from
    rl.keep_updates = settings.belief_cache and rl.cache_size > 0
    rl.gpu_from = settings.gpu_from


def tune(
    target: str, config: OptimizationConfig, machine: dict[str, Any], seconds: float
) -> TuningResult:
    """Measure for the target; at most about `seconds`, and what there was no time for is the
    default's."""
    budget = Budget(seconds)
    goal = Goal.of(target, config, budget)
    choices: list[Choice] = []
    for trial, settings in TRIALS:
        if budget.left > 0.1 * seconds:
            choices += trial(goal)
        else:
            choices += [goal.keep(name, "no time left to measure") for name in settings]
    result = TuningResult(target, machine, tuple(choices), (), budget.spent)
    checks = []
    for check, concerns in _checks(result.settings, goal):
        if check.reverted:
            choices = [
                goal.keep(c.setting, f"taken back, slower on {check.workload}: {c.reason}")
                if c.setting in concerns and c.changed else c
                for c in choices
            ]  # fmt: skip
        checks.append(check)
    return TuningResult(target, machine, tuple(choices), tuple(checks), budget.spent)


_SLOWER = 1.03  # ratio of times, twice in a row, that no clock on a shared machine makes up
_CACHE = ("gp_cache", "gp_cache_mb")
_FIT = ("gp_approximate_from",)
_LOOP = ("mpc_method", "mpc_warm_start", "mpc_tolerance")


def _checks(chosen: Settings, goal: Goal) -> Iterator[tuple[Check, tuple[str, ...]]]:
    """The workloads under both settings; one that no changed setting concerns is not run."""
    ways = {}
    for label, settings in (("default", Settings()), ("chosen", chosen)):
        gp, rl = GPInferenceOptimizer(goal.config), BayesianRLOptimizer(goal.config)
        mpc = MPCOptimizer(input_limits=(-2.0, 2.0))
        apply(settings, gp, mpc, rl)
        ways[label] = (gp, mpc, rl)
    pairs: list[tuple[str, tuple[str, ...], Callable[..., Callable[[], object]], float]] = [
        ("many small predictions", _CACHE, lambda gp, *_: workloads.many_small_predicts(gp), 0.5),
        ("closed loop", _LOOP, workloads.closed_loop, 0.5),
    ]
    if (n := chosen.gp_approximate_from) is not None:
        pairs.append((f"one fit of {n} points", _FIT, lambda gp, *_: workloads.one_fit(gp, n), 0.7))
    usual = Settings()
    for name, concerns, make, share in pairs:
        if all(getattr(chosen, s) == getattr(usual, s) for s in concerns):
            continue
        runs = {label: make(*optimizers) for label, optimizers in ways.items()}
        long = (chosen.gp_approximate_from or 0) >= 3000 and name.startswith("one fit")
        times = race(runs, share, least=2 if long else 5, warm=not long, quantile=0)
        if times["chosen"] > _SLOWER * times["default"]:  # once more, before it is believed
            times = race(runs, share, least=3 if long else 8, quantile=0)
        check = Check(name, times["default"], times["chosen"])
        yield replace(check, reverted=check.chosen_s > _SLOWER * check.default_s), concerns
