"""The environments' own equations, as models to plan with: what no learner has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pendulum"]

Array = NDArray[np.float64]


class Pendulum:
    """Gymnasium's Pendulum-v1: x = (angle from upright, rate), u = torque."""

    nx, nu = 2, 1
    _h, _slope, _push = 0.05, 15.0, 3.0

    def step(self, x: Array, u: Array) -> Array:
        torque = np.clip(u[:, 0], -2.0, 2.0)
        rate = x[:, 1] + self._h * (self._slope * np.sin(x[:, 0]) + self._push * torque)
        rate = np.clip(rate, -8.0, 8.0)
        return np.column_stack([x[:, 0] + self._h * rate, rate])

    def linearise(self, x: Array, u: Array, h: float = 0.0) -> tuple[Array, Array, Array]:
        free = x[:, 1] + self._h * (self._slope * np.sin(x[:, 0]) + self._push * u[:, 0])
        inside = (np.abs(free) < 8.0).astype(float)
        A, B = np.zeros((len(x), 2, 2)), np.zeros((len(x), 2, 1))
        A[:, 1, 0] = self._h * self._slope * np.cos(x[:, 0]) * inside
        A[:, 1, 1], B[:, 1, 0] = inside, self._h * self._push * inside
        A[:, 0] = np.array([1.0, 0.0]) + self._h * A[:, 1]
        B[:, 0] = self._h * B[:, 1]
        return self.step(x, u), A, B
