"""Particle filters: beliefs of any shape, by weighted samples.

Shapes   n = particles, d = state.
Source   Gordon, Salmond & Smith, IEE Proc. F 140(2) (1993); Kitagawa, J. Comp. Graph. Stat. 5(1)
         (1996); Arulampalam et al., IEEE Trans. Signal Processing 50(2) (2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ShapeError

__all__ = ["ConstantVelocity", "ParticleFilter", "resample"]

_Floats = NDArray[np.float64]
Scheme = Literal["systematic", "stratified"]


@dataclass(frozen=True)
class ConstantVelocity:
    """State (px, py, vx, vy) that moves straight on, its position measured; standard deviations."""

    period: float  # s
    position_noise: float  # m per step
    velocity_noise: float  # m/s per step
    measurement_noise: float  # m


class ParticleFilter:
    """Weighted samples of a state.

    After a measurement the particles are resampled when their effective number is below
    `ess_threshold` of them all; the step then returns `Status.low_ess`. `zero_evidence` and
    `not_finite` leave the cloud as it was.

    Args:
        states: (n, d) samples of the prior.
        resampling: "systematic" or "stratified".
        ess_threshold: share of n.
        roughening: noise after resampling, in ranges of the cloud times n ** (-1 / d); 0: none.
        seed, stream: of all random numbers; the same cloud on any machine.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> cloud = ParticleFilter(rng.normal(size=(2000, 4)), seed=1)
        >>> model = ConstantVelocity(0.1, 0.05, 0.1, 0.2)
        >>> for _ in range(30):
        ...     status = cloud.step(model, [1.0, -1.0])
        >>> bool(np.abs(cloud.mean[:2] - [1, -1]).max() < 0.2)
        True
    """

    def __init__(
        self,
        states: ArrayLike,
        *,
        resampling: Scheme = "systematic",
        ess_threshold: float = 0.5,
        roughening: float = 0.0,
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        start = np.ascontiguousarray(states, np.float64)
        if start.ndim != 2:
            raise ShapeError(f"states: need (n, d), got {start.shape}")
        key = _native.belief.RandomKey(seed, stream)
        self._cloud = _native.belief.ParticleCloud(
            start, resampling, float(ess_threshold), float(roughening), key
        )

    def step(self, model: ConstantVelocity, z: ArrayLike) -> _native.Status:
        """A whole period of the built-in model: move, weigh, resample; z (2,) m."""
        measured = np.ascontiguousarray(z, np.float64)
        return self._cloud.step(
            measured, model.period, model.position_noise, model.velocity_noise,
            model.measurement_noise,
        )  # fmt: skip

    def predict(self, transition: Callable[[_Floats], ArrayLike]) -> _native.Status:
        """Move all particles by a function of theirs, (n, d) -> (n, d), its noise included."""
        return self._cloud.move(np.ascontiguousarray(transition(self.states), np.float64))

    def update(self, log_likelihood: Callable[[_Floats], ArrayLike] | ArrayLike) -> _native.Status:
        """Weigh by log p(z | particle), (n,) or a function of (n, d), and resample."""
        values = log_likelihood(self.states) if callable(log_likelihood) else log_likelihood
        return self._cloud.weigh(np.ascontiguousarray(values, np.float64))

    @property
    def states(self) -> _Floats:
        """(n, d)"""
        return self._cloud.states

    @property
    def weights(self) -> _Floats:
        """(n,) that sum to 1."""
        return self._cloud.weights

    @property
    def mean(self) -> _Floats:
        """(d,)"""
        mean: _Floats = self.weights @ self.states
        return mean

    @property
    def covariance(self) -> _Floats:
        """(d, d)"""
        off = self.states - self.mean
        spread: _Floats = (self.weights[:, None] * off).T @ off
        return spread

    @property
    def ess(self) -> float:
        """Effective number of particles after the last measurement, before any resampling."""
        return self._cloud.ess

    @property
    def log_evidence(self) -> float:
        """Log p(z | all before), estimated."""
        return self._cloud.log_evidence


def resample(
    weights: ArrayLike,
    *,
    scheme: Scheme = "systematic",
    seed: int = 0,
    stream: int = 0,
    step: int = 0,
) -> NDArray[np.int32]:
    """Ancestors (n,), ascending, of n offspring from weights (n,) >= 0 of any scale."""
    values = np.ascontiguousarray(weights, np.float64)
    return _native.belief.resample(values, scheme, _native.belief.RandomKey(seed, stream, step))
