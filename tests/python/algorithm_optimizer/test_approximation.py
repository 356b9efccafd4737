"""A sparse process in the exact one's place: the bound holds, and nothing worse is let through."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore.algorithm_optimizer import GPInferenceOptimizer, OptimizationConfig
from optcore.algorithm_optimizer.approximation import approximate, bound_error
from optcore.algorithm_optimizer.blas import one_blas_thread
from optcore.gp import RBF, GaussianProcess, Matern, SparseGaussianProcess

PARAMS = {"length_scale": 1.0, "variance": 1.0, "noise": 1e-2}


def problem(n: int, d: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    y = np.sin(X[:, 0]) + X[:, -1] + 0.1 * rng.normal(size=n)
    return X, y, rng.uniform(-2, 2, (50, d))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    d=st.integers(1, 3),
    m=st.integers(3, 60),
    smooth=st.booleans(),
    noise=st.floats(1e-4, 1.0),
    scale=st.floats(0.3, 3.0),
    variance=st.floats(0.1, 10.0),
)
def test_no_answer_differs_by_more_than_the_bound(
    seed: int, d: int, m: int, smooth: bool, noise: float, scale: float, variance: float
) -> None:
    X, y, Z = problem(150, d, seed)
    y = np.column_stack([y, 3 * y**2])
    kernel = RBF(scale, variance) if smooth else Matern(scale, variance, nu=1.5)
    sparse = SparseGaussianProcess(kernel, noise, m, 0.5, jitter=1e-6).fit(X, y)
    exact = GaussianProcess(kernel, noise, 0.5).fit(X, y)
    bound = bound_error(kernel, noise, 0.5, X, y, sparse.inducing_inputs, Z, jitter=1e-6)
    (mean, var), (true_mean, true_var) = sparse.predict(Z), exact.predict(Z)
    rounding = 1e-9
    assert np.abs(mean - true_mean).max() / np.sqrt(variance) <= bound.mean * 1.001 + rounding
    assert np.abs(var - true_var).max() / variance <= bound.variance * 1.001 + rounding
    assert (bound.rows, bound.worst) == (50, max(bound.mean, bound.variance))


@pytest.mark.parametrize("threshold", [1e-2, 1e-4, 1e-6])
def test_what_is_let_through_keeps_to_the_threshold(threshold: float) -> None:
    X, y, Z = problem(1500)
    found = approximate(RBF(1.0), 1e-2, 0.0, X, y, threshold=threshold, most=600)
    assert found is not None
    sparse, bound = found
    assert bound.worst <= threshold
    exact = GaussianProcess(RBF(1.0), 1e-2).fit(X, y)
    for got, truth in zip(sparse.predict(Z), exact.predict(Z), strict=True):
        assert np.abs(got - truth).max() <= threshold


@pytest.mark.parametrize(
    ("kernel", "noise", "most"),
    [(Matern(0.5, nu=1.5), 1e-2, 300), (RBF(1.0), 0.0, 300), (RBF(1.0), 1e-2, 20)],
    ids=["rough", "without noise", "too few"],
)
def test_where_none_is_good_enough_none_is_made(
    kernel: RBF | Matern, noise: float, most: int
) -> None:
    X, y, _ = problem(1500)
    assert approximate(kernel, noise, 0.0, X, y, threshold=1e-4, most=most) is None


def test_the_optimizer_approximates_only_where_asked_and_proven() -> None:
    X, y, Z = problem(1500)
    asked = GPInferenceOptimizer(OptimizationConfig(approximation_threshold=1e-2),
                                 approximate_from=1000)  # fmt: skip
    plain = GPInferenceOptimizer()
    mean, variance = asked.predict(X, y, Z, {**PARAMS, "length_scale": 2.0})
    true_mean, true_variance = plain.predict(X, y, Z, {**PARAMS, "length_scale": 2.0})
    assert np.abs(mean - true_mean).max() <= 1e-2
    assert np.abs(variance - true_variance).max() <= 1e-2
    found = asked.statistics()
    assert (found.approximate, found.unverified, plain.statistics().approximate) == (1, 0, 0)
    assert 0 < found.largest_error <= 1e-2

    rough = {**PARAMS, "kernel": "matern12", "length_scale": 0.2}
    for k in range(2):  # refused once, then remembered
        np.testing.assert_array_equal(
            asked.predict(X, y + k, Z, rough), plain.predict(X, y + k, Z, rough)
        )
    assert asked.statistics().approximate == 1


def test_an_error_without_a_bound_is_said(caplog: pytest.LogCaptureFixture) -> None:
    X, y, Z = problem(300)
    gp = GPInferenceOptimizer(max_exact=200, inducing=50)
    with caplog.at_level(logging.WARNING):
        gp.predict(X, y, Z, PARAMS)
    assert "no bound on the error" in caplog.text
    assert gp.statistics().unverified == 1


def test_blas_has_its_threads_again_afterwards() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads() -> list[int]:
        found = threadpoolctl.threadpool_info()
        return [one["num_threads"] for one in found if one["user_api"] == "blas"]

    with one_blas_thread():
        assert set(threads()) == {1}
        inside = threads()
    before = threads()
    X, y, _ = problem(600)
    approximate(RBF(2.0), 1e-2, 0.0, X, y, threshold=1e-4, most=300)
    assert threads() == before
    assert len(inside) == len(before)
