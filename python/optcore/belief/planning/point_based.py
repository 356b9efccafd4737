"""Point-based value iteration with bounds from both sides: a plan that says how good it is.

The lower bound is a set of alpha vectors, each the value of a policy that can be run; the upper
bound is a sawtooth over the fast informed bound. Trials go where the two differ most. The search
runs in the native core on the states that observations leave possible.

Source   Smith & Simmons (UAI 2005), HSVI2; Kurniawati, Hsu & Lee (RSS 2008), SARSOP.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.belief.planning.bounds import blind_bound, fast_informed_bound
from optcore.belief.planning.partition import partition
from optcore.belief.pomdp import SparsePOMDP
from optcore.errors import ConfigError, ShapeError

__all__ = ["PointBasedPlanner", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How far a planner is; the value of the start belief lies in [lower, upper]."""

    lower: float  #: discounted reward that the plan surely earns from the start belief
    upper: float  #: more than that no plan can earn
    trials: int
    backups: int
    nodes: int  #: beliefs in the tree, equal ones counted once
    vectors: int
    points: int
    memory_mb: float

    @property
    def gap(self) -> float:
        return self.upper - self.lower


class PointBasedPlanner:
    """Plans from a model's start belief; may be stopped and resumed at any time.

    Example:
        >>> model = SparsePOMDP.from_csr([[[1, 0], [0, 1]]] * 2, [[[0.9, 0.1], [0.1, 0.9]]] * 2,
        ...                              rewards=[[0, 1], [0, -1]], discount=0.5)
        >>> planner = PointBasedPlanner(model)
        >>> planner.solve(gap=1e-6, seconds=10).gap <= 1e-6
        True
    """

    def __init__(self, model: SparsePOMDP) -> None:
        self._model = model
        cut = partition(model)
        self._classes = cut.classes
        self._masks = np.zeros((len(cut.classes), model.n_states), bool)
        for mask, states in zip(self._masks, cut.classes, strict=True):
            mask[states] = True
        self._native = _native.planning.PointBasedPlanner(
            discount=model.discount,
            class_begin=np.cumsum([0, *map(len, cut.classes)]).astype(np.int32),
            class_states=np.concatenate(cut.classes),
            pair_begin=cut.pair_begin,
            branch_target=cut.branch_target,
            branch_rows=cut.branch_rows,
            row_begin=cut.row_begin,
            column=cut.column,
            value=cut.value,
            reward=np.ascontiguousarray(model.rewards.T),
            lower=blind_bound(model),
            lower_action=np.arange(model.n_actions, dtype=np.int32),
            upper=fast_informed_bound(model),
            root_class=0,
            root=np.ascontiguousarray(model.start[cut.classes[0]]),
        )

    def solve(
        self, *, gap: float = 1e-3, seconds: float = 10.0, max_memory_mb: float = 2000.0
    ) -> Progress:
        """Narrow the gap at the start belief until it is `gap`, or time or memory is used up."""
        if not gap >= 0.0 or not seconds >= 0.0 or not max_memory_mb > 0.0:
            raise ConfigError(
                "gap, seconds, max_memory_mb: need numbers >= 0, memory > 0, "
                f"got {gap}, {seconds}, {max_memory_mb}"
            )
        end = time.monotonic() + seconds
        more = True
        while more and (left := end - time.monotonic()) > 0.0:
            # in slices, so that Ctrl-C is heard
            more = self._native.improve(gap, min(left, 0.2), max_memory_mb * 2**20)
        return self.progress

    @property
    def progress(self) -> Progress:
        lower, upper, trials, backups, nodes, vectors, points, size = self._native.progress()
        return Progress(lower, upper, trials, backups, nodes, vectors, points, size / 2**20)

    def bounds(self, belief: ArrayLike) -> tuple[float, float]:
        """Lower and upper bound on the value of any belief that can arise from the start."""
        lower, upper, _ = self._look(belief)
        return lower, upper

    def action(self, belief: ArrayLike) -> int:
        """The action whose policy earns at least the lower bound at this belief."""
        return self._look(belief)[2]

    def _look(self, belief: ArrayLike) -> tuple[float, float, int]:
        b = np.asarray(belief, np.float64)
        if b.shape != (self._model.n_states,):
            raise ShapeError(f"belief: need ({self._model.n_states},), got {b.shape}")
        possible = np.flatnonzero(b)
        found = [
            self._native.bounds(c, np.ascontiguousarray(b[self._classes[c]]))
            for c in np.flatnonzero(self._masks[:, possible].all(axis=1)).tolist()
        ]
        if not found:
            raise ConfigError("belief: these states are never possible together from the start")
        lower, _, action = max(found)
        return lower, min(upper for _, upper, _ in found), action

    def vectors(self) -> list[tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]]:
        """Per class: its states (n,), alpha vectors (K, n) over them, and their actions (K,)."""
        return [
            (states, *self._native.vectors(c, len(states)))
            for c, states in enumerate(self._classes)
        ]
