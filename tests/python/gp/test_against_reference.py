"""The native core against the plain NumPy oracle, and the oracle against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore.gp import RBF, GaussianProcess, Matern
from optcore.reference import gp as reference

SHAPES = {
    "rbf": RBF,
    "matern12": lambda s, v: Matern(s, v, nu=0.5),
    "matern32": lambda s, v: Matern(s, v, nu=1.5),
    "matern52": lambda s, v: Matern(s, v, nu=2.5),
}


def oracle(n: int, d: int, seed: int, shape: str) -> tuple[reference.Gp, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    y = np.sin(X @ rng.normal(size=d)) + 0.1 * rng.normal(size=n)
    gp = reference.Gp(X, y, rng.uniform(0.5, 2, d), rng.uniform(0.5, 2), 0.02, shape)
    return gp, rng.uniform(-2, 2, (5, d))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 9999), st.sampled_from([*SHAPES]))
def test_posterior_gradients_and_likelihood(n: int, d: int, seed: int, shape: str) -> None:
    exact, Z = oracle(n, d, seed, shape)
    gp = GaussianProcess(SHAPES[shape](exact.scales, exact.variance), noise=exact.noise)
    gp.fit(exact.X, exact.y)
    mean, covariance = exact.predict(Z)
    np.testing.assert_allclose(gp.predict(Z)[0], mean, atol=1e-9)
    np.testing.assert_allclose(gp.predict(Z)[1], np.diag(covariance), atol=1e-9)
    np.testing.assert_allclose(gp.predict(Z, covariance=True)[1], covariance, atol=1e-9)
    slopes, spread = gp.gradient(Z, variance=True)
    for q, z in enumerate(Z):
        by_mean, by_variance = exact.gradient(z)
        np.testing.assert_allclose(slopes[q], by_mean, atol=1e-8)
        np.testing.assert_allclose(spread[q], by_variance, atol=1e-8)
    value, slope = gp.log_marginal_likelihood(gradient=True)
    assert value == pytest.approx(exact.log_marginal_likelihood(), rel=1e-9, abs=1e-9)
    ours = np.array([*slope["length_scale"], slope["variance"], slope["noise"]])
    np.testing.assert_allclose(ours, exact.likelihood_gradient(), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_oracle_follows_finite_differences(shape: str) -> None:
    exact, Z = oracle(12, 2, 3, shape)
    h = 1e-6
    for f in range(2):
        step = h * np.eye(2)[f]
        up, down = exact.predict(Z[:1] + step), exact.predict(Z[:1] - step)
        by_mean, by_variance = exact.gradient(Z[0])
        assert by_mean[f] == pytest.approx((up[0][0] - down[0][0]) / (2 * h), abs=1e-6)
        assert by_variance[f] == pytest.approx((up[1] - down[1])[0, 0] / (2 * h), abs=1e-6)
    logs = np.log([*exact.scales, exact.variance, exact.noise])
    for i, slope in enumerate(exact.likelihood_gradient()):
        ends = []
        for sign in (1, -1):
            values = np.exp(logs + sign * h * np.eye(4)[i])
            moved = reference.Gp(exact.X, exact.y, values[:2], values[2], values[3], shape)
            ends.append(moved.log_marginal_likelihood())
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-5)


def test_all_points_as_inducing_inputs_give_the_exact_model() -> None:
    exact, Z = oracle(20, 2, 1, "rbf")
    assert reference.sparse_bound(exact, exact.X) == pytest.approx(
        exact.log_marginal_likelihood(), abs=1e-6
    )
    mean, variance = reference.sparse_predict(exact, exact.X, Z)
    np.testing.assert_allclose(mean, exact.predict(Z)[0], atol=1e-7)
    np.testing.assert_allclose(variance, np.diag(exact.predict(Z)[1]), atol=1e-7)
    assert reference.sparse_bound(exact, exact.X[:5]) < exact.log_marginal_likelihood()
