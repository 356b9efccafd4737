"""By hand on SciPy's LAPACK, as an engineer in a hurry for speed would write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import lapack
from scipy.spatial.distance import cdist

from areas.gp_peers.problem import Floats, Problem


def covariance(p: Problem, A: Floats, B: Floats) -> Floats:
    """(len(A), len(B)) of the latent function."""
    k: Floats = cdist(A / p.scales, B / p.scales, "sqeuclidean")
    k *= -0.5
    np.exp(k, out=k)
    k *= p.variance
    return k


def factor(p: Problem, X: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Lower factor (Fortran order) and weights."""
    k = covariance(p, X, X)
    k.flat[:: len(X) + 1] += p.noise
    lower, _ = lapack.dpotrf(k.T, lower=1, overwrite_a=1, clean=0)
    weights, _ = lapack.dpotrs(lower, y, lower=1)
    return lower, weights


def fit(p: Problem) -> Callable[[], Floats]:
    return lambda: factor(p, p.X, p.y)[1]


def predictor(p: Problem, Z: Floats) -> Callable[[], tuple[Floats, Floats]]:
    lower, weights = factor(p, p.X, p.y)
    scaled = p.X / p.scales

    def predict() -> tuple[Floats, Floats]:
        k = cdist(scaled, Z / p.scales, "sqeuclidean")
        k *= -0.5
        np.exp(k, out=k)
        k *= p.variance
        mean = weights @ k
        v, _ = lapack.dtrtrs(lower, k, lower=1)
        return mean, p.variance - np.einsum("ij,ij->j", v, v)

    return predict


def cholesky(a: Floats) -> Callable[[], Any]:
    """dpotrf of a fresh copy of `a` each time, in place; gives the lower triangle."""
    room = np.empty_like(a, order="F")

    def run() -> Any:
        room.T[...] = a  # symmetric: rows of one are columns of the other
        return lapack.dpotrf(room, lower=1, overwrite_a=1, clean=0)[0]

    return run
