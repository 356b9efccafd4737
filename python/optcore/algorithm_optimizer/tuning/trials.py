"""What is measured to decide each setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from optcore._native import Device, describe
from optcore.algorithm_optimizer.approximation import approximate
from optcore.algorithm_optimizer.bayesian_rl import BayesianRLOptimizer
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.gp import GPInferenceOptimizer
from optcore.algorithm_optimizer.mpc import MPCOptimizer
from optcore.algorithm_optimizer.tuning.clock import Budget, race
from optcore.algorithm_optimizer.tuning.result import Choice, Settings
from optcore.algorithm_optimizer.tuning.workloads import PARAMS, smooth_data
from optcore.belief import update_beliefs
from optcore.belief.pomdp import SparsePOMDP
from optcore.gp import Matern

__all__ = ["TRIALS", "Goal"]

_DEFAULT = Settings()


@dataclass(frozen=True)
class Goal:
    """What counts: how much faster something must be, and how much error it may bring."""

    target: str
    gain: float
    threshold: float
    config: OptimizationConfig
    budget: Budget

    @classmethod
    def of(cls, target: str, config: OptimizationConfig, budget: Budget) -> Goal:
        gain = {"speed": 1.05, "memory": 1.0, "accuracy": 1.0, "balanced": 1.2}[target]
        share = 0.1 if target == "balanced" else 1.0
        return cls(target, gain, share * config.approximation_threshold, config, budget)

    @property
    def exact(self) -> bool:
        """No approximation is wanted, however small."""
        return self.target == "accuracy"

    def keep(self, setting: str, reason: str, **figures: float) -> Choice:
        """The default."""
        value = getattr(_DEFAULT, setting)
        return Choice(setting, value, value, reason, figures)

    def take(self, setting: str, value: Any, reason: str, **figures: float) -> Choice:
        return Choice(setting, value, getattr(_DEFAULT, setting), reason, figures)


def approximate_from(goal: Goal) -> list[Choice]:
    """Smallest n at which a refused trial is lost in the cost of the exact fit, and one that is
    taken saves enough."""
    name = "gp_approximate_from"
    if goal.exact:
        return [goal.keep(name, "exact at any n: accuracy is the target")]
    tried: dict[str, float] = {}
    config = goal.config.replace(approximation_threshold=goal.threshold, cache_size=0)
    smooth = {**PARAMS, "length_scale": 2.0}
    last, expected = 0, 0.0
    for n in (1500, 2000, 3000, 4000):
        if last:
            expected = tried[f"exact_s_{last}"] * (n / last) ** 3
        if goal.budget.left < 6 * expected:
            break
        last = n
        X, y, Z = smooth_data(n)
        exact, sparse = (GPInferenceOptimizer(config, approximate_from=at) for at in (None, n))
        refused = partial(
            approximate, Matern(0.1, nu=0.5), 1e-2, 0.0, X, y, threshold=goal.threshold,
            most=n // 10,
        )  # fmt: skip
        times = race(
            {
                "exact": partial(exact.predict, X, y, Z, smooth),
                "sparse": partial(sparse.predict, X, y, Z, smooth),
                "refusal": refused,
            },
            0.3, least=3 if n < 3000 else 2, warm=n < 3000,
        )  # fmt: skip
        tried |= {f"{name}_s_{n}": taken for name, taken in times.items()}
        taken = sparse.statistics().approximate > 0
        worth = times["exact"] / times["sparse"] >= max(goal.gain, 1.1)
        if taken and worth and times["refusal"] < 0.05 * times["exact"]:
            error = sparse.statistics().largest_error
            reason = (
                f"n = {n}: {times['exact']:.2g} s exact, {times['sparse']:.2g} s sparse with an "
                f"error proven <= {error:.0e}; where none is found, {times['refusal'] * 1e3:.0f} ms"
            )
            return [goal.take(name, n, reason, error=error, **tried)]
    if not last:
        return [goal.keep(name, "no time left to measure")]
    reason = (
        f"n = {last}: {tried[f'exact_s_{last}']:.2g} s exact, {tried[f'sparse_s_{last}']:.2g} s "
        f"with a sparse process sought within {goal.threshold:g}, "
        f"{tried[f'refusal_s_{last}']:.2g} s to refuse one"
    )
    return [goal.keep(name, reason, **tried)]


def gp_cache(goal: Goal) -> list[Choice]:
    """Does looking a model up cost less than fitting it, down to small ones?"""
    X, y, Z = smooth_data(50)
    z = Z[:1]
    kept = GPInferenceOptimizer(goal.config.replace(cache_size=max(goal.config.cache_size, 1)))
    none = GPInferenceOptimizer(goal.config.replace(cache_size=0))
    times = race(
        {name: _often(partial(gp.predict, X, y, z, PARAMS), 20)
         for name, gp in (("hit", kept), ("fit", none))}, 0.1,
    )  # fmt: skip
    figures = {"hit_s": times["hit"] / 20, "fit_s": times["fit"] / 20}
    says = (
        f"50 points: {figures['hit_s'] * 1e6:.0f} us found, {figures['fit_s'] * 1e6:.0f} us fitted"
    )
    on = times["hit"] < times["fit"]
    choices = [goal.take("gp_cache", on, says, **figures)]
    if goal.target == "memory":
        choices.append(goal.take("gp_cache_mb", 64.0, "one model of 2000 points is 32 MB"))
    else:
        choices.append(goal.keep("gp_cache_mb", "memory is not the target"))
    return choices


def gp_threads(goal: Goal) -> list[Choice]:
    """Threads of predict_many, on 512 data sets of 32 points."""
    most = goal.config.num_workers if goal.config.use_parallel else 1
    if most == 1:
        return [goal.keep("gp_threads", "one processor, or use_parallel is off")]
    random = np.random.default_rng(0)
    X, y = random.uniform(-3, 3, (512, 32, 2)), random.normal(size=(512, 32))
    contenders: dict[str, Callable[[], object]] = {}
    count = 1
    while count <= most:
        gp = GPInferenceOptimizer(goal.config)
        gp.threads = count
        contenders[str(count)] = partial(gp.predict_many, X, y, X[0], PARAMS)
        count = count * 2 if count * 2 <= most or count == most else most
    times = race(contenders, 0.4)
    best = min(times, key=lambda name: times[name])
    if best != "1":  # few turns each: the two alone, once more
        times |= race({name: contenders[name] for name in ("1", best)}, 0.3, least=20)
        if times["1"] / times[best] < max(goal.gain, 1.1):
            best = "1"
    says = ", ".join(f"{name}: {taken * 1e3:.1f} ms" for name, taken in times.items())
    return [goal.take("gp_threads", int(best), f"threads for 512 small data sets: {says}",
                      **{f"threads_{name}_s": taken for name, taken in times.items()})]  # fmt: skip


def mpc_path(goal: Goal) -> list[Choice]:
    """Method, warm start and tolerance on a closed loop, beside a solution to 1e-10."""
    states, truth = _drive(MPCOptimizer(input_limits=(-2.0, 2.0), tolerance=1e-10))
    ways = {
        (method, warm, tolerance): MPCOptimizer(
            input_limits=(-2.0, 2.0), method=method, warm_start=warm, tolerance=tolerance
        )
        for method in ("auto", "active_set", "interior_point")
        for warm in (True, False)
        for tolerance in (1e-6, 1e-9)
    }
    errors = {
        way: float(np.abs(_replay(mpc, states) - truth).max()) / 4.0 for way, mpc in ways.items()
    }
    usual = (_DEFAULT.mpc_method, _DEFAULT.mpc_warm_start, _DEFAULT.mpc_tolerance)
    allowed = max(goal.threshold, errors[usual])
    fit = {way: mpc for way, mpc in ways.items() if errors[way] <= allowed}
    times = race({repr(w): partial(_replay, m, states) for w, m in fit.items()}, 1.0)
    each = {way: times[repr(way)] / len(states) for way in fit}
    if goal.exact:
        able = [way for way in fit if each[way] <= 1.02 * each[usual]]
        best = min(able, key=lambda way: (errors[way] > 0.5 * errors[usual], each[way]))
        best = best if errors[best] <= 0.5 * errors[usual] else usual
    else:
        best = min(fit, key=lambda way: each[way])
    if best != usual and not goal.exact:  # few turns each: the two alone, once more
        pair = {repr(way): partial(_replay, ways[way], states) for way in (usual, best)}
        times = race(pair, 0.5, least=20)
        each |= {way: times[repr(way)] / len(states) for way in (usual, best)}
        if each[usual] / each[best] < max(goal.gain, 1.1):
            best = usual
    says = (
        f"{best[0]}, {'warm' if best[1] else 'cold'}: {each[best] * 1e6:.0f} us a step, error "
        f"{errors[best]:.0e}; by default {each[usual] * 1e6:.0f} us, {errors[usual]:.0e}"
    )
    figures = {
        "step_s": each[best], "default_s": each[usual], "error": errors[best],
        "cold_s": each.get(("auto", False, 1e-6), float("nan")),
    }  # fmt: skip
    return [
        goal.take("mpc_method", best[0], says, **figures),
        goal.take("mpc_warm_start", best[1], "as measured for mpc_method"),
        goal.take("mpc_tolerance", best[2], "as measured for mpc_method"),
    ]


_LOOP = (np.diag([1.0, 1.0, 0.1, 0.1]), 0.05 * np.eye(2))


def _drive(mpc: MPCOptimizer) -> tuple[list[Any], Any]:
    state, states, plans, h = np.array([2.0, -3.0, 0.0, 0.0]), [], [], 0.1
    for _ in range(40):
        u = mpc.solve(state, np.zeros(4), 20, h, *_LOOP).optimal_controls
        states.append(state)
        plans.append(u)
        state = np.r_[state[:2] + h * state[2:] + 0.5 * h * h * u[0], state[2:] + h * u[0]]
    return states, np.array(plans)


def _replay(mpc: MPCOptimizer, states: list[Any]) -> Any:
    return np.array([mpc.solve(s, np.zeros(4), 20, 0.1, *_LOOP).optimal_controls for s in states])


def belief_precision(goal: Goal) -> list[Choice]:
    """States from which single-precision transitions are faster, and what they change."""
    name = "belief_single_from"
    if goal.exact:
        return [goal.keep(name, "double precision: accuracy is the target")]
    random = np.random.default_rng(0)
    figures: dict[str, float] = {}
    for states in (32, 64, 128, 256, 512):
        T = random.dirichlet(np.full(states, 0.3), states)
        seen = random.normal(size=(50, states))
        filters = {}
        for label, start in (("double", None), ("single", 1)):
            rl = BayesianRLOptimizer(goal.config)
            rl.single_from = start
            filters[label] = rl.filter(T)
        double, single = (filters[k].filter(seen)[0] for k in ("double", "single"))
        error = float(np.abs(double - single).max())
        calls = {k: partial(f.filter, seen) for k, f in filters.items()}
        times = race(calls, 0.1)
        figures[f"double_s_{states}"], figures[f"single_s_{states}"] = (
            times["double"],
            times["single"],
        )
        gain = times["double"] / times["single"]
        if error <= goal.threshold and gain >= max(goal.gain, 1.1):
            times = race(calls, 0.2, least=20)  # once more, before it is believed
            gain = times["double"] / times["single"]
        if error <= goal.threshold and gain >= max(goal.gain, 1.1):
            says = f"{states} states: {gain:.2f} x as fast, error {error:.0e}"
            return [goal.take(name, states, says, error=error, **figures)]
    return [goal.keep(name, f"not faster within {goal.threshold:g} up to 512 states", **figures)]


def belief_cache(goal: Goal) -> list[Choice]:
    """A look-up of a belief update beside the update, for 2 and for 100 states."""
    figures: dict[str, float] = {}
    for states in (2, 100):
        random = np.random.default_rng(0)
        model = SparsePOMDP.from_csr(
            [random.dirichlet(np.ones(states), states)], [random.dirichlet(np.ones(2), states)],
            rewards=np.zeros((states, 1)), discount=0.9,
        )  # fmt: skip
        start = np.full(states, 1 / states)
        kept, none = (BayesianRLOptimizer(goal.config) for _ in range(2))
        kept.keep_updates, none.keep_updates = True, False
        times = race(
            {label: _often(partial(rl.update_belief, model, start, 0, 0), 20)
             for label, rl in (("hit", kept), ("compute", none))}, 0.1,
        )  # fmt: skip
        figures[f"hit_s_{states}"] = times["hit"] / 20
        figures[f"compute_s_{states}"] = times["compute"] / 20
    pays = figures["hit_s_100"] < figures["compute_s_100"]
    says = (
        f"100 states: {figures['hit_s_100'] * 1e6:.1f} us found, "
        f"{figures['compute_s_100'] * 1e6:.1f} us computed"
    )
    return [goal.take("belief_cache", pays, says, **figures)]


def gpu_crossing(goal: Goal) -> list[Choice]:
    """Beliefs in one call from which the copy to the GPU pays."""
    usable, why, _ = describe(Device.cuda())
    if not usable or not goal.config.use_gpu:
        return [goal.keep("gpu_from", why if not usable else "use_gpu is off")]
    random = np.random.default_rng(0)
    figures: dict[str, float] = {}
    for rows in (1_000, 10_000, 100_000, 1_000_000):
        prior, seen = np.zeros((rows, 8)), random.normal(size=(rows, 8))
        times = race(
            {
                "cpu": partial(update_beliefs, prior, seen),
                "gpu": partial(update_beliefs, prior, seen, device=Device.cuda()),
            },
            0.2,
        )
        figures |= {f"{device}_s_{rows}": taken for device, taken in times.items()}
        if times["cpu"] / times["gpu"] >= max(goal.gain, 1.05):
            says = (
                f"{rows} beliefs: {times['cpu'] * 1e3:.2g} ms CPU, {times['gpu'] * 1e3:.2g} ms GPU"
            )
            return [goal.take("gpu_from", rows, says, **figures)]
    return [goal.keep("gpu_from", "the CPU was as fast up to 10^6 beliefs", **figures)]


def _often(call: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            call()

    return run


TRIALS: tuple[tuple[Callable[[Goal], list[Choice]], tuple[str, ...]], ...] = (
    (gp_cache, ("gp_cache", "gp_cache_mb")),
    (mpc_path, ("mpc_method", "mpc_warm_start", "mpc_tolerance")),
    (belief_precision, ("belief_single_from",)),
    (belief_cache, ("belief_cache",)),
    (gp_threads, ("gp_threads",)),
    (gpu_crossing, ("gpu_from",)),
    (approximate_from, ("gp_approximate_from",)),
)
"""Each with the settings it decides; the dearest last, when the rest is known."""
