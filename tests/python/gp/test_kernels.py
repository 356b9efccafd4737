"""Covariance functions against scikit-learn's, sums and products, and processes built on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from optcore.errors import ConfigError, OptcoreError, ShapeError
from optcore.gp import (
    RBF,
    Constant,
    Coregionalization,
    GaussianProcess,
    Linear,
    Matern,
    Periodic,
    RationalQuadratic,
    White,
)
from optcore.gp.kernels import Kernel, from_tree, tree
from optcore.gp.likelihood import Evaluator

PAIRS = [
    (RBF([0.7, 1.3], 1.4), 1.4 * sk.RBF([0.7, 1.3])),
    (Matern([0.7, 1.3], 0.8, nu=0.5), 0.8 * sk.Matern([0.7, 1.3], nu=0.5)),
    (Matern(0.9, 0.8, nu=1.5), 0.8 * sk.Matern(0.9, nu=1.5)),
    (Matern(0.9, 0.8, nu=2.5), 0.8 * sk.Matern(0.9, nu=2.5)),
    (RationalQuadratic(0.9, 1.2, alpha=0.6), 1.2 * sk.RationalQuadratic(0.9, alpha=0.6)),
    (Linear(0.3), 0.3 * sk.DotProduct(0.0, "fixed")),
    (Constant(0.7), sk.ConstantKernel(0.7)),
    (RBF(0.8) + White(0.2), sk.RBF(0.8) + sk.WhiteKernel(0.2)),
    (
        (RBF(0.8) + 0.5 * Linear(0.4)) * Matern(1.5, 1.1, nu=1.5) + 0.3,
        (sk.RBF(0.8) + 0.5 * (0.4 * sk.DotProduct(0.0, "fixed"))) * (1.1 * sk.Matern(1.5, nu=1.5))
        + 0.3,
    ),
]
NAMES = ["rbf", "matern12", "matern32", "matern52", "rq", "linear", "constant", "white", "tree"]


def data(n: int, d: int = 2, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    return X, np.sin(X.sum(axis=1)) + 0.1 * rng.normal(size=n)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=NAMES)
def test_values_and_posteriors_are_those_of_scikit_learn(ours: Kernel, theirs: sk.Kernel) -> None:
    X, y = data(45)
    Z, _ = data(9, seed=4)
    np.testing.assert_allclose(ours(X), theirs(X), atol=1e-13)
    np.testing.assert_allclose(ours(X, Z), theirs(X, Z), atol=1e-13)
    gp = GaussianProcess(ours, noise=0.1).fit(X, y)
    peer = GaussianProcessRegressor(theirs, alpha=0.1, optimizer=None).fit(X, y)
    mean, covariance = gp.predict(Z, covariance=True)
    expected_mean, expected = peer.predict(Z, return_cov=True)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-9)
    np.testing.assert_allclose(covariance, expected, atol=1e-9)
    np.testing.assert_allclose(gp.predict(Z)[1], np.diag(expected), atol=1e-9)
    assert gp.log_marginal_likelihood() == pytest.approx(peer.log_marginal_likelihood_value_)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.2, 3), st.floats(0.2, 3), st.floats(0.1, 5), st.floats(-50, 50))
def test_periodic_in_one_input_is_exp_sine_squared(
    period: float, scale: float, variance: float, shift: float
) -> None:
    X = np.random.default_rng(1).uniform(-3, 3, (12, 1)) + shift
    theirs = variance * sk.ExpSineSquared(scale, period)
    np.testing.assert_allclose(Periodic(scale, variance, period)(X), theirs(X), atol=1e-9)


def test_periodic_in_several_inputs_is_the_product_over_them() -> None:
    X, _ = data(20)
    parts = [Periodic(s, 1.0, p)(X[:, [f]]) for f, (s, p) in enumerate([(0.8, 1.1), (1.3, 0.6)])]
    np.testing.assert_allclose(
        Periodic((0.8, 1.3), 1.0, (1.1, 0.6))(X), parts[0] * parts[1], atol=1e-13
    )


ALL = (
    RBF((0.7, 1.3), 1.4) * Periodic(1.5, 1.0, (2.0, 3.0))
    + RationalQuadratic(0.9, 1.2, 0.6) * Linear((0.3, 0.5))
    + Constant(0.2) * Matern(1.1, 0.7, nu=1.5)
    + White(0.05)
)


@pytest.mark.parametrize("kernel", [ALL, RBF((0.7, 1.3), 1.4), RationalQuadratic(0.9, 1.2, 0.6)])
def test_slopes_of_the_likelihood_are_those_of_finite_differences(kernel: Kernel) -> None:
    X, y = data(30)
    evaluate = Evaluator(X, y[:, None], kernel, None)
    at = evaluate.coordinates.of(kernel, 0.1)
    _, slopes, _ = evaluate(at)
    for i in range(at.size):
        step = 1e-5 * np.eye(at.size)[i]
        rise = (evaluate(at + step)[0] - evaluate(at - step)[0]) / 2e-5
        assert slopes[i] == pytest.approx(rise, rel=1e-5, abs=1e-5), i


def test_gradients_in_the_input_are_those_of_finite_differences() -> None:
    X, y = data(30)
    gp = GaussianProcess(ALL, noise=0.1).fit(X, y)
    Z, _ = data(5, seed=8)
    of_mean, of_variance = gp.gradient(Z, variance=True)
    for f in range(2):
        step = 1e-5 * np.eye(2)[f]
        right, left = gp.predict(Z + step), gp.predict(Z - step)
        np.testing.assert_allclose(of_mean[:, f], (right[0] - left[0]) / 2e-5, atol=1e-6)
        np.testing.assert_allclose(of_variance[:, f], (right[1] - left[1]) / 2e-5, atol=1e-6)


def test_optimize_finds_a_period() -> None:
    rng = np.random.default_rng(0)
    X = np.sort(rng.uniform(0, 10, (80, 1)), axis=0)
    y = np.sin(2 * np.pi * X[:, 0] / 2.5) + 0.05 * rng.normal(size=80)
    gp = GaussianProcess(Periodic(1.0, 1.0, period=2.3) + Constant(0.1), noise=0.1).fit(X, y)
    before = gp.log_marginal_likelihood()
    result = gp.optimize(bounds={"k0.period": (2.0, 3.0)}, restarts=2)
    assert result.log_marginal_likelihood > before + 20
    assert gp.log_marginal_likelihood() == pytest.approx(result.log_marginal_likelihood, abs=1e-6)
    assert next(gp.kernel.leaves()).period[0] == pytest.approx(2.5, abs=0.05)
    assert gp.noise == pytest.approx(0.05**2, rel=0.6)


def test_coregional_outputs_are_one_process_on_stacked_data() -> None:
    X, y = data(25)
    weights, kappa = np.array([[1.0, 0.2], [-0.8, 0.5], [0.3, 0.1]]), np.array([0.1, 0.3, 0.05])
    index = np.random.default_rng(5).integers(0, 3, 25)
    stacked = np.column_stack([X, index])
    kernel = RBF((0.8, 1.1)) * Coregionalization(weights, kappa)
    B = weights @ weights.T + np.diag(kappa)
    expected = RBF((0.8, 1.1))(X) * B[np.ix_(index, index)]
    np.testing.assert_allclose(kernel(stacked), expected, atol=1e-13)
    gp = GaussianProcess(kernel, noise=0.1).fit(stacked, y)
    K = expected + 0.1 * np.eye(25)
    queries = np.column_stack([data(6, seed=9)[0], [0, 1, 2, 0, 1, 2]])
    cross = RBF((0.8, 1.1))(queries[:, :2], X) * B[np.ix_(queries[:, 2].astype(int), index)]
    np.testing.assert_allclose(gp.predict(queries)[0], cross @ np.linalg.solve(K, y), atol=1e-10)
    evaluate = Evaluator(stacked, y[:, None], kernel, None)
    at = evaluate.coordinates.of(kernel, 0.1)
    _, slopes, _ = evaluate(at)
    for i in range(at.size):
        step = 1e-5 * np.eye(at.size)[i]
        rise = (evaluate(at + step)[0] - evaluate(at - step)[0]) / 2e-5
        assert slopes[i] == pytest.approx(rise, rel=1e-5, abs=1e-5)
    before = gp.log_marginal_likelihood()
    gp.optimize(max_iterations=20)
    assert gp.log_marginal_likelihood() > before


def test_a_tree_and_back() -> None:
    nodes, parameters = tree(ALL, 2)
    again = from_tree(nodes, parameters)
    X, _ = data(11)
    np.testing.assert_array_equal(again(X), ALL(X))
    assert tree(again, 2)[0].tolist() == nodes.tolist()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RBF(0.0), "length_scale"),
        (lambda: RBF(variance=np.nan), "variance"),
        (lambda: RBF([[1.0]]), "length_scale"),
        (lambda: Periodic(period=-1), "period"),
        (lambda: RationalQuadratic(alpha=0), "alpha"),
        (lambda: Linear([]), "variance"),
        (lambda: Matern(nu=2), "nu"),
        (lambda: Coregionalization([1.0]), "weights"),
        (lambda: Coregionalization([[1.0], [2.0]], [1.0, 2.0, 3.0]), "kappa"),
    ],
)
def test_bad_parameters_are_named(make: object, match: str) -> None:
    with pytest.raises(OptcoreError, match=match):
        make()


def test_bad_uses_are_named() -> None:
    X, y = data(5)
    with pytest.raises(ShapeError, match="length_scale: 3 numbers for 2"):
        GaussianProcess(RBF([1.0, 2.0, 3.0])).fit(X, y)
    with pytest.raises(ShapeError, match="column of outputs"):
        GaussianProcess(RBF() * Coregionalization()).fit(X[:, :1], y)
    with pytest.raises(ConfigError, match="kernel"):
        GaussianProcess("rbf")
    with pytest.raises(ConfigError, match="at most 16"):
        GaussianProcess(sum((Constant(1.0) for _ in range(9)), RBF())).fit(X, y)
    with pytest.raises(ConfigError, match="unknown name"):
        GaussianProcess(RBF() + White(0.1)).fit(X, y).optimize(bounds={"k0.period": (1, 2)})
