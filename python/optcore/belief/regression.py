"""Linear models that know how little they know: exact posteriors by rank-1 updates.

Shapes   d = inputs, p = outputs.
Source   Rowe, *Multivariate Bayesian Statistics* (2003), chapter 8; Bishop, PRML (2006), section
         3.3; Thompson sampling: Russo et al., Foundations and Trends in ML 11(1) (2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ShapeError

__all__ = ["BayesianLinearRegression", "NormalInverseWishart"]

_Floats = NDArray[np.float64]


class BayesianLinearRegression(_native.belief.LinearRegression):
    """Posterior of y = B' x + noise, noise ~ N(0, S), with B and S both unknown.

    The prior is matrix-normal-inverse-Wishart: B | S ~ MN(0, variance I, S),
    S ~ IW(scatter I, degrees).

    Args:
        inputs, outputs: d and p.
        variance: of the coefficients, in units of the noise; large: nothing is known.
        scatter: expected noise variance times (degrees - p - 1).
        degrees: > p - 1; None: p + 2, the smallest whole number with a mean.
        seed, stream: of sample(); each call is one step of that sequence.

    Methods:
        update(x, y): take in one observation, (d,) and (p,); returns a `Status`. `not_finite` and
            `not_positive_definite` leave the posterior as it was.
        downdate(x, y): take an earlier observation out again, e.g. one that left the window.

    Example:
        >>> model = BayesianLinearRegression(inputs=2)
        >>> for t in range(20):
        ...     status = model.update([1, t], 3 + 0.5 * t)
        >>> model.coefficients.ravel().round(1)
        array([3. , 0.5])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        *,
        variance: float = 100.0,
        scatter: float = 1.0,
        degrees: float | None = None,
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        nu = float(outputs + 2 if degrees is None else degrees)
        super().__init__(inputs, outputs, float(variance), float(scatter), nu)
        self._key = _native.belief.RandomKey(seed, stream)

    def sample(  # type: ignore[override]  # the key is kept here
        self,
    ) -> tuple[_Floats, _Floats]:
        """Coefficients (d, p) and noise covariance (p, p) drawn from the posterior."""
        drawn = super().sample(self._key)
        self._key.step += 1
        return drawn

    def noise_covariance(self) -> _Floats:
        """(p, p) posterior mean of S; infinite until degrees > p + 1."""
        spare = self.degrees - self.outputs - 1
        if spare <= 0:
            return np.full((self.outputs, self.outputs), np.inf)
        mean: _Floats = self.scatter / spare
        return mean

    def thompson(self, candidates: ArrayLike) -> int:
        """Index of the candidate (n, d) whose first output one sampled model thinks largest."""
        rows = np.asarray(candidates, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.inputs or len(rows) == 0:
            raise ShapeError(f"candidates: need (n, {self.inputs}) with n >= 1, got {rows.shape}")
        coefficients, _ = self.sample()
        return int(np.argmax(rows @ coefficients[:, 0]))


class NormalInverseWishart:
    """Posterior of the mean and covariance of a Gaussian in p dimensions.

    Args:
        size: p.
        strength: observations that the prior mean (0) is worth.
        scatter, degrees: prior of the covariance, IW(scatter I, degrees); degrees None: p + 2.
        seed, stream: of sample().
    """

    def __init__(
        self,
        size: int,
        *,
        strength: float = 0.01,
        scatter: float = 1.0,
        degrees: float | None = None,
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        # a regression on the constant 1: its coefficients are the mean
        self._model = BayesianLinearRegression(
            1, size, variance=1 / strength, scatter=scatter, degrees=degrees, seed=seed,
            stream=stream,
        )  # fmt: skip

    def update(self, x: ArrayLike) -> _native.Status:
        """Take in one observation (p,)."""
        return self._model.update(1.0, x)

    def downdate(self, x: ArrayLike) -> _native.Status:
        """Take an earlier observation out again."""
        return self._model.downdate(1.0, x)

    def sample(self) -> tuple[_Floats, _Floats]:
        """Mean (p,) and covariance (p, p) drawn from the posterior."""
        mean, covariance = self._model.sample()
        return mean[0], covariance

    @property
    def mean(self) -> _Floats:
        """(p,) posterior mean of the mean."""
        row: _Floats = self._model.coefficients[0]
        return row

    @property
    def covariance(self) -> _Floats:
        """(p, p) posterior mean of the covariance."""
        return self._model.noise_covariance()

    @property
    def strength(self) -> float:
        """Observations that the mean is worth."""
        return 1 / float(self._model.covariance[0, 0])

    @property
    def degrees(self) -> float:
        """Of the inverse Wishart."""
        return self._model.degrees

    @property
    def log_evidence(self) -> float:
        """Log density that the last observation had before it was taken in."""
        return self._model.log_evidence
