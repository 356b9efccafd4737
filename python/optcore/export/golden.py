"""Inputs, the host's answers in double precision, and how far they can be trusted."""

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
_STEPS = 8
_RELATIVE = {np.float32: 1e-5, np.float64: 1e-12}


@dataclass(frozen=True)
class Golden:
    """Consecutive steps, one row each, and what an answer may be off by, one number a column;
    arrays without columns where a part is left out."""

    x: _Floats
    query: _Floats
    log_likelihood: _Floats
    u: _Floats
    mean: _Floats
    variance: _Floats
    belief: _Floats
    u_tolerance: _Floats
    mean_tolerance: _Floats
    variance_tolerance: _Floats
    belief_tolerance: _Floats

    @property
    def steps(self) -> int:
        return len(self.x)


def golden(
    problem: OcpQp | None,
    disturbance: _Floats | None,
    gp: GaussianProcess | None,
    belief: DiscreteBayesFilter | None,
    gain: _Floats,
    dtype: type[np.floating],
) -> Golden:
    """Steps from a fixed random stream: queries among the GP's inputs, states within the bounds.

    Args:
        gain: (inputs, outputs) how much the GP's mean moves the controller's input at most.

    Inputs are numbers of `dtype`, so that both sides start from the same ones. An answer may be off
    by 1e-5 (float) or 1e-12 (double) of its range, that of the input's bounds or of the GP's prior;
    by more where the GP's covariance is so badly conditioned that its factor in `dtype` is.
    """

    def rounded(values: _Floats) -> _Floats:
        return values.astype(dtype).astype(np.float64)

    random = np.random.default_rng(0)
    empty, none = np.zeros((_STEPS, 0)), np.zeros(0)
    relative = _RELATIVE[dtype]
    query, mean, variance, mean_off, variance_off = empty, empty, empty, none, none
    if gp is not None:
        low, high = gp.X.min(axis=0), gp.X.max(axis=0)
        query = rounded(random.uniform(low, high, size=(_STEPS, gp.X.shape[1])))
        means, variances = gp.predict(query)
        mean, variance = means.reshape(_STEPS, -1), variances.reshape(_STEPS, 1)
        mean_off, variance_off = _gp_tolerances(gp, mean, relative, dtype)
    logs, beliefs, belief_off = empty, empty, none
    if belief is not None:
        belief.reset()
        states = len(belief.probabilities)
        logs = rounded(np.log(random.uniform(0.05, 1.0, (_STEPS, states))))
        rows = []
        for row in logs:
            belief.step(row)
            rows.append(belief.probabilities)
        beliefs, belief_off = np.array(rows), np.full(states, relative)
        belief.reset()
    x, u, u_off = empty, empty, none
    if problem is not None:
        w = np.zeros((_STEPS, 0)) if disturbance is None else mean[:, : disturbance.shape[1]]
        x, u = _solved(problem, disturbance, w, random, rounded)
        room = (problem.arrays["ubu"][0] - problem.arrays["lbu"][0]) / 2
        u_off = relative * np.where(room < 1e20, room, np.maximum(np.abs(u).max(axis=0), 1e-300))
        if disturbance is not None:  # what the GP is off by acts on the inputs
            u_off = u_off + gain @ mean_off
    return Golden(
        x, query, logs, u, mean, variance, beliefs, u_off, mean_off, variance_off, belief_off
    )


def _gp_tolerances(
    gp: GaussianProcess, mean: _Floats, relative: float, dtype: type[np.floating]
) -> tuple[_Floats, _Floats]:
    """(o,) of the means and (1,) of the variance."""
    constants = gp.constants()
    covariance = gp.kernel(constants.X)
    covariance[np.diag_indices(len(covariance))] += constants.noise
    if constants.point_noise is not None:
        covariance[np.diag_indices(len(covariance))] += constants.point_noise
    root = float(np.sqrt(np.linalg.cond(covariance)))
    # rounding of the tables: of the weights by themselves, of the factor amplified by its condition
    # (Higham, Accuracy and Stability of Numerical Algorithms (2002), section 10.1)
    host = 8 * float(np.finfo(np.float64).eps) * root
    factor = 2 * float(np.finfo(dtype).eps) * root
    prior = gp.kernel(constants.X, constants.X)
    weights = np.abs(np.linalg.solve(covariance, constants.Y - constants.Y.mean(axis=0)))
    size = np.abs(mean).max(axis=0) + (np.abs(prior) @ weights).max(axis=0)
    largest = float(prior.diagonal().max())
    return max(relative, host) * size, np.array([max(relative, factor) * largest])


def _solved(
    problem: OcpQp,
    disturbance: _Floats | None,
    w: _Floats,
    random: np.random.Generator,
    rounded: Callable[[_Floats], _Floats],
) -> tuple[_Floats, _Floats]:
    """States drawn within a third of the bounds about their middle, nearer to it until the problem
    has a solution; under rates the last input is the end of the state."""
    low, high = (problem.arrays[name].copy() for name in ("lbx", "ubx"))
    n, own = low.shape[1], problem.nx
    low, high = low.max(axis=0), high.min(axis=0)
    if n > own:  # bounds of the last input
        low[own:] = np.maximum(low[own:], problem.arrays["lbu"].max(axis=0))
        high[own:] = np.minimum(high[own:], problem.arrays["ubu"].min(axis=0))
    both = (low > -1e20) & (high < 1e20)
    one = np.where(low > -1e20, low + 1, np.where(high < 1e20, high - 1, 0.0))
    middle = np.where(both, (low + high) / 2, one)
    wide = np.where(both, (high - low) / 6, np.where(np.isclose(one, 0), 1 / 3, 1 / 6))
    states, inputs = [], []
    for step in range(_STEPS):
        moved = problem
        if disturbance is not None:
            moved = problem.replaced(b=problem.arrays["b"] + disturbance @ w[step])
        solver = QpSolver(moved, tolerance=1e-12)
        away = random.uniform(-1, 1, n) * wide
        for _ in range(20):
            state = rounded(middle + away)
            last = state[own:] if n > own else None
            found = solver.solve(state[:own], warm_start=False, last_input=last)
            if found.solved:
                break
            away = away / 2
        else:
            raise ConfigError("problem: no state near the middle of the bounds has a feasible plan")
        states.append(state)
        inputs.append(found.u[0])
    return np.array(states), np.array(inputs)
