"""A reward that is learnt, where the task does not say it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optcore.learn.coordinates import Coordinates
from optcore.learn.regression import OnlineRegression

__all__ = ["LearntReward"]

Array = NDArray[np.float64]


class LearntReward:
    """A Gaussian process from features of state and input to the reward of the step.

    Callable as optcore.learn.planner.Reward. Arguments as for GPDynamics.
    """

    def __init__(self, coordinates: Coordinates, nu: int, capacity: int, novelty: float) -> None:
        self._coordinates = coordinates
        inputs = coordinates.nx + len(coordinates.angles) + nu
        self.regression = OnlineRegression(inputs, 1, capacity=capacity, novelty=novelty)

    def observe(self, x: Array, u: Array, reward: float) -> bool:
        """Take in one step, (nx,) and (nu,)."""
        row = self._coordinates.features(x[None], u[None])[0]
        return self.regression.observe(row, np.array([reward]))

    def __call__(self, x: Array, u: Array, following: Array) -> Array:
        return np.asarray(self.regression.mean(self._coordinates.features(x, u))[:, 0])
