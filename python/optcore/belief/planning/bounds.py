"""Bounds on the value of every belief at once, one vector per action.

QMDP and the fast informed bound hold from above, fixed actions from below:
value(b) <= max_a <vector_a, b>, or >= for the lower ones.

Shapes   S = states, A = actions.
Source   Littman, Cassandra & Kaelbling (ICML 1995); Hauskrecht, JAIR 13 (2000).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optcore.belief.planning.mdp import value_iteration
from optcore.belief.planning.partition import joint_outcomes
from optcore.belief.pomdp import SparsePOMDP

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["blind_bound", "fast_informed_bound", "qmdp"]


def qmdp(model: SparsePOMDP, *, tolerance: float = 1e-6) -> NDArray[np.float64]:
    """(A, S) value of acting once, then seeing the state for ever: an upper bound."""
    tables = model.tables
    solution = value_iteration(
        tables.transitions, tables.rewards, model.discount, tolerance=tolerance
    )
    # `q` is centred in its bounds; shifted to the upper one it surely bounds the value.
    upper: NDArray[np.float64] = np.ascontiguousarray(solution.q.T) + 0.5 * solution.gap
    return upper


def fast_informed_bound(
    model: SparsePOMDP, *, tolerance: float = 1e-6, max_iterations: int = 1_000
) -> NDArray[np.float64]:
    """(A, S) upper bound that, unlike QMDP, pays for what an observation leaves unknown.

    Iterated from QMDP downwards, so it may stop at any time and still bound.
    """
    tables, gamma = model.tables, model.discount
    alpha = qmdp(model, tolerance=tolerance)
    joint = [
        _by_observation(T, Z) for T, Z in zip(tables.transitions, tables.observations, strict=True)
    ]
    span = max(1.0, float(np.abs(alpha).max()))
    for _ in range(max_iterations):
        new = np.empty_like(alpha)
        for action, (rows, matrix) in enumerate(joint):
            future = (matrix @ alpha.T).max(axis=1)  # best action of each state and observation
            new[action] = tables.rewards[:, action] + gamma * np.bincount(
                rows, future, minlength=model.n_states
            )
        change = float(np.abs(new - alpha).max())
        alpha = np.minimum(alpha, new)
        if change * gamma / (1.0 - gamma) <= tolerance * span:
            break
    return alpha


def _by_observation(T: csr_array, Z: csr_array) -> tuple[NDArray[np.int64], csr_array]:
    """Rows (state, observation) that can occur: their state, and p(next, observation | state)."""
    from scipy.sparse import csr_array

    rows, ends, seen, weight = joint_outcomes(T, Z)
    pairs, at = np.unique(rows * Z.shape[1] + seen, return_inverse=True)
    return pairs // Z.shape[1], csr_array((weight, (at, ends)), shape=(len(pairs), T.shape[1]))


def blind_bound(model: SparsePOMDP, *, tolerance: float = 1e-9) -> NDArray[np.float64]:
    """(A, S) value of taking one action for ever, whatever is observed: a lower bound."""
    tables, gamma = model.tables, model.discount
    alpha = np.empty((model.n_actions, model.n_states))
    for action, T in enumerate(tables.transitions):
        reward = tables.rewards[:, action]
        value = np.full(model.n_states, reward.min() / (1.0 - gamma))  # rises from below
        span = max(1.0, float(np.abs(reward).max())) / (1.0 - gamma)
        while True:
            new = reward + gamma * (T @ value)
            change = float(np.abs(new - value).max())
            value = np.maximum(value, new)
            if change <= tolerance * span:
                break
        alpha[action] = value
    return alpha
