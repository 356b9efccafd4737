"""Batches of small Gaussian processes against one process at a time."""

from __future__ import annotations

import numpy as np
import pytest

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import RBF, GaussianProcess, GaussianProcessBatch, Matern


def data(sizes: list[int], d: int, outputs: int = 1) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(7)
    X = [rng.normal(size=(n, d)) for n in sizes]
    return X, [np.sin(x @ rng.normal(size=(d, outputs))) for x in X]


def test_ragged_batch_equals_single_processes() -> None:
    X, y = data([1, 5, 64, 33, 256], 3, outputs=2)
    kernel = Matern(length_scale=[0.8, 1.2, 2.0], variance=1.4, nu=1.5)
    gps = GaussianProcessBatch(kernel, noise=0.05, mean=[0.1, -0.2]).fit(X, y)
    queries = np.random.default_rng(1).normal(size=(9, 3))
    mean, variance = gps.predict(queries)
    assert mean.shape == (5, 9, 2)
    assert gps.status == ["ok"] * 5
    for i, (x, values) in enumerate(zip(X, y, strict=True)):
        one = GaussianProcess(kernel, noise=0.05, mean=[0.1, -0.2]).fit(x, values)
        expected_mean, expected_variance = one.predict(queries)
        np.testing.assert_allclose(mean[i], expected_mean, atol=1e-10)
        np.testing.assert_allclose(variance[i], expected_variance, atol=1e-10)
        assert gps.log_marginal_likelihood()[i] == pytest.approx(one.log_marginal_likelihood())


def test_own_hyper_parameters_and_queries() -> None:
    X, y = data([20, 20, 20], 2)
    block, values = np.stack(X), np.stack([v[:, 0] for v in y])
    scales, noise = np.array([[0.5, 1.0], [1.0, 2.0], [3.0, 0.3]]), np.array([0.1, 0.01, 0.2])
    variance = np.array([0.5, 1.0, 2.0])
    gps = GaussianProcessBatch(noise=noise, variance=variance, length_scale=scales)
    queries = np.random.default_rng(2).normal(size=(3, 4, 2))
    mean, spread = gps.fit(block, values).predict(queries)
    assert mean.shape == (3, 4)
    for i in range(3):
        one = GaussianProcess(RBF(scales[i], variance[i]), noise[i]).fit(block[i], values[i])
        for got, expected in zip((mean[i], spread[i]), one.predict(queries[i]), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-10)


def test_a_broken_process_leaves_the_others_alone() -> None:
    X, y = data([10, 10, 10], 2)
    X[1][3] = X[1][4] = 0.5
    y[2][0] = np.nan
    gps = GaussianProcessBatch(RBF(), noise=0.0, mean=0.3).fit(X, y)
    assert gps.status == ["ok", "not_positive_definite", "not_finite"]
    mean, variance = gps.predict([[0.0, 0.0]])
    np.testing.assert_allclose(mean[1:, 0, 0], 0.3)
    np.testing.assert_allclose(variance[1:, 0], 1.0)
    np.testing.assert_allclose(
        mean[0, 0], GaussianProcess(RBF(), 0.0, 0.3).fit(X[0], y[0]).predict([[0.0, 0.0]])[0][0]
    )


@pytest.mark.parametrize(
    ("X", "y", "match"),
    [
        ([np.zeros((3, 2)), np.zeros((3, 1))], [np.zeros(3), np.zeros(3)], "process 1"),
        ([np.zeros((3, 2))], [np.zeros(4)], "y: need"),
        (np.zeros((2, 300, 1)), np.zeros((2, 300)), "256"),
        ([], [], "at least one"),
        (["a"], ["b"], "numbers"),
    ],
)
def test_bad_batches(X: object, y: object, match: str) -> None:
    with pytest.raises(ShapeError, match=match):
        GaussianProcessBatch().fit(X, y)


def test_bad_parameters_and_queries() -> None:
    with pytest.raises(ConfigError, match="length_scale"):
        GaussianProcessBatch(length_scale=[[0.0]])
    with pytest.raises(ConfigError, match="noise"):
        GaussianProcessBatch(noise=-1)
    gps = GaussianProcessBatch()
    with pytest.raises(OptcoreError, match="fit"):
        gps.predict([[0.0]])
    gps.fit(np.zeros((2, 3, 1)) + np.arange(3)[:, None], np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="block"):
        gps.predict(np.zeros((3, 1, 1)))
    with pytest.raises(InferenceError, match="NaN"):
        gps.predict([[np.nan]])


def test_fitting_again_forgets_the_earlier_data() -> None:
    X, y = data([20, 30], 2)
    other, values = data([20, 30], 2)
    other = [x + 0.3 for x in other]
    queries = np.random.default_rng(4).normal(size=(6, 2))
    gps = GaussianProcessBatch(RBF(0.8), noise=0.1)
    broken = [v.copy() for v in y]
    broken[0][2] = np.inf
    gps.fit(X, broken)
    assert gps.status == ["not_finite", "ok"]
    again = gps.fit(other, values).predict(queries)
    fresh = GaussianProcessBatch(RBF(0.8), noise=0.1).fit(other, values).predict(queries)
    assert gps.status == ["ok", "ok"]
    for a, b in zip(again, fresh, strict=True):
        np.testing.assert_array_equal(a, b)
