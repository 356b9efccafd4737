"""Beliefs over a continuous state: Kalman filters, their non-linear kin, and mixtures of them.

Shapes   d = state (at most 16), m = measurement (at most 8), N = filters (at most 8).
Units    the user's own; covariances in their squares.
Source   Bar-Shalom, Li & Kirubarajan, *Estimation with Applications to Tracking and Navigation*
         (2001); unscented transform: Julier & Uhlmann, Proc. IEEE 92(3) (2004); as a linearisation:
         Lefebvre, Bruyninckx & De Schutter, IEEE TAC 47(8) (2002); Gaussian sums: Alspach &
         Sorenson, IEEE TAC 17(4) (1972).

Every step returns a `Status`; one that fails leaves the belief as it was and raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError

__all__ = [
    "ExtendedKalmanFilter",
    "GaussianSum",
    "InteractingMultipleModel",
    "KalmanBank",
    "KalmanFilter",
    "LinearGaussian",
    "UnscentedKalmanFilter",
]

_Floats = NDArray[np.float64]
Map = Callable[[_Floats], ArrayLike]


@dataclass(frozen=True)
class LinearGaussian:
    """x' = F x + N(0, Q), z = H x + N(0, R), and the belief N(x, P) to start from."""

    F: ArrayLike
    Q: ArrayLike
    H: ArrayLike
    R: ArrayLike
    x: ArrayLike
    P: ArrayLike

    def arrays(self) -> tuple[_Floats, ...]:
        """(F, Q, H, R, x, P), shapes checked."""
        H = np.atleast_2d(np.asarray(self.H, np.float64))
        m, d = H.shape
        needed = {"F": (d, d), "Q": (d, d), "R": (m, m), "x": (d,), "P": (d, d)}
        arrays = {"H": H}
        for name, shape in needed.items():
            value = np.asarray(getattr(self, name), np.float64)
            if value.shape != shape:
                raise ShapeError(f"{name}: need {shape} beside H {H.shape}, got {value.shape}")
            arrays[name] = value
        return tuple(np.ascontiguousarray(arrays[name]) for name in "FQHRxP")


class KalmanBank(_native.belief.KalmanFilters):
    """Filters with models of their own that see the same measurements, up to eight in one register.

    Methods:
        predict(), update(z), predict_update(z): all filters; z (m,). Return a `Status`.
        mean(i), covariance(i): (d,) and (d, d) of filter i; log_likelihoods: (N,) of the last z.
    """

    def __init__(self, models: Sequence[LinearGaussian]) -> None:
        if not 1 <= len(models) <= 8:
            raise ConfigError(f"models: need 1 to 8, got {len(models)}")
        arrays = [model.arrays() for model in models]
        m, d = arrays[0][2].shape
        super().__init__(d, m, len(models))
        for i, given in enumerate(arrays):
            self.set(i, *given)


class InteractingMultipleModel(KalmanBank):
    """Which of several ways of moving is the right one now, and where that leaves the state.

    Args:
        models: up to eight, of the same state and measurement.
        switching: (N, N), element [i, j] = p(model j next | model i now), rows sum to 1.
        probabilities: (N,) of the models at the start; None: even.

    Methods:
        step(z): one period: mix, predict, update, weigh the models; z (m,). Returns a `Status`.
        combined(): mean (d,) and covariance (d, d) of the mixture.
        probabilities: (N,); log_evidence: log p(z | all before).
    """

    def __init__(
        self,
        models: Sequence[LinearGaussian],
        switching: ArrayLike,
        probabilities: ArrayLike | None = None,
    ) -> None:
        super().__init__(models)
        weights = np.ones(len(models)) if probabilities is None else probabilities
        self.set_switching(
            np.ascontiguousarray(switching, np.float64), np.ascontiguousarray(weights, np.float64)
        )


class GaussianSum(InteractingMultipleModel):
    """A mixture of up to eight Gaussians that share a measurement and never become one another."""

    def __init__(
        self, components: Sequence[LinearGaussian], weights: ArrayLike | None = None
    ) -> None:
        super().__init__(components, np.eye(len(components)), weights)


class KalmanFilter:
    """Kalman filter in Joseph's form: its covariance stays positive semi-definite.

    Example:
        >>> model = LinearGaussian(F=[[1, 1], [0, 1]], Q=np.eye(2) * 0.01, H=[[1, 0]], R=[[1]],
        ...                        x=[0, 0], P=np.eye(2) * 100)
        >>> track = KalmanFilter(model)
        >>> for t in range(20):
        ...     track.predict(), track.update([2.0 * t])
        >>> bool(abs(track.mean[1] - 2) < 0.1)
        True
    """

    def __init__(self, model: LinearGaussian) -> None:
        self._set(*model.arrays())

    def _set(self, *arrays: _Floats) -> None:
        m, d = arrays[2].shape
        F, Q, H, R, x, P = arrays
        self._Q, self._R = Q, R
        self._filter = _native.belief.KalmanFilters(d, m, 1)
        self._F0, self._H0 = F, H
        self._filter.set(0, F, Q, H, R, x, P)

    def predict(self) -> _native.Status:
        """One step ahead."""
        return self._filter.predict()

    def update(self, z: ArrayLike) -> _native.Status:
        """Bayes' rule with a measurement (m,)."""
        return self._filter.update(z)

    @property
    def mean(self) -> _Floats:
        """(d,)"""
        return self._filter.mean(0)

    @property
    def covariance(self) -> _Floats:
        """(d, d)"""
        return self._filter.covariance(0)

    @property
    def log_evidence(self) -> float:
        """Log p(z | all before) of the last measurement."""
        return float(self._filter.log_likelihoods[0])


class ExtendedKalmanFilter(KalmanFilter):
    """Kalman filter of x' = f(x) + N(0, Q), z = h(x) + N(0, R), by their Jacobians at the mean.

    Args:
        f, h: (d,) -> (d,) and (d,) -> (m,).
        F, H: their Jacobians, (d,) -> (d, d) and (d,) -> (m, d).
        Q, R, x, P: noise and the belief to start from.
    """

    def __init__(
        self, f: Map, F: Map, h: Map, H: Map, *, Q: ArrayLike, R: ArrayLike, x: ArrayLike,
        P: ArrayLike,
    ) -> None:  # fmt: skip
        self._f, self._F, self._h, self._H = f, F, h, H
        start = np.asarray(x, np.float64)
        super().__init__(LinearGaussian(F(start), Q, H(start), R, x, P))

    def predict(self) -> _native.Status:
        x, P = self.mean, self.covariance
        return self._linear_step(x, P, self._f(x), self._F(x), self._Q)

    def _linear_step(
        self, x: _Floats, P: _Floats, moved: ArrayLike, F: ArrayLike, Q: ArrayLike
    ) -> _native.Status:
        """P <- F P F' + Q natively, then the mean is put where the function says."""
        target = np.asarray(moved, np.float64)
        slope, noise = np.ascontiguousarray(F, np.float64), np.ascontiguousarray(Q, np.float64)
        if not all(np.isfinite(a).all() for a in (target, slope, noise)):
            return _native.Status.not_finite
        self._filter.set(0, slope, noise, self._H0, self._R, x, P)
        status = self._filter.predict()
        if status.value >= 0:
            self._filter.set(0, slope, noise, self._H0, self._R, target, self.covariance)
        return status

    def update(self, z: ArrayLike) -> _native.Status:
        x, P = self.mean, self.covariance
        return self._linear_update(x, P, z, self._h(x), self._H(x), self._R)

    def _linear_update(
        self, x: _Floats, P: _Floats, z: ArrayLike, expected: ArrayLike, H: ArrayLike, R: ArrayLike
    ) -> _native.Status:
        innovation = np.asarray(z, np.float64) - np.asarray(expected, np.float64)
        jacobian = np.ascontiguousarray(H, np.float64)
        noise = np.ascontiguousarray(R, np.float64)
        if not all(np.isfinite(a).all() for a in (innovation, jacobian, noise)):
            return _native.Status.not_finite
        self._filter.set(0, self._F0, self._Q, jacobian, noise, x, P)
        return self._filter.update_with_innovation(innovation)


class UnscentedKalmanFilter(ExtendedKalmanFilter):
    """Kalman filter of x' = f(x) + N(0, Q), z = h(x) + N(0, R), by sigma points.

    The points give a linearisation, with the spread it leaves out added to the noise, so the update
    is Joseph's too and the covariance stays positive semi-definite.

    Args:
        f, h: on rows of points, (n, d) -> (n, d) and (n, d) -> (n, m).
        kappa: >= 0, weight of the central point over d; 0 is the cubature filter.
    """

    def __init__(
        self, f: Map, h: Map, *, Q: ArrayLike, R: ArrayLike, x: ArrayLike, P: ArrayLike,
        kappa: float = 1.0,
    ) -> None:  # fmt: skip
        if kappa < 0:
            raise ConfigError(f"kappa: need >= 0, got {kappa}")
        start = np.atleast_1d(np.asarray(x, np.float64))
        d, m = len(start), len(np.atleast_2d(np.asarray(R, np.float64)))
        self._kappa = kappa
        super().__init__(f, lambda _: np.eye(d), h, lambda _: np.eye(m, d), Q=Q, R=R, x=start, P=P)

    def _linearise(
        self, function: Map, x: _Floats, P: _Floats, noise: _Floats
    ) -> tuple[_Floats, _Floats, _Floats] | None:
        """Mean of function(x), its best linear map, and noise with what that map leaves out."""
        d = len(x)
        try:
            root = np.linalg.cholesky(P + 1e-300 * np.eye(d))
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(P)
            root = vectors * np.sqrt(np.maximum(values, 0))
        spread = np.sqrt(d + self._kappa) * root.T
        points = np.concatenate([x[None], x + spread, x - spread])
        weights = np.full(2 * d + 1, 0.5 / (d + self._kappa))
        weights[0] = self._kappa / (d + self._kappa)
        images = np.asarray(function(points), np.float64)
        if images.shape[:1] != (2 * d + 1,) or not np.isfinite(images).all():
            return None
        mean = weights @ images
        off, out = points - x, images - mean
        cross = (weights[:, None] * out).T @ off  # (m, d)
        linear = cross @ np.linalg.pinv(P, hermitian=True)
        rest = out - off @ linear.T
        left_out = (weights[:, None] * rest).T @ rest
        return mean, linear, noise + left_out

    def predict(self) -> _native.Status:
        x, P = self.mean, self.covariance
        found = self._linearise(self._f, x, P, self._Q)
        if found is None:
            return _native.Status.not_finite
        return self._linear_step(x, P, *found)

    def update(self, z: ArrayLike) -> _native.Status:
        x, P = self.mean, self.covariance
        found = self._linearise(self._h, x, P, self._R)
        if found is None:
            return _native.Status.not_finite
        return self._linear_update(x, P, z, *found)
