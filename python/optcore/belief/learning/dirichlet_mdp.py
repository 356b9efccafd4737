"""A Markov decision process that is being learned: Dirichlet over transitions, normal over rewards.

Shapes   S = states, A = actions.
Source   Strens, ICML 2000; DeGroot, *Optimal Statistical Decisions* (1970), section 9.6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.belief.planning.mdp import MDPSolution, policy_iteration, value_iteration
from optcore.errors import ConfigError, ShapeError

__all__ = ["DirichletMDP"]


class DirichletMDP:
    """Posterior over the transitions and rewards of a finite process.

    Each row p(. | s, a) has a Dirichlet posterior. Each mean reward has a normal-gamma posterior,
    so that neither its value nor its noise need be known.

    Args:
        states, actions: sizes.
        discount: in [0, 1).
        prior: prior counts, one number or (S, A, S), > 0. 1/S by default: rows that are learned
            from few visits.
        reward_mean, reward_strength: prior mean of the rewards, and how many visits it weighs.
        reward_scale: prior guess of the standard deviation of a reward.

    Example:
        >>> mdp = DirichletMDP(2, 1, discount=0.9)
        >>> for _ in range(99):
        ...     mdp.observe(0, 0, 1.0, 1)
        >>> T, R = mdp.posterior_mean()
        >>> T[0, 0].round(3), R[0, 0].round(2)
        (array([0.005, 0.995]), np.float64(0.99))
    """

    def __init__(
        self,
        states: int,
        actions: int,
        *,
        discount: float,
        prior: ArrayLike | None = None,
        reward_mean: float = 0.0,
        reward_strength: float = 1.0,
        reward_scale: float = 1.0,
    ) -> None:
        if states < 1 or actions < 1:
            raise ConfigError(f"states, actions: need at least 1, got {states}, {actions}")
        if not 0.0 <= discount < 1.0:
            raise ConfigError(f"discount: need a number in [0, 1), got {discount}")
        counts = np.asarray(1.0 / states if prior is None else prior, np.float64)
        if counts.shape not in {(), (states, actions, states)}:
            raise ShapeError(f"prior: need a number or {(states, actions, states)}")
        if not np.isfinite(counts).all() or not (counts > 0).all():
            raise ConfigError("prior: need finite counts > 0")
        if not (reward_strength > 0 and reward_scale > 0 and np.isfinite(reward_mean)):
            raise ConfigError("reward_strength, reward_scale: need > 0; reward_mean: finite")
        self.discount = float(discount)
        self.counts = np.broadcast_to(counts, (states, actions, states)).copy()
        self.visits = np.zeros((states, actions), np.int64)
        shape = (states, actions)
        self._mean = np.full(shape, float(reward_mean))
        self._strength = np.full(shape, float(reward_strength))
        self._alpha = np.full(shape, 2.0)
        self._beta = np.full(shape, float(reward_scale) ** 2)

    @property
    def n_states(self) -> int:
        return int(self.counts.shape[0])

    @property
    def n_actions(self) -> int:
        return int(self.counts.shape[1])

    def observe(self, state: int, action: int, reward: float, next_state: int) -> None:
        """Take in one transition.

        Raises:
            ConfigError: an index outside the model, or a reward that is not finite.
        """
        S, A = self.visits.shape
        if not (0 <= state < S and 0 <= next_state < S and 0 <= action < A):
            raise ConfigError(
                f"state, action, next_state: need below {S}, {A}, {S}, "
                f"got {state}, {action}, {next_state}"
            )
        if not np.isfinite(reward):
            raise ConfigError(f"reward: need a finite number, got {reward}")
        at = (state, action)
        self.counts[state, action, next_state] += 1.0
        self.visits[at] += 1
        strength, error = self._strength[at], reward - self._mean[at]
        self._mean[at] += error / (strength + 1.0)
        self._alpha[at] += 0.5
        self._beta[at] += 0.5 * strength * error * error / (strength + 1.0)
        self._strength[at] += 1.0

    def set_final(self, state: int) -> None:
        """Make a state one that is surely never left and pays nothing."""
        self.counts[state] = 1e-12
        self.counts[state, :, state] = 1e12
        self._mean[state], self._strength[state] = 0.0, 1e12

    def posterior_mean(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(S, A, S) expected transitions and (S, A) expected rewards."""
        return self.counts / self.counts.sum(axis=-1, keepdims=True), self._mean.copy()

    def sample(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One process from the posterior: (S, A, S) transitions and (S, A) mean rewards."""
        T = rng.standard_gamma(self.counts)
        mass = T.sum(axis=-1, keepdims=True)
        empty = mass[..., 0] < 1e-280  # all of tiny counts underflowed: one entry has it all
        if empty.any():
            for s, a in np.argwhere(empty).tolist():
                share = self.counts[s, a] / self.counts[s, a].sum()
                T[s, a] = np.eye(self.n_states)[rng.choice(self.n_states, p=share)]
            mass = T.sum(axis=-1, keepdims=True)
        precision = rng.standard_gamma(self._alpha) / self._beta
        noise = rng.standard_normal(self._mean.shape)
        return T / mass, self._mean + noise / np.sqrt(self._strength * precision)

    def value_iteration(
        self, *, tolerance: float = 1e-6, start: NDArray[np.float64] | None = None
    ) -> MDPSolution:
        """Solve the posterior mean."""
        T, R = self.posterior_mean()
        return value_iteration(
            T.transpose(1, 0, 2), R, self.discount, tolerance=tolerance, start=start
        )

    def policy_iteration(self, *, start: NDArray[np.int64] | None = None) -> MDPSolution:
        """Solve the posterior mean exactly."""
        T, R = self.posterior_mean()
        return policy_iteration(T.transpose(1, 0, 2), R, self.discount, start=start)
