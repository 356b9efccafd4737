"""Bayes-adaptive planning by Monte-Carlo tree search: plans with what it will have learned.

Each simulation draws one process from the posterior at the root, so no belief is updated inside
the tree; rows of the process are drawn when first visited. The tree under the step that was really
taken is kept for the next search.

Source   Guez, Silver & Dayan, "Efficient Bayes-adaptive reinforcement learning using sample-based
         search", NeurIPS 2012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from optcore.belief.learning.dirichlet_mdp import DirichletMDP
from optcore.errors import ConfigError

__all__ = ["BAMCP"]


@dataclass
class _Node:
    visits: int
    counts: list[int]
    values: list[float]
    children: list[dict[int, _Node]] = field(default_factory=list)

    @classmethod
    def empty(cls, actions: int) -> _Node:
        return cls(0, [0] * actions, [0.0] * actions, [{} for _ in range(actions)])


class BAMCP:
    """Search for the action that is best once learning is paid for.

    Args:
        model: the posterior; `observe` learns into it.
        exploration: weight of the upper confidence bound, in units of return.
        horizon_error: simulations stop where the discount has shrunk to this.
        seed: of the generator, or a generator.
    """

    def __init__(
        self,
        model: DirichletMDP,
        *,
        exploration: float = 3.0,
        horizon_error: float = 0.01,
        seed: int | np.random.Generator = 0,
    ) -> None:
        if not exploration >= 0.0 or not 0.0 < horizon_error < 1.0:
            raise ConfigError("exploration: need >= 0; horizon_error: need a number in (0, 1)")
        self.model = model
        self._exploration = float(exploration)
        gamma = model.discount
        self._depth = (
            1 if gamma == 0 else max(1, math.ceil(math.log(horizon_error) / math.log(gamma)))
        )
        self._rng = np.random.default_rng(seed)
        self._root: _Node | None = None
        self._root_state = -1
        self.reused_visits = 0  #: visits of the root that the last search found done already
        # Roll-outs follow values learned on the way, with one action in ten at random.
        self._q = np.zeros((model.n_states, model.n_actions))

    def search(self, state: int, simulations: int = 1000) -> int:
        """The best action after so many simulations from `state`."""
        if simulations < 1:
            raise ConfigError(f"simulations: need at least 1, got {simulations}")
        if self._root is None or self._root_state != state:
            self._root, self._root_state = _Node.empty(self.model.n_actions), state
        self.reused_visits = self._root.visits
        mean_reward = self.model.posterior_mean()[1]
        cumulative: dict[tuple[int, int], np.ndarray] = {}
        for _ in range(simulations):
            cumulative.clear()
            self._simulate(self._root, state, 0, cumulative, mean_reward)
        return int(np.argmax(self._root.values))

    @property
    def values(self) -> list[float]:
        """Expected return of each action at the root of the last search."""
        return [] if self._root is None else list(self._root.values)

    def observe(self, state: int, action: int, reward: float, next_state: int) -> None:
        """Learn from the step really taken, and keep the part of the tree below it."""
        self.model.observe(state, action, reward, next_state)
        kept = None
        if self._root is not None and self._root_state == state:
            kept = self._root.children[action].get(next_state)
        self._root, self._root_state = kept, next_state

    def _next(self, state: int, action: int, drawn: dict[tuple[int, int], np.ndarray]) -> int:
        row = drawn.get((state, action))
        if row is None:
            weight = self._rng.standard_gamma(self.model.counts[state, action])
            if weight.sum() <= 0.0:
                weight = self.model.counts[state, action]
            row = drawn[state, action] = np.cumsum(weight)
        at = int(np.searchsorted(row, self._rng.random() * row[-1], side="right"))
        return min(at, len(row) - 1)

    def _simulate(
        self,
        node: _Node,
        state: int,
        depth: int,
        drawn: dict[tuple[int, int], np.ndarray],
        reward: np.ndarray,
    ) -> float:
        """Down the tree by confidence bounds, then a roll-out; values on the way up."""
        path: list[tuple[_Node, int, float]] = []
        value = 0.0
        while depth < self._depth:
            action = self._choose(node)
            gained = float(reward[state, action])
            path.append((node, action, gained))
            fresh = node.counts[action] == 0
            before, state = state, self._next(state, action, drawn)
            depth += 1
            self._learn(before, action, gained, state)
            if fresh:
                node.children[action].setdefault(state, _Node.empty(self.model.n_actions))
                value = self._roll_out(state, depth, drawn, reward)
                break
            child = node.children[action].get(state)
            if child is None:
                child = node.children[action][state] = _Node.empty(self.model.n_actions)
            node = child
        for visited, action, gained in reversed(path):
            value = gained + self.model.discount * value
            visited.visits += 1
            visited.counts[action] += 1
            visited.values[action] += (value - visited.values[action]) / visited.counts[action]
        return value

    def _choose(self, node: _Node) -> int:
        for action, count in enumerate(node.counts):
            if count == 0:
                return action
        log = math.log(node.visits)
        scores = [
            value + self._exploration * math.sqrt(log / count)
            for value, count in zip(node.values, node.counts, strict=True)
        ]
        return scores.index(max(scores))

    def _roll_out(
        self,
        state: int,
        depth: int,
        drawn: dict[tuple[int, int], np.ndarray],
        reward: np.ndarray,
    ) -> float:
        total, weight = 0.0, 1.0
        for _ in range(depth, self._depth):
            if self._rng.random() < 0.1:
                action = int(self._rng.integers(self.model.n_actions))
            else:
                action = int(self._q[state].argmax())
            gained = float(reward[state, action])
            total += weight * gained
            weight *= self.model.discount
            after = self._next(state, action, drawn)
            self._learn(state, action, gained, after)
            state = after
        return total

    def _learn(self, state: int, action: int, gained: float, after: int) -> None:
        target = gained + self.model.discount * self._q[after].max()
        self._q[state, action] += 0.1 * (target - self._q[state, action])
