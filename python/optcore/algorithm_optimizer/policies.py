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
            ShapeError, ConfigError: other shapes; NaN or infinity.
        """
        sparse = any(hasattr(matrix, "tocsr") for matrix in transitions)
        matrices = transitions if sparse else _dense(transitions)

        def compute() -> MDPSolution:
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
        if not np.isfinite(solution.q).all():  # it would be a policy that looks like any other
            raise ConfigError("transitions: need finite numbers")
        self.warm += start is not None
        self.cold += start is None
        self._last[shape] = solution.policy.copy()  # the other is the caller's
        return solution

    def clear(self) -> None:
        self._solved.clear()
        self._last.clear()

    def statistics(self) -> CacheStatistics:
        return self._solved.statistics()


def _dense(transitions: Transitions) -> NDArray[np.float64]:
    try:
        return np.asarray(transitions, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"transitions: need (A, S, S) numbers ({error})") from None


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
