"""A sparse process in place of an exact one, with a bound on what that changes.

With Q = K[:, Z] K[Z, Z]^-1 K[Z, :] in place of K, the error of the posterior follows from the
resolvent identity (K + s I)^-1 = (Q + s I)^-1 - (Q + s I)^-1 (K - Q) (K + s I)^-1 and
||K - Q|| <= trace(K - Q), as K - Q is positive semi-definite. It takes O(n m^2) and no look at K.

Shapes   n = rows, d = inputs, o = outputs, m = inducing inputs Z, h = rows where it is bounded.
Source   the sparse posterior: Titsias, AISTATS (2009); choice of Z: Burt, Rasmussen & van der Wilk,
         JMLR 21 (2020); Schur complements and traces: Golub & Van Loan, *Matrix Computations*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from optcore import _native
from optcore.algorithm_optimizer.blas import one_blas_thread
from optcore.errors import OptcoreError
from optcore.gp import RBF, Matern, SparseGaussianProcess

__all__ = ["ErrorBound", "approximate", "bound_error"]

_Floats = NDArray[np.float64]
_Kernel = RBF | Matern

_HELD_OUT = 64
_BLOCK = 8192  # rows looked at together
_FINEST = 1e-13  # of the prior variance; below, rounding decides
_CANDIDATES = 8  # rows looked at for each inducing input to choose
_TRIED = 128  # inducing inputs with which the decay of the spectrum is judged


@dataclass(frozen=True)
class ErrorBound:
    """No answer at the rows differs from the exact one by more."""

    mean: float  # in prior standard deviations
    variance: float  # in prior variances
    rows: int  # held out of the choice of inducing inputs
    inducing: int

    @property
    def worst(self) -> float:
        return max(self.mean, self.variance)


def approximate(
    kernel: _Kernel,
    noise: float,
    mean: float | _Floats,
    X: _Floats,
    y: _Floats,
    *,
    threshold: float,
    most: int,
) -> tuple[SparseGaussianProcess, ErrorBound] | None:
    """A sparse process whose error stays below the threshold, or None where there is none.

    Args:
        kernel, noise, mean: of the exact process.
        X, y: (n, d) and (n,) or (n, o).
        threshold: largest error at rows that were held out of the choice of inducing inputs, as
            ErrorBound counts it.
        most: inducing inputs that are still worth it.
    """
    with one_blas_thread():
        return _approximate(kernel, noise, mean, X, y, threshold, most)


def _approximate(
    kernel: _Kernel,
    noise: float,
    mean: float | _Floats,
    X: _Floats,
    y: _Floats,
    threshold: float,
    most: int,
) -> tuple[SparseGaussianProcess, ErrorBound] | None:
    n, power = len(X), kernel.variance
    if noise < 1e-8 * power or most < 2 or n < 4 * _HELD_OUT:
        return None
    random = np.random.default_rng(n)
    order = random.permutation(n)
    held_out, free = X[order[:_HELD_OUT]], X[order[_HELD_OUT:]]
    hyper = _native.gp.Hyper(
        kernel.family, power, kernel.length_scales(X.shape[1]), noise, None, None
    )
    # What is left unexplained, t = n x tolerance, enters the mean as t |w| |a|. These two norms are
    # about 0.1 and sqrt(n / noise) where the model fits the data; a margin spares the second try.
    tolerance = min(threshold * math.sqrt(noise / power) / (0.8 * n**1.5), 1e-2)
    for _ in range(2):
        needed = _needed(kernel, hyper, free, tolerance) if tolerance >= _FINEST else math.inf
        if needed > most:
            return None
        candidates = np.ascontiguousarray(free[: max(_CANDIDATES * int(needed), 1024)])
        chosen = _native.gp.choose_inducing(candidates, hyper, most, tolerance)
        if len(chosen) == most:
            return None  # it wanted more
        inducing = np.ascontiguousarray(candidates[chosen])
        try:
            bound = bound_error(kernel, noise, mean, X, y, inducing, held_out, jitter=tolerance)
            if bound.worst <= threshold:
                model = SparseGaussianProcess(kernel, noise, inducing, mean, jitter=tolerance)
                return model.fit(X.copy(), y.copy()), bound
        except (OptcoreError, scipy.linalg.LinAlgError):
            return None
        tolerance *= 0.2 * threshold / bound.worst
    return None


def bound_error(
    kernel: _Kernel,
    noise: float,
    mean: float | _Floats,
    X: _Floats,
    y: _Floats,
    inducing: _Floats,
    at: _Floats,
    *,
    jitter: float,
) -> ErrorBound:
    """Largest differences from the exact posterior that are possible at (h, d) inputs.

    Args:
        kernel, noise, mean: of both processes.
        X, y: (n, d) and (n,) or (n, o).
        inducing: (m, d).
        at: (h, d).
        jitter: of the sparse process.
    """
    m, power = len(inducing), kernel.variance
    values = (y - mean if y.ndim == 1 else y - np.asarray(mean)).reshape(len(X), -1)
    square = kernel(inducing)
    square[np.diag_indices(m)] += jitter * power
    factor = scipy.linalg.cholesky(square, lower=True, check_finite=False)

    def half(points: _Floats) -> _Floats:
        """(m, b): V with Q = V'V."""
        return np.asarray(
            scipy.linalg.solve_triangular(
                factor, kernel(inducing, points), lower=True, check_finite=False
            )
        )

    gram, moments, left = np.eye(m), np.zeros((m, values.shape[1])), 0.0
    for rows in _blocks(len(X)):
        V = half(X[rows])
        gram += V @ V.T / noise
        moments += V @ values[rows] / noise
        left += float(np.maximum(power - np.einsum("ij,ij->j", V, V), 0.0).sum())
    left += 1e-15 * power * len(X)  # rounding
    inner = scipy.linalg.cho_factor(gram, lower=True, check_finite=False)
    of_values = scipy.linalg.cho_solve(inner, moments, check_finite=False)  # V' of it is the mean
    queries = half(at)
    of_queries = scipy.linalg.cho_solve(inner, queries, check_finite=False)

    weights, missing, alpha = np.zeros(len(at)), np.zeros(len(at)), np.zeros(values.shape[1])
    cross = np.zeros((len(at), values.shape[1]))
    for rows in _blocks(len(X)):
        V = half(X[rows])
        w = V.T @ of_queries / noise
        delta = kernel(X[rows], at) - V.T @ queries
        a = (values[rows] - V.T @ of_values) / noise
        weights += np.einsum("ij,ij->j", w, w)
        missing += np.einsum("ij,ij->j", delta, delta)
        alpha += np.einsum("ij,ij->j", a, a)
        cross += delta.T @ a
    w_norm, d_norm, a_norm = np.sqrt(weights)[:, None], np.sqrt(missing)[:, None], np.sqrt(alpha)
    ratio = left / noise
    of_mean = np.abs(cross) + d_norm * ratio * a_norm + left * w_norm * a_norm * (1 + ratio)
    of_variance = left * w_norm**2 * (1 + ratio) + 2 * d_norm * w_norm * (1 + ratio)
    of_variance += d_norm**2 / noise
    return ErrorBound(
        float(of_mean.max()) / math.sqrt(power), float(of_variance.max()) / power, len(at), m
    )


def _blocks(n: int) -> list[slice]:
    return [slice(first, first + _BLOCK) for first in range(0, n, _BLOCK)]


def _needed(kernel: _Kernel, hyper: _native.gp.Hyper, free: _Floats, tolerance: float) -> float:
    """Inducing inputs that reach the tolerance, about: extrapolated from a cheap start.

    The variance left falls like exp(-c m^(1/d)) for smooth kernels and like a power of m for rough
    ones; the square root of m tells the two apart well enough.
    """
    points = np.ascontiguousarray(free[:1024])
    chosen = _native.gp.choose_inducing(points, hyper, _TRIED, tolerance)
    if len(chosen) < _TRIED:
        return len(chosen)
    square = kernel(points[chosen])
    square[np.diag_indices(_TRIED)] += tolerance * kernel.variance
    try:
        factor = scipy.linalg.cholesky(square, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return math.inf
    V = scipy.linalg.solve_triangular(
        factor, kernel(points[chosen], points), lower=True, check_finite=False
    )
    half = _TRIED // 2
    explained = np.cumsum((V * V).mean(axis=1)) / kernel.variance
    few, many = (max(1 - float(explained[k - 1]), 1e-16) for k in (half, _TRIED))
    fall = (math.log(few) - math.log(many)) / (math.sqrt(_TRIED) - math.sqrt(half))
    if fall <= 0:
        return math.inf
    return (math.sqrt(_TRIED) + max(math.log(many) - math.log(tolerance), 0.0) / fall) ** 2
