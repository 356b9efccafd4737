"""Solved processes: the same one again costs a look-up, a like one starts from the last policy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.algorithm_optimizer.paying_cache import CacheStatistics, PayingCache
from optcore.belief.planning import MDPSolution, policy_iteration
from optcore.errors import ConfigError, ShapeError

__all__ = ["Policies"]

Transitions = Sequence[Any] | NDArray[np.float64]


class Policies:
    """Policy iteration that remembers.

    Args:
        size: most solutions kept; 0 keeps none.
    """

    def __init__(self, size: int) -> None:
        self._solved: PayingCache[MDPSolution] = PayingCache("policies", size)
        self._last: dict[tuple[int, int], NDArray[np.int64]] = {}
        self.warm = self.cold = 0

    def remembered(
        self, transitions: Transitions, rewards: NDArray[np.float64], discount: float
    ) -> MDPSolution:
        """Of transitions (A, S, S), or A matrices, and rewards (S, A); read-only.

        Raises:
            ShapeError, ConfigError: transitions or rewards are none.
        """
        matrices = [m if hasattr(m, "tocsr") else np.asarray(m, np.float64) for m in transitions]

        def compute() -> MDPSolution:
            _check(matrices, rewards)
            solution = self.solve(matrices, rewards, discount)
            for array in (solution.value, solution.policy, solution.q):
                array.flags.writeable = False
            return solution

        return self._solved.get(lambda: _digest(matrices, rewards, discount), compute)

    def solve(
        self, transitions: Transitions, rewards: NDArray[np.float64], discount: float
    ) -> MDPSolution:
        """From the last policy of a process of the same size."""
        shape = (rewards.shape[0], rewards.shape[1])
        start = self._last.get(shape)
        solution = policy_iteration(transitions, rewards, discount, start=start)
        self.warm += start is not None
        self.cold += start is None
        self._last[shape] = solution.policy.copy()  # the other is the caller's
        return solution

    def clear(self) -> None:
        self._solved.clear()
        self._last.clear()

    def statistics(self) -> CacheStatistics:
        return self._solved.statistics()


def _check(transitions: Sequence[Any], R: NDArray[np.float64]) -> None:
    """Before a NaN becomes a policy that looks like any other."""
    S = len(R)
    if not np.isfinite(R).all():
        raise ConfigError("rewards: need finite numbers")
    for a, matrix in enumerate(transitions):
        if matrix.shape != (S, S):
            raise ShapeError(f"transitions[{a}]: need ({S}, {S}), got {matrix.shape}")
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        if not (matrix.min() >= 0 and np.abs(sums - 1.0).max() <= 1e-6):
            raise ConfigError(f"transitions[{a}]: need rows of probabilities that sum to 1")


def _digest(transitions: Transitions, R: NDArray[np.float64], discount: float) -> bytes:
    """Key of a process by its numbers."""
    digest = hashlib.blake2b(R.tobytes(), digest_size=16)
    digest.update(repr((R.shape, float(discount))).encode())
    for matrix in transitions:
        if hasattr(matrix, "tocsr"):
            csr = matrix.tocsr()
            for part in (csr.indptr, csr.indices, csr.data):
                digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(np.ascontiguousarray(matrix, np.float64).tobytes())
    return digest.digest()
