"""Inputs and the answers that the host gives to them in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.belief import DiscreteBayesFilter
from optcore.errors import ConfigError
from optcore.gp import GaussianProcess
from optcore.mpc import OcpQp, QpSolver

__all__ = ["Golden", "golden"]

_Floats = NDArray[np.float64]
STEPS = 8


@dataclass(frozen=True)
class Golden:
    """Consecutive steps, one row each; an array without columns where a part is left out."""

    x: _Floats
    query: _Floats
    log_likelihood: _Floats
    u: _Floats
    mean: _Floats
    variance: _Floats
    belief: _Floats


def golden(
    problem: OcpQp | None,
    disturbance: _Floats | None,
    gp: GaussianProcess | None,
    belief: DiscreteBayesFilter | None,
    dtype: type[np.floating],
) -> Golden:
    """Steps from a fixed random stream: queries among the GP's inputs, states within the bounds.

    Inputs are numbers of `dtype`, so that both sides start from the same ones.
    """

    def rounded(values: _Floats) -> _Floats:
        return values.astype(dtype).astype(np.float64)

    random = np.random.default_rng(0)
    empty = np.zeros((STEPS, 0))
    query, mean, variance = empty, empty, empty
    if gp is not None:
        low, high = gp.X.min(axis=0), gp.X.max(axis=0)
        query = rounded(random.uniform(low, high, size=(STEPS, gp.X.shape[1])))
        means, variances = gp.predict(query)
        mean, variance = means.reshape(STEPS, -1), variances.reshape(STEPS, 1)
    logs, beliefs = empty, empty
    if belief is not None:
        belief.reset()
        logs = rounded(np.log(random.uniform(0.05, 1.0, (STEPS, len(belief.probabilities)))))
        rows = []
        for row in logs:
            belief.step(row)
            rows.append(belief.probabilities)
        beliefs = np.array(rows)
        belief.reset()
    x, u = empty, empty
    if problem is not None:
        w = np.zeros((STEPS, 0)) if disturbance is None else mean[:, : disturbance.shape[1]]
        x, u = _solved(problem, disturbance, w, random, rounded)
    return Golden(x, query, logs, u, mean, variance, beliefs)


def _solved(
    problem: OcpQp,
    disturbance: _Floats | None,
    w: _Floats,
    random: np.random.Generator,
    rounded: Callable[[_Floats], _Floats],
) -> tuple[_Floats, _Floats]:
    """States drawn within a third of the bounds, smaller until the problem has a solution."""
    n = problem.arrays["A"].shape[1]
    wide = np.minimum(np.abs(problem.arrays["lbx"]), np.abs(problem.arrays["ubx"])).min(axis=0)
    wide = np.where(wide < 1e20, wide, 1.0) / 3
    states, inputs = [], []
    for step in range(STEPS):
        moved = problem
        if disturbance is not None:
            moved = problem.replaced(b=problem.arrays["b"] + disturbance @ w[step])
        solver = QpSolver(moved, tolerance=1e-12)
        direction = rounded(random.uniform(-1, 1, n) * wide)
        for _ in range(20):
            found = solver.solve(direction, warm_start=False)
            if found.solved:
                break
            direction = direction / 2
        else:
            raise ConfigError("problem: no state near the middle of the bounds has a feasible plan")
        states.append(direction)
        inputs.append(found.u[0])
    return np.array(states), np.array(inputs)
