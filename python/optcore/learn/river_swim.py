"""RiverSwim: a small reward at hand downstream, a large one far up against the current.

Source   Strehl & Littman, "An analysis of model-based interval estimation for Markov decision
         processes", JCSS 74(8) (2008), section 5: the probabilities; rewards as in Osband, Russo &
         Van Roy, NeurIPS (2013): 0.005 and 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from optcore.errors import MissingDependency

try:
    import gymnasium
    from gymnasium import spaces
except ImportError as error:
    raise MissingDependency("optcore.learn: pip install 'optcore[gymnasium]'") from error

__all__ = ["RiverSwim"]

_STATES = 6


class RiverSwim(gymnasium.Env[int, int]):
    """Six states in a row; action 0 drifts left surely, action 1 swims right. 20 steps."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, steps: int = 20) -> None:
        self.observation_space = spaces.Discrete(_STATES)
        self.action_space = spaces.Discrete(2)
        self.transitions, self.rewards = _process()
        self._limit, self._steps, self._at = steps, 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self._at, self._steps = 0, 0
        return self._at, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        reward = float(self.rewards[self._at, action])
        row = self.transitions[self._at, action]
        self._at = int(self.np_random.choice(_STATES, p=row))
        self._steps += 1
        return self._at, reward, False, self._steps >= self._limit, {}


def _process() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(S, A, S) transitions and (S, A) rewards."""
    T, R = np.zeros((_STATES, 2, _STATES)), np.zeros((_STATES, 2))
    for s in range(_STATES):
        T[s, 0, max(s - 1, 0)] = 1.0
        ahead = min(s + 1, _STATES - 1)
        if s == 0:
            T[s, 1, [0, 1]] = 0.4, 0.6
        elif s == _STATES - 1:
            T[s, 1, [s - 1, s]] = 0.4, 0.6
        else:
            T[s, 1, [s - 1, s, ahead]] = 0.05, 0.6, 0.35
    R[0, 0], R[-1, 1] = 0.005, 1.0
    return T, R
