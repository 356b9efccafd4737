"""Posterior sampling for reinforcement learning: act as if one plausible process were the truth.

Source   Osband, Russo & Van Roy, NeurIPS 2013; without episodes: Ouyang, Gagrani, Nayyar & Jain,
         NeurIPS 2017 (a new sample when a count has doubled or the last stretch is outlived).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optcore.belief.learning.dirichlet_mdp import DirichletMDP
from optcore.belief.planning.mdp import policy_iteration

__all__ = ["PSRL"]


class PSRL:
    """Chooses actions for a `DirichletMDP` and learns from what comes back.

    Each new sample is solved by policy iteration from the last policy, which is nearly right.

    Args:
        model: the posterior; observed into.
        seed: of the generator, or a generator.
    """

    def __init__(self, model: DirichletMDP, *, seed: int | np.random.Generator = 0) -> None:
        self.model = model
        self._rng = np.random.default_rng(seed)
        self._length = self._last_length = 0
        self._visits = model.visits.copy()
        self.samples = 0
        self.policy: NDArray[np.int64] = np.zeros(model.n_states, np.int64)
        self.resample()

    def resample(self) -> None:
        """Draw a process from the posterior and take its optimal policy; starts an episode."""
        T, R = self.model.sample(self._rng)
        start = self.policy if self.samples else None
        solution = policy_iteration(T.transpose(1, 0, 2), R, self.model.discount, start=start)
        self.policy = solution.policy
        self.samples += 1
        self._last_length, self._length = self._length, 0
        self._visits = self.model.visits.copy()

    def act(self, state: int) -> int:
        """The sampled process's optimal action."""
        return int(self.policy[state])

    def observe(self, state: int, action: int, reward: float, next_state: int) -> None:
        """Learn from a step; draws a new process when the old one has been outlived."""
        self.model.observe(state, action, reward, next_state)
        self._length += 1
        doubled = self.model.visits[state, action] > 2 * self._visits[state, action]
        if doubled or self._length > self._last_length:
            self.resample()
