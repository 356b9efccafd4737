"""Many small Gaussian processes at once, and one on many rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from areas.gp_peers.problem import Floats, Problem, read_split, scores, synthetic
from harness import Absent, Case, Disagreement, Trial, agree
from optcore.gp import RBF, GaussianProcess, GaussianProcessBatch, SparseGaussianProcess


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


def sparse(trial: Trial, m: int, gradient: bool) -> None:
    """36 000 rows of kin40k through m inducing inputs, the same for everybody.

    Hyper-parameters are the best of an exact GP on 900 rows. Timed: the bound (what a fit
    computes) and the posterior at all test rows; or the bound with its gradient, the step that
    training repeats.
    """
    split = read_split(trial.data("gp/kin40k.npz"), test_rows=4000)
    few = np.random.default_rng(0).permutation(len(split.y))[:900]
    exact = GaussianProcess(RBF(np.ones(split.X.shape[1])), noise=0.1)
    exact.fit(split.X[few], split.y[few]).optimize()
    kernel = exact.kernel
    assert isinstance(kernel, RBF)
    p = Problem(
        split.X, split.y, kernel.length_scales(split.X.shape[1]), kernel.variance, exact.noise
    )
    gp = SparseGaussianProcess(kernel, exact.noise, inducing=m).fit(p.X, p.y)
    Z = gp.inducing_inputs

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        model = SparseGaussianProcess(kernel, exact.noise, inducing=Z)

        def run() -> Any:
            model.fit(p.X, p.y)
            if not gradient:
                return model.bound(), *model.predict(split.X_test)
            bound, slope = model.bound(gradient=True)
            return bound, np.array([slope["variance"], *slope["length_scale"], slope["noise"]])

        return run

    @trial.contestant("gpytorch")
    def _() -> Callable[[], Any]:
        from areas.gp_peers import gpytorch_gp

        if gradient and trial.quick:
            raise Absent("takes too long for --quick")
        if gradient:
            return gpytorch_gp.sparse_bound(p, Z)
        return gpytorch_gp.sparse_predictor(p, Z, split.X_test)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        figures = {"bound": agree(answers, lambda a: a[0], rtol=1e-6)}
        if gradient:
            return {**figures, "gradient": agree(answers, lambda a: a[1], rtol=1e-6)}
        for name, (_, mean, variance) in answers.items():
            rmse, nlpd = scores(split.y_test, mean, variance + p.noise)
            figures |= {f"RMSE {name}": rmse, f"NLPD {name}": nlpd}
        for score, peer in ((s, name) for s in ("RMSE", "NLPD") for name in answers):
            if not figures[f"{score} optcore"] <= 1.01 * figures[f"{score} {peer}"]:
                raise Disagreement(f"{score} is more than 1 % worse than {peer}'s", ["optcore"])
        return figures


def cases() -> list[Case]:
    return [
        Case("gp/batch/1000xn64", partial(batch, count=1000, n=64), "ms", samples=21),
        Case(
            "gp/sparse/kin40k_m512", partial(sparse, m=512, gradient=False), "s",
            measure="bound and 4000 predictions", samples=2,
        ),
        Case(
            "gp/sparse/kin40k_m512", partial(sparse, m=512, gradient=True), "s",
            measure="bound and gradient", samples=2,
        ),
    ]  # fmt: skip
