"""Many small Gaussian processes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from areas.gp_peers.problem import Floats, Problem, synthetic
from harness import Case, Trial, agree
from optcore.gp import RBF, GaussianProcessBatch


def batch(trial: Trial, count: int, n: int, d: int = 4, m: int = 8) -> None:
    """`count` GPs of n points each: fitted, then mean and variance at m points of each."""
    p = synthetic(n, d)
    rng = np.random.default_rng(2)
    X = rng.normal(size=(count, n, d))
    Y = np.sin(X @ rng.normal(0, 0.5, d)) + 0.1 * rng.normal(size=(count, n))
    Z = rng.normal(size=(count, m, d))

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        gps = GaussianProcessBatch(RBF(p.scales, p.variance), noise=p.noise)
        return lambda: gps.fit(X, Y).predict(Z)

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        return lambda: _by_numpy(p, X, Y, Z)

    @trial.contestant("gpytorch")
    def _() -> Callable[[], Any]:
        from areas.gp_peers import gpytorch_gp

        return gpytorch_gp.batch(X, Y, Z, p)

    @trial.contestant("tinygp")
    def _() -> Callable[[], Any]:
        from areas.gp_peers import tinygp_gp

        return tinygp_gp.batch(X, Y, Z, p)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {
            "mean": agree(answers, lambda a: a[0], rtol=1e-7),
            "variance": agree(answers, lambda a: a[1], rtol=1e-7),
        }


def _by_numpy(p: Problem, X: Floats, Y: Floats, Z: Floats) -> tuple[Floats, Floats]:
    """Stacked matrices; NumPy loops over them in C."""
    A, B = X / p.scales, Z / p.scales

    def covariance(A: Floats, B: Floats) -> Floats:
        q = (A**2).sum(-1)[..., :, None] + (B**2).sum(-1)[..., None, :]
        q -= 2 * A @ B.swapaxes(-1, -2)
        return np.asarray(p.variance * np.exp(-0.5 * q))

    k = covariance(A, A)
    k[..., range(k.shape[-1]), range(k.shape[-1])] += p.noise
    cross = covariance(A, B)
    both = np.linalg.solve(k, np.concatenate([Y[..., None], cross], axis=-1))
    mean = np.einsum("bnm,bn->bm", cross, both[..., 0])
    return mean, p.variance - np.einsum("bnm,bnm->bm", cross, both[..., 1:])


def cases() -> list[Case]:
    return [
        Case("gp/batch/1000xn64", partial(batch, count=1000, n=64), "ms", samples=21),
    ]
