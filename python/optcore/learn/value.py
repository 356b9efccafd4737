"""How much is a state worth? Dynamic programming on the learnt model, for two or three states.

A plan of a few steps that ends where the value is high reaches goals far beyond its horizon, which
rewards that come only at the goal need. The grid is a finite process: the model's mean tells where
each point goes, and its neighbours share the arrival.

Shapes   K states, G grid points.
Source   Munos & Moore, "Variable resolution discretization in optimal control", Machine Learning 49
         (2002): multilinear interpolation as transition probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from optcore.belief.planning import value_iteration
from optcore.errors import ConfigError, ShapeError
from optcore.learn.coordinates import Coordinates, wrap
from optcore.learn.dynamics import Dynamics
from optcore.learn.planner import Ends, Reward

__all__ = ["Grid", "GridValue"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Where the value is computed."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    points: tuple[int, ...]
    inputs: int = 9  #: of each input, evenly spaced
    discount: float = 0.995

    def __post_init__(self) -> None:
        if not 0 < len(self.low) == len(self.high) == len(self.points):
            raise ConfigError("grid: low, high and points need as many numbers as states")
        ordered = all(-np.inf < a < b < np.inf for a, b in zip(self.low, self.high, strict=True))
        if not ordered or min(self.points) < 2:
            raise ConfigError("grid: need finite low < high and at least 2 points for each state")
        if self.inputs < 1 or not 0 <= self.discount < 1:
            raise ConfigError(
                f"grid: need inputs >= 1 and discount in [0, 1), got {self.inputs}, {self.discount}"
            )
        if np.prod(self.points) > 200_000:
            raise ConfigError(f"grid: {np.prod(self.points)} points are too many, need <= 200000")


class GridValue:
    """The value function of a model on a grid; called with (K, nx) it interpolates."""

    def __init__(
        self,
        grid: Grid,
        coordinates: Coordinates,
        low: Array,
        high: Array,
        reward: Reward,
        ends: Ends | None,
    ) -> None:
        if len(grid.points) != coordinates.nx:
            raise ShapeError(f"grid: need {coordinates.nx} states, got {len(grid.points)}")
        self._grid, self._reward, self._ends = grid, reward, ends
        self._angular = list(coordinates.angular)
        axes = [
            np.linspace(a, b, n) for a, b, n in zip(grid.low, grid.high, grid.points, strict=True)
        ]
        self._x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        choices = [np.linspace(a, b, grid.inputs) for a, b in zip(low, high, strict=True)]
        self._u = np.array(list(product(*choices)))
        self._v = np.zeros(len(self._x))
        self._over = np.zeros(len(self._x), bool) if ends is None else ends(self._x)

    def update(self, model: Dynamics) -> None:
        """Solve for this model."""
        from scipy.sparse import csr_array

        size = len(self._x)
        end = size  # one more state, never left, which pays nothing
        transitions, rewards = [], np.zeros((size + 1, len(self._u)))
        for a, u in enumerate(self._u):
            held = np.broadcast_to(u, (size, len(u)))
            after = model.step(self._x, held)
            rewards[:size, a] = self._reward(self._x, held, after)
            arrived = np.zeros(size, bool) if self._ends is None else self._ends(after)
            columns, weights = self._neighbours(after)
            columns[arrived | self._over] = end
            rows = np.append(np.repeat(np.arange(size), columns.shape[1]), end)
            entries = np.append(weights.ravel(), 1.0), (rows, np.append(columns.ravel(), end))
            transitions.append(csr_array(entries, shape=(size + 1, size + 1)))
        rewards[:size][self._over] = 0.0
        start = np.append(self._v, 0.0)
        solution = value_iteration(
            transitions, rewards, self._grid.discount, tolerance=0.05, start=start
        )
        self._v = solution.value[:size] - solution.value[end]

    def __call__(self, x: Array) -> Array:
        columns, weights = self._neighbours(x)
        return np.asarray((self._v[columns] * weights).sum(axis=1))

    @property
    def values(self) -> Array:
        """(points of the first state, of the second, ...)"""
        return self._v.reshape(self._grid.points)

    def _neighbours(self, x: Array) -> tuple[NDArray[np.int64], Array]:
        """(K, 2^nx) corners of the cell around each state and their weights; outside: the edge."""
        grid = self._grid
        low, high = np.array(grid.low), np.array(grid.high)
        counts = np.array(grid.points)
        if self._angular:
            x = x.copy()
            x[:, self._angular] = wrap(x[:, self._angular])
        place = (np.clip(x, low, high) - low) / (high - low) * (counts - 1)
        cell = np.minimum(place.astype(np.int64), counts - 2)
        share = place - cell
        strides = np.array([int(np.prod(counts[i + 1 :])) for i in range(len(counts))])
        columns = np.empty((len(x), 2 ** len(counts)), np.int64)
        weights = np.empty(columns.shape)
        for c, corner in enumerate(product((0, 1), repeat=len(counts))):
            up = np.array(corner)
            columns[:, c] = ((cell + up) * strides).sum(axis=1)
            weights[:, c] = np.where(up, share, 1.0 - share).prod(axis=1)
        if self._ends is not None:  # a state that is not over is worth what its like are worth
            weights[self._over[columns]] = 0.0
            total = weights.sum(axis=1, keepdims=True)
            np.divide(weights, total, out=weights, where=total > 0)
        return columns, weights
