"""Rewards R(s, a, s', z) as a file gives them, reduced to the expectation R(s, a)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["RewardTable"]


class _Rule(NamedTuple):
    """One line about some next states and observations; a later `order` overrides."""

    order: int
    observation: int | None  # None: all of them
    value: float | NDArray[np.float64]  # or (Z,) numbers, or (S, Z) when the next state is open


_Rules = defaultdict[int | None, list[_Rule]]  # by next state; None: all of them


class RewardTable:
    """Rules in the order of the file; what depends on the state and action alone is kept dense."""

    def __init__(self, states: int, actions: int) -> None:
        self._plain = np.zeros((actions, states))
        self._plain_order = np.zeros((actions, states), np.int64)
        self._any_state: dict[int, _Rules] = {}
        self._by_state: dict[tuple[int, int], _Rules] = {}
        self._order = 0

    def set(
        self,
        actions: Iterable[int],
        states: Iterable[int] | None,
        next_states: Iterable[int | None],
        observation: int | None,
        value: float | NDArray[np.float64],
    ) -> None:
        """One rule; None stands for a wildcard. Later rules override earlier ones."""
        self._order += 1
        open_end = list(next_states)
        plain = open_end == [None] and observation is None and isinstance(value, float)
        for action in actions:
            if plain:
                where = slice(None) if states is None else list(states)
                self._plain[action, where] = value
                self._plain_order[action, where] = self._order
                continue
            rule = _Rule(self._order, observation, value)
            for end in open_end:
                if states is None:
                    rules = self._any_state.setdefault(action, defaultdict(list))
                    rules[end].append(rule)
                else:
                    for state in states:
                        key = (action, state)
                        self._by_state.setdefault(key, defaultdict(list))[end].append(rule)

    def expected(
        self, transitions: list[csr_array], observations: list[csr_array]
    ) -> NDArray[np.float64]:
        """(S, A) sum over s' and z of p(s' | s, a) p(z | a, s') R(s, a, s', z)."""
        rewards = self._plain.T.copy()
        for action, (T, Z) in enumerate(zip(transitions, observations, strict=True)):
            for_all = self._any_state.get(action)
            touched: Iterable[int] = range(T.shape[0])
            if not for_all:
                touched = sorted(s for a, s in self._by_state if a == action)
            for state in touched:
                plain = self._plain[action, state]
                since = self._plain_order[action, state]
                own = self._by_state.get((action, state))
                extra = 0.0
                for at in range(T.indptr[state], T.indptr[state + 1]):
                    end = int(T.indices[at])
                    rules = [*_about(for_all, end), *_about(own, end)]
                    rules = sorted((r for r in rules if r.order > since), key=lambda r: r.order)
                    if rules:
                        extra += T.data[at] * _excess(rules, end, plain, Z)
                rewards[state, action] += extra
        return rewards


def _about(rules: _Rules | None, end: int) -> list[_Rule]:
    if not rules:
        return []
    return rules.get(end, []) + rules.get(None, [])


def _excess(rules: list[_Rule], end: int, plain: float, Z: csr_array) -> float:
    """Expected reward over the observations at `end`, above the plain one."""
    span = slice(Z.indptr[end], Z.indptr[end + 1])
    seen, weight = Z.indices[span], Z.data[span]
    value = np.full(len(seen), plain)
    for rule in rules:
        if isinstance(rule.value, float):
            here: float | NDArray[np.float64] = rule.value
        else:
            here = (rule.value if rule.value.ndim == 1 else rule.value[end])[seen]
        if rule.observation is None:
            value[:] = here
        else:
            value[seen == rule.observation] = here
    return float(weight @ (value - plain))
