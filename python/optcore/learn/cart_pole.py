"""Cart-pole swing-up as a Gymnasium environment: the benchmark of PILCO and GP-MPC.

A cart of 0.5 kg on a track carries a uniform rod of 0.5 kg and 0.6 m, hanging at first; a force of
at most 10 N on the cart is held for 0.1 s. Gymnasium's own CartPole begins upright.

Source   Deisenroth & Rasmussen, PILCO, ICML (2011), and Deisenroth, *Efficient Reinforcement
         Learning using Gaussian Processes* (2010), appendix C.2: the same constants and reward.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from optcore.errors import MissingDependency

try:
    import gymnasium
    from gymnasium import spaces
except ImportError as error:
    raise MissingDependency("optcore.learn: pip install 'optcore[gymnasium]'") from error

__all__ = ["CartPoleSwingUp", "tip_distance", "tip_reward"]

Array = NDArray[np.float64]

CART, POLE, LENGTH, FRICTION, GRAVITY = 0.5, 0.5, 0.6, 0.1, 9.82  # kg, kg, m, N s/m, m/s^2
FORCE, PERIOD, SUBSTEPS = 10.0, 0.1, 10  # N, s
TRACK = 3.0  # m from the middle to each end
STEPS = 40
_WIDTH = 0.25  # m: how far the tip may be for a reward of 0.6


def rates(state: Array, force: float) -> Array:
    """Derivatives of (position, speed, angle from upright, rate)."""
    _, speed, angle, rate = state
    sine, cosine = math.sin(angle), math.cos(angle)
    push = force - FRICTION * speed
    below = 4.0 * (CART + POLE) - 3.0 * POLE * cosine**2
    swing = POLE * LENGTH * rate**2 * sine
    acceleration = (-2.0 * swing + 3.0 * POLE * GRAVITY * sine * cosine + 4.0 * push) / below
    turning = -3.0 * swing * cosine + 6.0 * (CART + POLE) * GRAVITY * sine + 6.0 * push * cosine
    return np.array([speed, acceleration, rate, turning / (LENGTH * below)])


def tip_distance(position: Array, angle: Array) -> Array:
    """Metres from the rod's tip to where it is when the rod stands over the middle, (K,)."""
    # a standing rod falls to the left, where its angle grows, when the cart is pushed right
    across, up = position - LENGTH * np.sin(angle), LENGTH * np.cos(angle)
    return np.asarray(np.hypot(across, up - LENGTH))


def tip_reward(position: Array, angle: Array) -> Array:
    """exp(-d^2 / (2 width^2)) of the tip's distance d, (K,)."""
    return np.asarray(np.exp(-0.5 * (tip_distance(position, angle) / _WIDTH) ** 2))


class CartPoleSwingUp(gymnasium.Env[NDArray[np.float64], NDArray[np.float64]]):
    """Observation: position, speed, cosine and sine of the angle from upright, its rate.

    An episode lasts 40 steps of 0.1 s, and ends at an end of the track.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self) -> None:
        high = np.array([np.inf, np.inf, 1.0, 1.0, np.inf])
        self.observation_space = spaces.Box(-high, high, dtype=np.float64)
        self.action_space = spaces.Box(-FORCE, FORCE, (1,), dtype=np.float64)
        self._state = np.zeros(4)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self._state = np.array([0.0, 0.0, math.pi, 0.0]) + 0.1 * self.np_random.normal(size=4)
        self._steps = 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        force = float(np.clip(np.asarray(action, np.float64).reshape(-1)[0], -FORCE, FORCE))
        h = PERIOD / SUBSTEPS
        x = self._state
        for _ in range(SUBSTEPS):
            k1 = rates(x, force)
            k2 = rates(x + 0.5 * h * k1, force)
            k3 = rates(x + 0.5 * h * k2, force)
            k4 = rates(x + h * k3, force)
            x = x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        self._state = x
        self._steps += 1
        reward = float(tip_reward(x[:1], x[2:3])[0])
        off = bool(abs(x[0]) > TRACK)
        return self._observation(), 0.0 if off else reward, off, self._steps >= STEPS, {}

    def _observation(self) -> Array:
        position, speed, angle, rate = self._state
        return np.array([position, speed, math.cos(angle), math.sin(angle), rate])
