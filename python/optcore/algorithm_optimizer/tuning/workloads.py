"""Three pieces of work on which settings are compared: a call of each is one run of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optcore.algorithm_optimizer.bayesian_rl import BayesianRLOptimizer
from optcore.algorithm_optimizer.gp import GPInferenceOptimizer
from optcore.algorithm_optimizer.mpc import MPCOptimizer

__all__ = ["closed_loop", "many_small_predicts", "one_fit", "smooth_data"]

_Floats = NDArray[np.float64]
PARAMS = {"length_scale": 1.0, "variance": 1.0, "noise": 1e-2}


def smooth_data(n: int, seed: int = 0) -> tuple[_Floats, _Floats, _Floats]:
    """n noisy points of a smooth function of two inputs, and 200 queries."""
    random = np.random.default_rng(seed)
    X = random.uniform(-3, 3, (n, 2))
    y = np.sin(X[:, 0]) + np.cos(X[:, 1]) + 0.1 * random.normal(size=n)
    return X, y, random.uniform(-3, 3, (200, 2))


def many_small_predicts(gp: GPInferenceOptimizer, calls: int = 200) -> Callable[[], object]:
    """One query after the other to a model of 200 points."""
    X, y, Z = smooth_data(200)
    queries = [Z[k : k + 1] for k in range(len(Z))]

    def run() -> None:
        for k in range(calls):
            gp.predict(X, y, queries[k % len(queries)], PARAMS)

    return run


def one_fit(gp: GPInferenceOptimizer, n: int) -> Callable[[], object]:
    """A model of n points it has not seen before, and 200 answers of it."""
    X, y, Z = smooth_data(n)
    turn = 0

    def run() -> object:
        nonlocal turn
        turn += 1
        return gp.predict(X, y + 1e-9 * turn, Z, PARAMS)

    return run


def closed_loop(
    gp: GPInferenceOptimizer, mpc: MPCOptimizer, rl: BayesianRLOptimizer, steps: int = 50
) -> Callable[[], object]:
    """Steps of a robot that follows a learned field: predict, update the belief, plan, move."""
    X, y, _ = smooth_data(200)
    goals = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    Q, R = np.diag([1.0, 1.0, 0.1, 0.1]), 0.05 * np.eye(2)
    transition = np.full((4, 4), 0.02) + 0.92 * np.eye(4)
    step = 0.1

    def run() -> None:
        belief = rl.filter(transition)
        state = np.array([-1.0, -1.0, 0.0, 0.0])
        for _ in range(steps):
            drift, variance = gp.predict(X, y, state[None, :2], PARAMS)
            distance = np.square(goals - state[:2]).sum(axis=1)
            belief.step(-0.5 * distance / (1.0 + float(variance[0])))
            goal = belief.probabilities @ goals
            target = np.array([goal[0], goal[1], 0.0, 0.0])
            u = mpc.solve(state, target, 20, step, Q, R)["optimal_controls"][0]
            u = np.clip(u, -2.0, 2.0)
            push = np.array([0.05 * float(drift[0]), 0.0])
            position = state[:2] + step * (state[2:] + push) + 0.5 * step * step * u
            state = np.concatenate([position, state[2:] + step * u])

    return run
