"""Bayesian Q-learning: a normal-gamma posterior over each action's value, no model kept.

Source   Dearden, Friedman & Russell, "Bayesian Q-learning", AAAI 1998: mixture and moment
         updating; choice by Q-value sampling or by the myopic value of perfect information.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError

__all__ = ["BayesianQ"]


class BayesianQ:
    """Posterior over the return of each action in each state.

    Args:
        states, actions: sizes.
        discount: in [0, 1).
        mean, scale: prior guess of a return and of its spread; a scale near the largest return
            makes what is unknown worth trying.
        update: "mixture" averages over what the next return may be; "moment" takes its first two
            moments, which is faster and grows sure too soon.
        selection: "sample" (Q-value sampling) or "vpi" (value of perfect information), which
            explores less.
        seed: of the generator, or a generator.
    """

    def __init__(
        self,
        states: int,
        actions: int,
        *,
        discount: float,
        mean: float = 0.0,
        scale: float = 10.0,
        update: Literal["mixture", "moment"] = "mixture",
        selection: Literal["sample", "vpi"] = "sample",
        seed: int | np.random.Generator = 0,
    ) -> None:
        if states < 1 or actions < 1:
            raise ConfigError(f"states, actions: need at least 1, got {states}, {actions}")
        if not 0.0 <= discount < 1.0 or not scale > 0.0 or not np.isfinite([mean, scale]).all():
            raise ConfigError("discount: need [0, 1); scale: need > 0; mean: finite")
        if selection not in {"vpi", "sample"}:
            raise ConfigError(f"selection: need 'vpi' or 'sample', got {selection!r}")
        if update not in {"mixture", "moment"}:
            raise ConfigError(f"update: need 'mixture' or 'moment', got {update!r}")
        self.discount, self._selection, self._update = float(discount), selection, update
        self._rng = np.random.default_rng(seed)
        shape = (states, actions)
        self._mean = np.full(shape, float(mean))
        self._strength = np.ones(shape)
        self._alpha = np.full(shape, 2.0)
        self._beta = np.full(shape, float(scale) ** 2)

    @property
    def q(self) -> NDArray[np.float64]:
        """(S, A) expected return of each action."""
        return self._mean.copy()

    @property
    def policy(self) -> NDArray[np.int64]:
        """(S,) action of the largest expected return."""
        return np.asarray(self._mean.argmax(axis=1), np.int64)

    def act(self, state: int) -> int:
        """An action that weighs what it earns against what it teaches."""
        if self._selection == "sample":
            precision = self._rng.standard_gamma(self._alpha[state]) / self._beta[state]
            noise = self._rng.standard_normal(len(precision))
            drawn = self._mean[state] + noise / np.sqrt(self._strength[state] * precision)
            return int(drawn.argmax())
        value = self._mean[state] + self._information(state)
        best = np.flatnonzero(value >= value.max() - 1e-12)
        return int(self._rng.choice(best))

    def _information(self, state: int) -> NDArray[np.float64]:
        """(A,) expected gain from learning an action's true mean and changing one's mind."""
        from scipy.special import gammaln, stdtr

        mean, freedom = self._mean[state], 2.0 * self._alpha[state]
        if len(mean) == 1:
            return np.zeros(1)
        best, second = np.argsort(mean)[[-1, -2]]
        rival = np.full(len(mean), mean[best])
        rival[best] = mean[second]
        spread = np.sqrt(self._beta[state] / (self._strength[state] * self._alpha[state]))
        # E[max(0, x - d)] for a standard Student t, d = distance to the rival in spreads
        d = np.abs(mean - rival) / spread
        density = np.exp(
            gammaln(0.5 * (freedom + 1))
            - gammaln(0.5 * freedom)
            - 0.5 * np.log(freedom * np.pi)
            - 0.5 * (freedom + 1) * np.log1p(d * d / freedom)
        )
        tail = stdtr(freedom, -d)
        gain: NDArray[np.float64] = spread * (
            (freedom + d * d) / (freedom - 1) * density - d * tail
        )
        return np.maximum(gain, 0.0)

    def observe(
        self, state: int, action: int, reward: float, next_state: int, *, terminal: bool = False
    ) -> None:
        """Learn from a step: the return it promises is uncertain, and counts as that."""
        if not np.isfinite(reward):
            raise ConfigError(f"reward: need a finite number, got {reward}")
        if terminal:
            self._take_in((state, action), np.array([float(reward)]))
            return
        at = (next_state, int(self._mean[next_state].argmax()))
        freedom = 2.0 * self._alpha[at]
        share = (self._strength[at] + 1.0) / self._strength[at]
        if self._update == "mixture":
            from scipy.special import stdtrit

            spread = np.sqrt(self._beta[at] / self._alpha[at] * share)
            follows = self._mean[at] + spread * stdtrit(freedom, _QUANTILES)
        else:  # two points with the mean and the variance of the next return
            spread = np.sqrt(self._beta[at] / (self._alpha[at] - 1.0) * share)
            follows = self._mean[at] + spread * np.array([-1.0, 1.0])
        self._take_in((state, action), reward + self.discount * follows)

    def _take_in(self, at: tuple[int, int], returns: NDArray[np.float64]) -> None:
        """Update by one of these equally likely returns, it is not known which."""
        mean, strength = self._mean[at], self._strength[at]
        alpha = self._alpha[at] + 0.5
        if self._update == "moment" or len(returns) == 1:
            first, second = returns.mean(), (returns**2).mean()
            error = first - mean
            self._beta[at] += 0.5 * max(0.0, second - first**2)
            self._beta[at] += 0.5 * strength * error**2 / (strength + 1.0)
            self._mean[at] += error / (strength + 1.0)
            self._strength[at], self._alpha[at] = strength + 1.0, alpha
            return
        # A normal-gamma for each; the one nearest to their mixture has its four expectations.
        errors = returns - mean
        means = mean + errors / (strength + 1.0)
        betas = self._beta[at] + 0.5 * strength * errors**2 / (strength + 1.0)
        precisions = alpha / betas
        precision = precisions.mean()
        centre = (means * precisions).mean() / precision
        spread = 1.0 / (strength + 1.0) + (precisions * (means - centre) ** 2).mean()
        # log a - digamma(a) = log E[tau] - E[log tau]
        gap = _log_minus_digamma(alpha) + np.log(precision) - np.log(precisions).mean()
        sureness = max(_inverse_log_minus_digamma(float(gap)), 1.0 + 1e-6)
        self._mean[at], self._strength[at] = centre, 1.0 / spread
        self._alpha[at], self._beta[at] = sureness, sureness / precision


_QUANTILES = (np.arange(32) + 0.5) / 32


def _log_minus_digamma(x: float) -> float:
    from scipy.special import digamma

    return float(np.log(x) - digamma(x))


def _inverse_log_minus_digamma(value: float) -> float:
    """The a with log a - digamma(a) = value > 0, by Newton's method from Minka's start."""
    from scipy.special import polygamma

    value = max(value, 1e-12)
    a = (3.0 - value + np.sqrt((value - 3.0) ** 2 + 24.0 * value)) / (12.0 * value)
    for _ in range(4):
        slope = 1.0 / a - polygamma(1, a)
        a = max(a - (_log_minus_digamma(a) - value) / slope, 0.1 * a)
    return float(a)
