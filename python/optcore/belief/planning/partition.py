"""Cut the states of a POMDP into classes that an action and its observation leave possible.

After action a and observation z only states t with p(z | a, t) > 0 are possible. Planning needs
beliefs and alpha vectors on such a class alone: of RockSample's 12 545 states 256 remain, without
being told which variables are observed.

Shapes   S = states, A = actions, Z = observations, C = classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optcore.belief.pomdp import SparsePOMDP
from optcore.belief.pomdp.tables import MAX_ENTRIES

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Partition", "joint_outcomes", "partition"]


@dataclass(frozen=True)
class Partition:
    """Classes, and per class and action the branches that observations lead into.

    Attributes:
        classes: C sorted arrays of states; the first is where the start belief lies.
        pair_begin: (C * A + 1,) branches of class c and action a start at [c * A + a].
        branch_target: class of each branch.
        branch_rows: offset of each branch's row pointers in `row_begin`.
        row_begin, column, value: CSR of each branch, p(next, observation | state, action), its
            columns counted within the target class.
    """

    classes: list[NDArray[np.int32]]
    pair_begin: NDArray[np.int32]
    branch_target: NDArray[np.int32]
    branch_rows: NDArray[np.int32]
    row_begin: NDArray[np.int32]
    column: NDArray[np.int32]
    value: NDArray[np.float64]


def joint_outcomes(
    T: csr_array, Z: csr_array
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Row of T, next state, observation and joint probability of everything that can happen."""
    ends = T.indices
    counts = np.diff(Z.indptr)[ends]
    rows = np.repeat(np.repeat(np.arange(T.shape[0]), np.diff(T.indptr)), counts)
    total = int(counts.sum())
    first = np.repeat(np.cumsum(counts) - counts, counts)
    at = np.repeat(Z.indptr[:-1][ends].astype(np.int64), counts) + np.arange(total) - first
    return (
        rows,
        np.repeat(ends, counts).astype(np.int64),
        Z.indices[at].astype(np.int64),
        np.repeat(T.data, counts) * Z.data[at],
    )


def partition(model: SparsePOMDP) -> Partition:
    """Classes reachable from the start belief; one class of all states where cutting costs more
    memory than it saves."""
    finder = _Classes(model)
    if not finder.explore():
        finder = _Classes(model, whole=True)
        if not finder.explore():
            raise MemoryError(f"point-based planning: more than {MAX_ENTRIES:,} joint outcomes")
    return finder.partition()


class _Classes:
    def __init__(self, model: SparsePOMDP, *, whole: bool = False) -> None:
        self._model = model
        self._whole = whole
        self._classes: list[NDArray[np.int32]] = []
        self._by_states: dict[bytes, int] = {}
        self._of_pair: dict[tuple[int, int], int] = {}
        self._seen_by = [_columns(Z) for Z in model.tables.observations]
        self._branches: list[tuple[int, Any, Any, Any]] = []
        self._pair_begin = [0]
        every = np.arange(model.n_states, dtype=np.int32)
        self._add(every if whole else np.flatnonzero(model.start).astype(np.int32))

    def _add(self, states: NDArray[np.int32]) -> int:
        key = states.tobytes()
        found = self._by_states.get(key)
        if found is None:
            found = self._by_states[key] = len(self._classes)
            self._classes.append(states)
        return found

    def _target(self, action: int, observation: int) -> int:
        if self._whole:
            return 0
        key = (action, observation)
        found = self._of_pair.get(key)
        if found is None:
            found = self._of_pair[key] = self._add(self._seen_by[action][observation])
        return found

    def explore(self) -> bool:
        """Branches of every class and action; False when they become too many."""
        tables, entries, c = self._model.tables, 0, 0
        while c < len(self._classes):  # grows on the way
            states = self._classes[c]
            for action, (T, Z) in enumerate(
                zip(tables.transitions, tables.observations, strict=True)
            ):
                rows, ends, seen, weight = joint_outcomes(T[states], Z)
                order = np.argsort(seen, kind="stable")
                cuts = np.flatnonzero(np.diff(seen[order])) + 1
                for part in np.split(order, cuts) if len(order) else []:
                    target = self._target(action, int(seen[part[0]]))
                    column = np.searchsorted(self._classes[target], ends[part])
                    begin = np.searchsorted(rows[part], np.arange(len(states) + 1))
                    self._branches.append((target, begin, column, weight[part]))
                    entries += len(part) + len(states)
                self._pair_begin.append(len(self._branches))
                if entries > (MAX_ENTRIES if self._whole else MAX_ENTRIES // 2):
                    return False
            c += 1
        return True

    def partition(self) -> Partition:
        begins, column, value, rows = [], [], [], []
        at = row_at = 0
        for _, begin, columns, weight in self._branches:
            rows.append(row_at)
            begins.append(begin + at)
            column.append(columns)
            value.append(weight)
            at += len(columns)
            row_at += len(begin)
        return Partition(
            self._classes,
            np.array(self._pair_begin, np.int32),
            np.array([target for target, *_ in self._branches], np.int32),
            np.array(rows, np.int32),
            np.concatenate(begins).astype(np.int32),
            np.concatenate(column).astype(np.int32),
            np.concatenate(value),
        )


def _columns(Z: csr_array) -> list[NDArray[np.int32]]:
    by_column = Z.tocsc()
    by_column.sort_indices()
    return [
        by_column.indices[by_column.indptr[z] : by_column.indptr[z + 1]].astype(np.int32)
        for z in range(Z.shape[1])
    ]
