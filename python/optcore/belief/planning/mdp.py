"""Exact planning where the state is seen: value iteration and policy iteration.

Shapes   S = states, A = actions.
Source   Puterman, *Markov Decision Processes* (1994), sections 6.3, 6.4 and 6.6.3 (span bounds).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError, SolverError

__all__ = ["MDPSolution", "policy_iteration", "value_iteration"]


Matrices: TypeAlias = Sequence[Any] | NDArray[np.float64]


class MDPSolution(NamedTuple):
    """A policy and how good it surely is."""

    value: NDArray[np.float64]  #: (S,) value, within half of `gap` of the optimum
    policy: NDArray[np.int64]  #: (S,) greedy action
    q: NDArray[np.float64]  #: (S, A) value of each action
    gap: float  #: upper minus lower bound on the optimal value, the same in every state
    iterations: int


def _check(
    transitions: Matrices, rewards: ArrayLike, discount: float
) -> tuple[Matrices, NDArray[np.float64]]:
    R = np.asarray(rewards, np.float64)
    if R.ndim != 2 or R.shape[1] != len(transitions):
        raise ShapeError(f"rewards: need (S, {len(transitions)}), got {R.shape}")
    for action, matrix in enumerate(transitions):
        if matrix.shape != (len(R), len(R)):
            raise ShapeError(f"transitions[{action}]: need {(len(R), len(R))}, got {matrix.shape}")
    if not np.isfinite(R).all():
        raise ConfigError("rewards: need finite numbers")
    if not 0.0 <= discount < 1.0:
        raise ConfigError(f"discount: need a number in [0, 1), got {discount}")
    return transitions, R


def _q(
    transitions: Matrices, R: NDArray[np.float64], discount: float, V: NDArray[np.float64]
) -> NDArray[np.float64]:
    if isinstance(transitions, np.ndarray):
        return R + discount * np.asarray(transitions @ V).T
    return R + discount * np.column_stack([T @ V for T in transitions])


def value_iteration(
    transitions: Matrices,
    rewards: ArrayLike,
    discount: float,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
    start: NDArray[np.float64] | None = None,
) -> MDPSolution:
    """Iterate Bellman's equation until the optimal value is known to `tolerance`.

    The bounds are those of the span of the last change (MacQueen), which close far earlier than
    the change itself; the returned value is their middle.

    Args:
        transitions: A matrices (S, S), dense or sparse, or one (A, S, S) array.
        rewards: (S, A).
        discount: in [0, 1).
        tolerance: upper minus lower bound to reach, in units of reward.
        start: (S,) first guess, e.g. the value of a similar model.

    Raises:
        SolverError: not reached within `max_iterations`.
    """
    transitions, R = _check(transitions, rewards, discount)
    V = np.zeros(len(R)) if start is None else np.array(start, np.float64)
    factor = discount / (1.0 - discount)
    for iteration in range(1, max_iterations + 1):
        Q = _q(transitions, R, discount, V)
        new = Q.max(axis=1)
        change = new - V
        low, high = float(change.min()) * factor, float(change.max()) * factor
        # rounding keeps the change above its own noise
        noise = 8.0 * np.finfo(float).eps * float(np.abs(new).max(initial=1.0)) * factor
        if high - low <= max(tolerance, noise):
            middle = 0.5 * (low + high)
            return MDPSolution(new + middle, Q.argmax(axis=1), Q + middle, high - low, iteration)
        V = new
    raise SolverError(f"value_iteration: gap {high - low:.3g} after {max_iterations} iterations")


def policy_iteration(
    transitions: Matrices,
    rewards: ArrayLike,
    discount: float,
    *,
    max_iterations: int = 1_000,
    start: NDArray[np.int64] | None = None,
) -> MDPSolution:
    """Howard's policy iteration: each policy is evaluated exactly, by one linear solve.

    Args:
        transitions: A matrices (S, S), dense or sparse, or one (A, S, S) array.
        rewards: (S, A).
        discount: in [0, 1).
        start: (S,) first policy, e.g. the one of a similar model.
    """
    transitions, R = _check(transitions, rewards, discount)
    S = len(R)
    rows = np.arange(S)
    policy = R.argmax(axis=1) if start is None else np.array(start, np.int64)
    for iteration in range(1, max_iterations + 1):
        V = evaluate_policy(transitions, R, discount, policy)
        Q = _q(transitions, R, discount, V)
        best = Q.argmax(axis=1)
        slack = 1e-12 * np.maximum(1.0, np.abs(V))
        better = Q[rows, best] > Q[rows, policy] + slack
        if not better.any():
            change = Q.max(axis=1) - V
            spread = float(change.max() - change.min()) * discount / (1.0 - discount)
            return MDPSolution(V, policy, Q, spread, iteration)
        policy = np.where(better, best, policy)
    raise SolverError(f"policy_iteration: no fixed point after {max_iterations} policies")


def evaluate_policy(
    transitions: Matrices,
    rewards: NDArray[np.float64],
    discount: float,
    policy: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(S,) value of a deterministic policy, by solving (I - gamma T_pi) V = R_pi."""
    S = len(rewards)
    rows = np.arange(S)
    R = rewards[rows, policy]
    if isinstance(transitions[0], np.ndarray):
        chosen = np.asarray(transitions)[policy, rows]
        return np.asarray(np.linalg.solve(np.eye(S) - discount * chosen, R), np.float64)
    from scipy.sparse import csc_array, csr_array, diags_array, eye_array
    from scipy.sparse.linalg import spsolve

    mixed = csr_array((S, S))
    for action, T in enumerate(transitions):
        mixed = mixed + diags_array((policy == action).astype(float)) @ T
    return np.asarray(spsolve(csc_array(eye_array(S) - discount * mixed), R))
