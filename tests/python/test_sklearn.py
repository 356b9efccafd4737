"""scikit-learn's own checks of an estimator, and agreement with its regressor."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor as Peer
from sklearn.gaussian_process import kernels as sk
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from optcore.gp import RBF, Matern
from optcore.sklearn import GaussianProcessRegressor


@parametrize_with_checks([GaussianProcessRegressor()])
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (60, 2))
    return X, 3.0 + 2 * np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=60)


@pytest.mark.parametrize("normalize", [False, True])
def test_agrees_with_scikit_learns_regressor(normalize: bool) -> None:
    X, y = problem()
    ours = GaussianProcessRegressor(
        RBF([0.8, 1.3], 1.2), noise=0.05, optimize=False, normalize_y=normalize
    ).fit(X, y)
    kernel = sk.ConstantKernel(1.2) * sk.RBF([0.8, 1.3])
    peer = Peer(kernel, alpha=0.05, optimizer=None, normalize_y=normalize).fit(X, y)
    for keyword in ("return_std", "return_cov"):
        for a, b in zip(
            ours.predict(X[:9] + 0.1, **{keyword: True}),
            peer.predict(X[:9] + 0.1, **{keyword: True}),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-8)
    assert ours.log_marginal_likelihood_ == pytest.approx(peer.log_marginal_likelihood_value_)


def test_optimises_at_least_as_well() -> None:
    X, y = problem()
    ours = GaussianProcessRegressor(noise=0.1).fit(X, y)
    kernel = sk.ConstantKernel() * sk.RBF([1.0, 1.0]) + sk.WhiteKernel(0.1)
    peer = Peer(kernel, alpha=0.0, normalize_y=True).fit(X, y)
    assert ours.log_marginal_likelihood_ > peer.log_marginal_likelihood_value_ - 1e-3


def test_works_in_a_pipeline_and_comes_back_from_a_pickle() -> None:
    X, y = problem()
    model = make_pipeline(StandardScaler(), GaussianProcessRegressor(Matern([1.0, 1.0])))
    assert cross_val_score(model, X, y, cv=3).min() > 0.95
    model.fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=1e-9)


def test_several_outputs_have_their_own_scale() -> None:
    X, y = problem()
    Y = np.column_stack([y, 10 * y])
    model = GaussianProcessRegressor().fit(X, Y)
    mean, deviation = model.predict(X, return_std=True)
    assert mean.shape == deviation.shape == (60, 2)
    np.testing.assert_allclose(deviation[:, 1], 10 * deviation[:, 0])
    assert model.sample_y(X[:4], 3).shape == (4, 2, 3)
