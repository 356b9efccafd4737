"""A factored model over several variables as one flat POMDP over its reachable states."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optcore.belief.pomdp.pomdpx_function import Variable
from optcore.belief.pomdp.tables import MAX_ENTRIES, MAX_PAIRS, PomdpTables

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Factor", "FactoredModel", "flatten"]


class Factor(NamedTuple):
    """A function of the variables `scope`; of a probability the last one is the outcome."""

    scope: list[str]
    table: NDArray[np.float64]


@dataclass(frozen=True)
class FactoredModel:
    """A dynamic Bayesian network of two time slices."""

    discount: float
    state_variables: list[Variable]
    previous: list[str]
    observed: list[bool]
    action: Variable
    sensors: list[Variable]
    start: dict[str, list[Factor]]
    transition: dict[str, list[Factor]]
    observation: dict[str, list[Factor]]
    reward: dict[str, list[Factor]]


class _Rows(NamedTuple):
    """Weighted partial assignments; `origin` says which row of the input each came from."""

    values: dict[str, NDArray[np.int64]]
    weight: NDArray[np.float64]
    origin: NDArray[np.int64]


def flatten(model: FactoredModel) -> PomdpTables:
    """Build the flat model.

    Raises:
        ValueError: a variable depends on itself, or the model is too large.
    """
    from scipy.sparse import csr_array

    names = [variable.name for variable in model.state_variables]
    sizes = [len(variable.values) for variable in model.state_variables]
    if math.prod(sizes) > 2**62:
        raise ValueError("the product of the state variables is too large")
    strides = np.array([math.prod(sizes[i + 1 :]) for i in range(len(sizes))], np.int64)
    n_actions = len(model.action.values)

    begin = _expand(_Rows({}, np.ones(1), np.zeros(1, np.int64)), model.start, model.previous)
    keys = _joint(begin, model.previous, strides)
    start_keys, slot = np.unique(keys, return_inverse=True)
    start_weight = np.bincount(slot, begin.weight)

    # Reachable states, breadth first; all actions of a frontier at once.
    known = start_keys
    frontier = start_keys
    parts: list[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    while len(frontier):
        reached = []
        for action in range(n_actions):
            rows = _expand(
                _slice_of(model, frontier, strides, sizes, action), model.transition, names
            )
            ends = _joint(rows, names, strides)
            parts.append((action, frontier[rows.origin], ends, rows.weight))
            reached.append(np.unique(ends))
            if sum(len(part[1]) for part in parts) > MAX_ENTRIES:
                raise ValueError(f"more than {MAX_ENTRIES:,} transitions")
        frontier = np.setdiff1d(np.concatenate(reached), known, assume_unique=False)
        known = np.union1d(known, frontier)
        if len(known) * n_actions > MAX_PAIRS:
            raise ValueError(f"more than {MAX_PAIRS // n_actions:,} reachable states")

    S = len(known)
    transitions = []
    for action in range(n_actions):
        mine = [part for part in parts if part[0] == action]
        at = np.searchsorted(known, np.concatenate([part[1] for part in mine]))
        to = np.searchsorted(known, np.concatenate([part[2] for part in mine]))
        weight = np.concatenate([part[3] for part in mine])
        T = csr_array((weight, (at, to)), shape=(S, S))
        T.sum_duplicates()
        transitions.append(T)
    observations, seen_names = _observations(model, known, strides, sizes)
    rewards = _rewards(model, known, strides, sizes)
    start = np.zeros(S)
    start[np.searchsorted(known, start_keys)] = start_weight / start_weight.sum()
    label = [
        " ".join(
            variable.values[(key // stride) % size]
            for variable, stride, size in zip(
                model.state_variables, strides.tolist(), sizes, strict=True
            )
        )
        for key in known.tolist()
    ]
    return _merge_final(
        PomdpTables(
            transitions,
            observations,
            rewards,
            model.discount,
            start,
            label,
            model.action.values,
            seen_names,
        )
    )


def _slice_of(
    model: FactoredModel,
    keys: NDArray[np.int64],
    strides: NDArray[np.int64],
    sizes: list[int],
    action: int,
    *,
    current: bool = False,
) -> _Rows:
    """One row per state, its variables unpacked, with the action chosen."""
    names = [v.name for v in model.state_variables] if current else model.previous
    values = {
        name: (keys // stride) % size
        for name, stride, size in zip(names, strides, sizes, strict=True)
    }
    values[model.action.name] = np.full(len(keys), action, np.int64)
    return _Rows(values, np.ones(len(keys)), np.arange(len(keys)))


def _expand(rows: _Rows, factors: dict[str, list[Factor]], names: Sequence[str]) -> _Rows:
    """Multiply in p(name | parents) for each name, parents first; zeros are dropped."""
    waiting = list(names)
    while waiting:
        ready = next(
            (n for n in waiting if all(p in rows.values for p in factors[n][0].scope[:-1])), None
        )
        if ready is None:
            raise ValueError(f"{waiting[0]} depends on itself or on what is not known yet")
        waiting.remove(ready)
        factor = factors[ready][0]
        if factor.scope[:-1]:
            index = tuple(rows.values[parent] for parent in factor.scope[:-1])
            table = factor.table[index]
        else:
            table = np.broadcast_to(factor.table, (len(rows.weight), len(factor.table)))
        if np.count_nonzero(table) > MAX_ENTRIES:
            raise ValueError(f"more than {MAX_ENTRIES:,} joint outcomes")
        at, outcome = np.nonzero(table)
        values = {name: column[at] for name, column in rows.values.items()}
        values[ready] = outcome.astype(np.int64)
        rows = _Rows(values, rows.weight[at] * table[at, outcome], rows.origin[at])
    return rows


def _joint(rows: _Rows, names: Sequence[str], strides: NDArray[np.int64]) -> NDArray[np.int64]:
    key = np.zeros(len(rows.weight), np.int64)
    for name, stride in zip(names, strides, strict=True):
        key += rows.values[name] * stride
    return key


def _observations(
    model: FactoredModel, known: NDArray[np.int64], strides: NDArray[np.int64], sizes: list[int]
) -> tuple[list[csr_array], list[str]]:
    """p(z | a, s'): the sensors and the fully observed variables together; used ones only."""
    from scipy.sparse import csr_array

    seen = [v for v, shown in zip(model.state_variables, model.observed, strict=True) if shown]
    parts = [*seen, *model.sensors]
    if not parts:
        raise ValueError("nothing is observed: need an ObsVar or a fully observed StateVar")
    widths = [len(variable.values) for variable in parts]
    if math.prod(widths) > 2**62:
        raise ValueError("the product of the observation variables is too large")
    weights = np.array([math.prod(widths[i + 1 :]) for i in range(len(widths))], np.int64)
    found = []
    for action in range(len(model.action.values)):
        rows = _slice_of(model, known, strides, sizes, action, current=True)
        rows = _expand(rows, model.observation, [sensor.name for sensor in model.sensors])
        found.append((rows, _joint(rows, [v.name for v in parts], weights)))
    used = np.unique(np.concatenate([keys for _, keys in found]))
    tables = [
        csr_array(
            (rows.weight, (rows.origin, np.searchsorted(used, keys))),
            shape=(len(known), len(used)),
        )
        for rows, keys in found
    ]

    def names() -> Iterator[str]:
        for key in used.tolist():
            yield " ".join(
                variable.values[(key // weight) % width]
                for variable, weight, width in zip(parts, weights.tolist(), widths, strict=True)
            )

    return tables, list(names())


def _rewards(
    model: FactoredModel, known: NDArray[np.int64], strides: NDArray[np.int64], sizes: list[int]
) -> NDArray[np.float64]:
    """(S, A): each reward function averaged over what it names of the next step."""
    rewards = np.zeros((len(known), len(model.action.values)))
    now = {variable.name for variable in model.state_variables}
    sensed = {variable.name for variable in model.sensors}
    for function in (f for functions in model.reward.values() for f in functions):
        for action in range(rewards.shape[1]):
            rows = _slice_of(model, known, strides, sizes, action)
            if not now.isdisjoint(function.scope) or not sensed.isdisjoint(function.scope):
                rows = _expand(rows, model.transition, [v.name for v in model.state_variables])
            if not sensed.isdisjoint(function.scope):
                rows = _expand(rows, model.observation, [s.name for s in model.sensors])
            value = function.table[tuple(rows.values[name] for name in function.scope)]
            rewards[:, action] += np.bincount(rows.origin, rows.weight * value, len(known))
    return rewards


def _merge_final(tables: PomdpTables) -> PomdpTables:
    """Make one state of those that are never left, pay nothing, and look alike to every sensor."""
    from scipy.sparse import csr_array

    S = len(tables.start)
    final = np.ones(S, bool)
    for T in tables.transitions:
        final &= np.abs(T.diagonal() - 1.0) < 1e-12
    final &= (tables.rewards == 0.0).all(axis=1)
    groups: dict[bytes, int] = {}
    target = np.arange(S)
    for state in np.flatnonzero(final).tolist():
        look = b"".join(_row_bytes(table, state) for table in tables.observations)
        target[state] = groups.setdefault(look, state)
    kept = np.unique(target)
    if len(kept) == S:
        return tables
    index = np.searchsorted(kept, target)
    merge = csr_array((np.ones(S), (np.arange(S), index)), shape=(S, len(kept)))
    return PomdpTables(
        [(T[kept] @ merge).tocsr() for T in tables.transitions],
        [table[kept].tocsr() for table in tables.observations],
        tables.rewards[kept],
        tables.discount,
        np.asarray(merge.T @ tables.start),
        [tables.states[i] for i in kept.tolist()],
        tables.actions,
        tables.observation_names,
    )


def _row_bytes(table: csr_array, row: int) -> bytes:
    span = slice(table.indptr[row], table.indptr[row + 1])
    return bytes(table.indices[span].tobytes() + table.data[span].tobytes())
