"""Limits that a state must keep with high probability although the model is uncertain.

The spread of the state along the last plan is propagated through the linearised model, the
uncertainty of the learnt function and the noise added at each step; limits are drawn in by so many
deviations as the risk asks for. Margins come from the last plan, so they cost one pass.

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
    """low <= x <= high, each violated with probability `risk` at most at each stage."""

    low: Array  # (nx,), -inf for none
    high: Array  # (nx,), inf for none
    risk: float = 0.05
    price: float = 1e3  # of a unit beyond, in rewards

    def __post_init__(self) -> None:
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise ShapeError(f"low, high: need (nx,), got {self.low.shape}, {self.high.shape}")
        if not (self.low < self.high).all():
            raise ConfigError(f"low, high: need low < high, got {self.low}, {self.high}")
        if not 0 < self.risk < 0.5:
            raise ConfigError(f"risk: need a probability in (0, 0.5), got {self.risk}")

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
