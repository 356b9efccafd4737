"""Sparse belief updates beside SciPy's compressed rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from harness import Trial, agree

_Floats = NDArray[np.float64]


def grid_transition(side: int) -> sp.csr_array:
    """A drift to the right with slips to the other neighbours, walls at the rim."""
    s = np.arange(side * side)
    x, y = s % side, s // side
    right, left = np.where(x < side - 1, s + 1, s), np.where(x > 0, s - 1, s)
    up, down = np.where(y < side - 1, s + side, s), np.where(y > 0, s - side, s)
    targets = np.concatenate([right, left, up, down, s])
    shares = np.repeat([0.8, 0.05, 0.05, 0.05, 0.05], side * side)
    T = sp.coo_array((shares, (np.tile(s, 5), targets)), shape=(side * side,) * 2).tocsr()
    T.sum_duplicates()
    return T


def grid(trial: Trial, side: int) -> None:
    """One chained update of a belief over side x side cells; observations alternate."""
    cells = side * side
    seen = np.random.default_rng(5).uniform(0.1, 0.9, cells)
    reading = np.stack([seen, 1 - seen], axis=1)
    _race(trial, [grid_transition(side)], [reading], [(0, 0), (0, 1)], np.full(cells, 1 / cells))


def rocksample(trial: Trial) -> None:
    """RockSample 7,8: the rover moves and checks a rock in turns; 256 of 12545 states are possible.

    A state is a cell and eight rocks, good or bad, or the end. Source: Smith & Simmons, "Heuristic
    search value iteration for POMDPs", UAI 2004, section 6.
    """
    side, kinds, rock = 7, 2**8, 3
    states = side * side * kinds + 1
    s = np.arange(states)
    cell = s // kinds
    east = np.where(cell % side < side - 1, s + kinds, states - 1)
    west = np.where(cell % side > 0, s - kinds, s)
    east[-1] = west[-1] = states - 1
    moves = [
        sp.csr_array((np.ones(states), (s, to)), shape=(states, states)) for to in (east, west)
    ]
    stay = sp.csr_array(sp.eye_array(states))
    nothing = np.full((states, 2), 0.5)
    accuracy = (1 + 2.0 ** (-np.abs(cell % side - 6) / 20)) / 2
    good = (s >> rock) & 1
    reading = np.stack([np.where(good, accuracy, 1 - accuracy)] * 2, axis=1)
    reading[:, 1] = 1 - reading[:, 0]
    prior = np.zeros(states)
    prior[3 * side * kinds : (3 * side + 1) * kinds] = 1 / kinds
    turns = [(0, 0), (2, 0), (1, 0), (2, 1)]
    _race(trial, [*moves, stay], [nothing, nothing, reading], turns, prior)


def _race(
    trial: Trial,
    transitions: list[sp.csr_array],
    readings: list[_Floats],
    turns: list[tuple[int, int]],
    prior: _Floats,
) -> None:
    """(action, observation) in turns, each contestant chaining its own belief."""
    answer_after = 2 * len(turns)  # the first calls are answered with beliefs that can be compared

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore._native.belief import SparseBelief, SparseTables

        tables = SparseTables(len(prior), len(transitions), readings[0].shape[1])
        for a, (T, reading) in enumerate(zip(transitions, readings, strict=True)):
            tables.set_action(
                a, T.indptr.astype(np.int32), T.indices.astype(np.int32), T.data, reading
            )
        belief = SparseBelief(tables, prior)
        update, follow = belief.update, cycle(turns)
        for _ in range(answer_after):
            update(*next(follow))
        start = belief.probabilities

        def step() -> _Floats:
            update(*next(follow))
            return start

        return step

    @trial.contestant("scipy-csr")
    def _() -> Callable[[], Any]:
        into = [T.T.tocsr() for T in transitions]  # rows by target: one product a step
        columns = [np.ascontiguousarray(reading.T) for reading in readings]
        b, follow = prior.copy(), cycle(turns)

        def update() -> None:
            nonlocal b
            a, z = next(follow)
            b = into[a] @ b
            b *= columns[a][z]
            b /= b.sum()

        for _ in range(answer_after):
            update()
        start = b.copy()

        def step() -> _Floats:
            update()
            return start

        return step

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, rtol=1e-5)}  # optcore's tables are float32
