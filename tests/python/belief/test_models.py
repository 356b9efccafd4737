"""Beliefs over models against normal equations, scipy.stats and value iteration in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from optcore import Status
from optcore._native.belief import (
    RandomKey,
    dirichlet_sample,
    dirichlet_sample_single,
    value_iteration,
)
from optcore.belief import BayesianLinearRegression, NormalInverseWishart
from optcore.errors import ConfigError, ShapeError


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 3))
def test_regression_agrees_with_the_normal_equations(seed: int, d: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(50, d)), rng.normal(size=(50, p))
    model = BayesianLinearRegression(d, p, variance=3.0, scatter=0.7, degrees=p + 4)
    for x, y in zip(X, Y, strict=True):
        assert model.update(x, y) is Status.ok
    for x, y in zip(X[:20], Y[:20], strict=True):
        assert model.downdate(x, y) is Status.ok
    X, Y = X[20:], Y[20:]
    precision = X.T @ X + np.eye(d) / 3
    B = np.linalg.solve(precision, X.T @ Y)
    psi = 0.7 * np.eye(p) + Y.T @ Y - B.T @ precision @ B
    np.testing.assert_allclose(model.coefficients, B, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(model.covariance, np.linalg.inv(precision), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.scatter, psi, rtol=1e-9, atol=1e-9)
    assert model.degrees == p + 4 + 30


def test_the_log_evidence_is_the_predictive_student_t() -> None:
    rng = np.random.default_rng(0)
    for p in (1, 3):
        model = BayesianLinearRegression(4, p)
        for _ in range(20):
            x, y = rng.normal(size=4), rng.normal(size=p)
            mean, spread = model.predict(x)
            freedom = model.degrees - p + 1
            shape = model.scatter * spread / freedom
            expected = stats.multivariate_t(mean, shape, df=freedom).logpdf(y)
            assert model.update(x, y) is Status.ok
            assert model.log_evidence == pytest.approx(float(expected), rel=1e-10, abs=1e-10)


def test_what_cannot_be_used_leaves_the_regression() -> None:
    model = BayesianLinearRegression(2)
    model.update([1.0, 2.0], 3.0)
    before = model.coefficients, model.covariance
    assert model.update([np.nan, 0], 1.0) is Status.not_finite
    assert model.update([1, 0], np.inf) is Status.not_finite
    assert model.downdate([50.0, 50.0], 1.0) is Status.not_positive_definite
    np.testing.assert_array_equal(model.coefficients, before[0])
    np.testing.assert_array_equal(model.covariance, before[1])
    with pytest.raises(ShapeError, match="x"):
        model.update([1.0], 1.0)
    with pytest.raises(ConfigError, match="variance"):
        BayesianLinearRegression(2, variance=0.0)


def test_samples_are_repeatable_and_thompson_finds_the_best_arm() -> None:
    first, second = (BayesianLinearRegression(3, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.sample()[0], second.sample()[0])
    assert not np.array_equal(first.sample()[0], BayesianLinearRegression(3, seed=8).sample()[0])
    rng = np.random.default_rng(1)
    arms = rng.normal(size=(8, 3))
    truth = np.array([1.0, -2.0, 0.5])
    bandit = BayesianLinearRegression(3, seed=3)
    chosen = []
    for _ in range(300):
        arm = bandit.thompson(arms)
        bandit.update(arms[arm], arms[arm] @ truth + 0.1 * rng.normal())
        chosen.append(arm)
    assert chosen[-100:].count(int(np.argmax(arms @ truth))) >= 95


def test_normal_inverse_wishart_agrees_with_its_closed_form() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)) + 5
    belief = NormalInverseWishart(3, strength=0.5, scatter=2.0, degrees=6)
    for row in x:
        assert belief.update(row) is Status.ok
    mean, n = x.mean(axis=0), len(x)
    scatter = 2 * np.eye(3) + (x - mean).T @ (x - mean)
    scatter += 0.5 * n / (n + 0.5) * np.outer(mean, mean)
    np.testing.assert_allclose(belief.mean, n * mean / (n + 0.5), rtol=1e-12)
    np.testing.assert_allclose(belief.covariance, scatter / (6 + n - 4), rtol=1e-10)
    assert belief.strength == pytest.approx(n + 0.5)
    draws = [belief.sample()[0] for _ in range(2000)]
    np.testing.assert_allclose(np.mean(draws, axis=0), belief.mean, atol=0.2)


def test_dirichlet_marginals_are_beta() -> None:
    counts = np.array([[0.3, 2.0, 5.0], [1.0, 4.0, 9.0]])
    draws = np.array([dirichlet_sample(counts, RandomKey(1, 0, i)) for i in range(3000)])
    np.testing.assert_allclose(draws.sum(axis=2), 1, atol=1e-12)
    for row in range(2):
        for j in range(3):
            beta = stats.beta(counts[row, j], counts[row].sum() - counts[row, j])
            assert stats.kstest(draws[:, row, j], beta.cdf).pvalue > 1e-4
    single = dirichlet_sample_single(counts[1:], RandomKey(1, 0, 0))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single.sum(), 1, atol=1e-6)
    with pytest.raises(ConfigError, match="counts"):
        dirichlet_sample(np.zeros((1, 3)), RandomKey(1))


@pytest.mark.parametrize("sweeps", [1, 2, 40, 150])
def test_the_error_of_single_precision_tables_is_a_bound_wherever_it_stops(sweeps: int) -> None:
    rng = np.random.default_rng(4)
    S, A, discount = 20, 3, 0.95
    P = rng.dirichlet(np.full(S, 0.2), size=S * A).astype(np.float32)
    exact = P.astype(float) / P.astype(float).sum(axis=1, keepdims=True)
    R = 1e3 * rng.normal(size=(S, A))
    V = np.zeros(S)
    for _ in range(3000):
        V = (R + discount * (exact @ V).reshape(S, A)).max(axis=1)
    value = np.zeros(S)
    _, _, error, _ = value_iteration(P, R, discount, 1e-6, sweeps, value)
    rows = np.abs(P.astype(float).sum(axis=1) - 1).max()  # rounded tables: an error of their own
    slack = discount * rows * np.abs(V).max() / (1 - discount)
    assert np.abs(value - V).max() <= error * (1 + 1e-9) + 2 * slack


def test_values_beyond_single_precision_are_found_with_single_tables() -> None:
    P = np.array([[0.5, 0.5], [0.25, 0.75]])
    values = []
    for table in (P, P.astype(np.float32)):
        value = np.zeros(2)
        *_, status = value_iteration(table, np.array([[1e38], [9e38]]), 0.9, 1e30, 1000, value)
        assert status is Status.ok
        values.append(value)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)


def test_value_iteration_is_optimal_within_its_bound() -> None:
    rng = np.random.default_rng(3)
    S, A, discount = 30, 4, 0.95
    P = rng.dirichlet(np.full(S, 0.1), size=S * A)
    R = rng.normal(size=(S, A))
    V = np.zeros(S)
    for _ in range(2000):
        V = (R + discount * (P @ V).reshape(S, A)).max(axis=1)
    for table, slack in ((P, 1e-12), (P.astype(np.float32), 2e-4)):
        value = np.zeros(S)
        policy, sweeps, error, status = value_iteration(table, R, discount, 1e-6, 10000, value)
        assert status is Status.ok
        assert error <= 1e-6
        assert sweeps < 400
        np.testing.assert_allclose(value, V, rtol=0, atol=1e-6 + slack)
        greedy = (R + discount * (P @ V).reshape(S, A)).argmax(axis=1)
        np.testing.assert_array_equal(policy, greedy)
    _, sweeps, _, status = value_iteration(P, R, discount, 1e-9, 2, np.zeros(S))
    assert status is Status.max_iterations
    assert sweeps == 2
    with pytest.raises(ConfigError, match="discount"):
        value_iteration(P, R, 1.0, 1e-6, 10, np.zeros(S))
