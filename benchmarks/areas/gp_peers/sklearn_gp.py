"""scikit-learn's GaussianProcessRegressor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from areas.gp_peers.problem import Floats, Problem


def fitted(p: Problem) -> Any:
    kernel = ConstantKernel(p.variance) * RBF(p.scales)
    model = GaussianProcessRegressor(kernel, alpha=p.noise, optimizer=None, copy_X_train=False)
    return model.fit(p.X, p.y)


def fit(p: Problem) -> Callable[[], Floats]:
    return lambda: np.asarray(fitted(p).alpha_)


def likelihood(p: Problem) -> Callable[[], tuple[float, Floats]]:
    kernel = ConstantKernel(p.variance) * RBF(p.scales) + WhiteKernel(p.noise)
    few = slice(0, 2)  # the model wants a fit; the data are given afterwards
    model = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None, copy_X_train=False)
    model.fit(p.X[few], p.y[few])
    model.X_train_, model.y_train_ = p.X, p.y

    def evaluate() -> tuple[float, Floats]:
        value, slope = model.log_marginal_likelihood(
            model.kernel_.theta, eval_gradient=True, clone_kernel=False
        )
        return float(np.squeeze(value)), np.asarray(slope)

    return evaluate


def predictor(p: Problem, Z: Floats) -> Callable[[], tuple[Floats, Floats]]:
    model = fitted(p)

    def predict() -> tuple[Floats, Floats]:
        mean, deviation = model.predict(Z, return_std=True)
        return mean, deviation**2

    return predict


def maximiser(p: Problem) -> Callable[[], float]:
    def climb() -> float:
        bounds = (1e-4, 1e5)
        kernel = ConstantKernel(p.variance, bounds) * RBF(p.scales, bounds) + WhiteKernel(
            p.noise, (1e-8, 1e2)
        )
        model = GaussianProcessRegressor(kernel, alpha=0.0).fit(p.X, p.y)
        return float(model.log_marginal_likelihood_value_)

    return climb
