"""Planning while acting: a tree of future beliefs that grows where it matters and is kept.

Leaves carry bounds of the value; each expansion goes to the leaf that adds most to the doubt at
the root. Equal beliefs share one node, and after a real step the tree below it is the new tree.

Source   Ross, Pineau, Paquet & Chaib-draa, "Online planning algorithms for POMDPs", JAIR 32 (2008):
         AEMS2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.belief.planning.bounds import blind_bound, fast_informed_bound
from optcore.belief.pomdp import SparsePOMDP
from optcore.errors import ConfigError, ShapeError

__all__ = ["BeliefTree", "TreeStatistics"]

Bounds = Callable[[NDArray[np.float64]], tuple[float, float]]


@dataclass
class TreeStatistics:
    """How often a belief was met that was known already."""

    created: int = 0
    reused: int = 0


class _Node:
    __slots__ = ("belief", "branches", "lower", "q_lower", "q_upper", "reward", "upper")

    def __init__(self, belief: NDArray[np.float64], lower: float, upper: float) -> None:
        self.belief = belief
        self.lower, self.upper = lower, upper
        # per action: (observation, probability, child); empty until expanded
        self.branches: list[list[tuple[int, float, _Node]]] = []
        self.reward: NDArray[np.float64] = np.empty(0)
        self.q_lower: NDArray[np.float64] = np.empty(0)
        self.q_upper: NDArray[np.float64] = np.empty(0)


class BeliefTree:
    """An anytime search from the present belief, with bounds on its value.

    Args:
        model: the decision problem.
        bounds: belief -> (lower, upper), e.g. `PointBasedPlanner.bounds`. None: the best fixed
            action below, the fast informed bound above.
        belief: the belief to start from. None: the model's.
    """

    def __init__(
        self,
        model: SparsePOMDP,
        *,
        bounds: Bounds | None = None,
        belief: ArrayLike | None = None,
    ) -> None:
        self._model = model
        if bounds is None:
            low, high = blind_bound(model), fast_informed_bound(model)

            def bounds(b: NDArray[np.float64]) -> tuple[float, float]:
                return float((low @ b).max()), float((high @ b).max())

        self._bounds = bounds
        self._known: dict[bytes, _Node] = {}
        self.statistics = TreeStatistics()
        start = model.start if belief is None else np.array(belief, np.float64)
        if start.shape != (model.n_states,):
            raise ShapeError(f"belief: need ({model.n_states},), got {start.shape}")
        self._root = self._node(start)

    @property
    def belief(self) -> NDArray[np.float64]:
        """(S,) belief at the root, a copy."""
        return self._root.belief.copy()

    @property
    def value_bounds(self) -> tuple[float, float]:
        """Lower and upper bound on the value of the root's belief."""
        return self._root.lower, self._root.upper

    @property
    def nodes(self) -> int:
        return len(self._known)

    def search(self, expansions: int = 50, *, gap: float = 0.0) -> int:
        """Expand leaves until so many are done or the root's gap is closed; the action to take."""
        for _ in range(expansions):
            if self._root.branches and self._root.upper - self._root.lower <= gap:
                break
            self._expand_once()
        if not self._root.branches:
            self._expand_once()
        return int(np.argmax(self._root.q_lower))

    def advance(self, action: int, observation: int) -> _native.Status:
        """Move to the belief after a real step; what was planned below it is kept.

        Returns the status of the belief update; below 0 the tree stays as it was.
        """
        if not 0 <= action < self._model.n_actions:
            raise ConfigError(f"action: need 0 to {self._model.n_actions - 1}, got {action}")
        child = None
        if self._root.branches:
            child = next((c for z, _, c in self._root.branches[action] if z == observation), None)
        if child is None:
            update = self._model.update_belief(self._root.belief, action, observation)
            if update.status < 0:
                return update.status
            child = self._node(update.belief)
        self._root = child
        self._forget()
        return _native.Status.ok

    def _forget(self) -> None:
        """Drop what can no longer be reached."""
        reachable: dict[int, _Node] = {}
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if id(node) not in reachable:
                reachable[id(node)] = node
                waiting.extend(child for part in node.branches for _, _, child in part)
        self._known = {key: node for key, node in self._known.items() if id(node) in reachable}

    def _node(self, belief: NDArray[np.float64]) -> _Node:
        key = np.round(belief, 12).tobytes()
        node = self._known.get(key)
        if node is None:
            self.statistics.created += 1
            node = self._known[key] = _Node(belief, *self._bounds(belief))
        else:
            self.statistics.reused += 1
        return node

    def _expand_once(self) -> None:
        path: list[_Node] = [self._root]
        weight = 1.0
        seen = {id(self._root)}
        while path[-1].branches:
            node = path[-1]
            action = int(np.argmax(node.q_upper))
            doubts = [
                (p * (child.upper - child.lower), p, child)
                for _, p, child in node.branches[action]
                if id(child) not in seen  # equal beliefs make rings
            ]
            if not doubts:
                break
            _, p, child = max(doubts, key=lambda doubt: doubt[0])
            weight *= self._model.discount * p
            path.append(child)
            seen.add(id(child))
            if weight < 1e-12:
                break
        if not path[-1].branches:
            self._expand(path[-1])
        for node in reversed(path):
            self._update(node)

    def _expand(self, node: _Node) -> None:
        model, b = self._model, node.belief
        node.reward = np.asarray(b @ model.rewards)
        for action in range(model.n_actions):
            predicted = b @ model.tables.transitions[action]
            chances = predicted @ model.tables.observations[action]
            part = []
            for z in np.flatnonzero(chances > 1e-13).tolist():
                update = model.update_belief(b, action, z)
                part.append((z, float(chances[z]), self._node(update.belief)))
            node.branches.append(part)

    def _update(self, node: _Node) -> None:
        if not node.branches:
            return
        gamma = self._model.discount
        node.q_lower, node.q_upper = node.reward.copy(), node.reward.copy()
        for action, part in enumerate(node.branches):
            for _, p, child in part:
                node.q_lower[action] += gamma * p * child.lower
                node.q_upper[action] += gamma * p * child.upper
        node.lower = max(node.lower, float(node.q_lower.max()))
        node.upper = min(node.upper, float(node.q_upper.max()))
