"""Limits on states that a plan keeps its distance from, the more the less the model knows.

The spread of the state along the last plan is propagated through the linearised model, the
uncertainty of the learnt function and the noise added at each step; limits are drawn in by so many
deviations as the risk asks for. Margins come from the last plan, so they cost one pass.

Nothing is guaranteed. The limits are soft: being beyond has a price, and a plan that earns more
than that goes there. Where the model is right, nearly linear along the plan and its errors normal,
and the price outweighs what lies beyond, a stage is beyond with a probability of about `risk`.
Before the model is ready inputs are random and know no limits. What came of a risk of 5 % on a
cart that learns to swing up, and without limits: benchmarks/results/learning.json, "limits".

Shapes   N stages, nx states.
Source   Hewing, Kabzan & Zeilinger, "Cautious model predictive control using Gaussian process
         regression", IEEE TCST 28(6) (2020); Zanelli, Frey, Messerer & Diehl, "Zero-order robust
         nonlinear model predictive control", IFAC (2021): margins taken as fixed in an iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError, ShapeError
from optcore.learn.dynamics import GPDynamics

__all__ = ["StateLimits", "deviations"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StateLimits:
    """low <= x <= high, each to be violated with a probability of about `risk` at each stage.

    Soft; see the module for what must hold.
    """

    low: Array  # (nx,), -inf for none
    high: Array  # (nx,), inf for none
    risk: float = 0.05  # aimed at, of each limit and stage
    price: float = 1e3  # of a unit beyond, in rewards

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise ShapeError(f"low, high: need (nx,), got {self.low.shape}, {self.high.shape}")
        if not (self.low < self.high).all():
            raise ConfigError(f"low, high: need low < high, got {self.low}, {self.high}")
        if not 0 < self.risk < 0.5:
            raise ConfigError(f"risk: need a probability in (0, 0.5), got {self.risk}")
        if not 0 < self.price < np.inf:
            raise ConfigError(f"price: need a positive number, got {self.price}")

    @property
    def quantile(self) -> float:
        """Deviations between the limit and the mean."""
        return NormalDist().inv_cdf(1.0 - self.risk)

    def penalty(self, x: Array, spread: Array | None) -> Array:
        """(P,) price of plans whose mean states (P, N + 1, nx) come too near a limit.

        Args:
            spread: (N + 1, nx) deviations; None: the mean is taken as certain.
        """
        margin = 0.0 if spread is None else self.quantile * spread
        beyond = np.maximum(x - (self.high - margin), 0.0) + np.maximum(self.low + margin - x, 0.0)
        # where uncertainty alone fills the room, every plan pays the same
        return np.asarray(self.price * beyond[:, 1:].sum(axis=(1, 2)))


def deviations(model: GPDynamics, x: Array, u: Array, cap: Array) -> Array:
    """(N + 1, nx) standard deviations along a plan x (N + 1, nx), u (N, nu), none above cap."""
    _, A, _ = model.linearise(x[:-1], u)
    added = model.predict(x[:-1], u)[1] + model.changes.noise
    out, covariance = np.zeros_like(x), np.zeros((model.nx, model.nx))
    for k in range(len(u)):
        covariance = A[k] @ covariance @ A[k].T + np.diag(added[k])
        out[k + 1] = np.minimum(np.sqrt(np.maximum(np.diag(covariance), 0.0)), cap)
        if not np.isfinite(out[k + 1]).all() or (out[k + 1] == cap).all():
            out[k + 1 :] = cap
            break
    return out
