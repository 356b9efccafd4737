"""The manual's call for Gaussian processes: answers, reuse of the factor by content, bad input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from optcore.algorithm_optimizer import GPInferenceOptimizer, OptimizationConfig
from optcore.errors import ConfigError, InferenceError, ShapeError

PARAMS = {"length_scale": 0.9, "variance": 1.4, "noise": 0.01}


def problem(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    return X, np.sin(X[:, 0]) + X[:, 1], rng.uniform(-2, 2, (7, 2))


def test_answers_as_scikit_learn_does() -> None:
    X, y, Z = problem()
    mean, variance = GPInferenceOptimizer().predict(X, y, Z, PARAMS)
    kernel = sk.ConstantKernel(1.4) * sk.RBF(0.9)
    peer = GaussianProcessRegressor(kernel, alpha=0.01, optimizer=None).fit(X, y)
    expected, deviation = peer.predict(Z, return_std=True)
    np.testing.assert_allclose(mean, expected, atol=1e-8)
    np.testing.assert_allclose(variance, deviation**2, atol=1e-8)


def test_the_factor_is_reused_by_content_not_by_identity() -> None:
    X, y, Z = problem()
    gp = GPInferenceOptimizer()
    first = gp.predict(X, y, Z, PARAMS)
    again = gp.predict(X.copy(), list(y), Z, dict(PARAMS))
    np.testing.assert_array_equal(first, again)
    assert (gp.statistics().fits, gp.statistics().reused) == (1, 1)
    X[0, 0] += 1e-9  # the same object, other numbers
    gp.predict(X, y, Z, PARAMS)
    gp.predict(X, y + 1e-9, Z, PARAMS)
    gp.predict(X, y, Z, {**PARAMS, "noise": 0.02})
    gp.predict(X, y, Z, {**PARAMS, "kernel": "matern52"})
    gp.predict(X, y, Z, {**PARAMS, "length_scale": [0.9, 0.9]})
    assert gp.statistics().fits == 6
    gp.clear_cache()
    assert gp.statistics().cached_models == 0


def test_the_model_kept_does_not_follow_the_callers_array() -> None:
    X, y, Z = problem()
    kept = X.copy()
    gp = GPInferenceOptimizer()
    first = gp.predict(X, y, Z, PARAMS)
    X[:] = 0
    np.testing.assert_array_equal(gp.predict(kept, y, Z, PARAMS), first)
    assert gp.statistics().fits == 1


def test_the_cache_keeps_to_its_limits() -> None:
    X, y, Z = problem()
    gp = GPInferenceOptimizer(OptimizationConfig(cache_size=3))
    for k in range(6):
        gp.predict(X, y + k, Z, PARAMS)
    assert gp.statistics().cached_models == 3
    gp.predict(X, y + 5, Z, PARAMS)
    assert gp.statistics().reused == 1
    none = GPInferenceOptimizer(OptimizationConfig(cache_size=0))
    for _ in range(2):
        none.predict(X, y, Z, PARAMS)
    assert none.statistics().fits == 2
    small = GPInferenceOptimizer(cache_mb=0.08)  # one model of 60 points is 0.06 MB
    for k in range(4):
        small.predict(X, y + k, Z, PARAMS)
    assert small.statistics().cached_models == 1


def test_many_points_are_approximated_and_counted() -> None:
    X, y, Z = problem(3000)
    gp = GPInferenceOptimizer(max_exact=1000, inducing=150)
    mean, variance = gp.predict(X, y, Z, PARAMS)
    assert gp.statistics().approximate == 1
    np.testing.assert_allclose(mean, np.sin(Z[:, 0]) + Z[:, 1], atol=0.02)
    assert np.all(variance < 0.01)


def test_optimised_parameters_explain_the_data_better() -> None:
    X, y, Z = problem(80)
    gp = GPInferenceOptimizer()
    params = gp.optimize(X, y, PARAMS)
    assert params["length_scale"].shape == (2,)
    truth = np.sin(Z[:, 0]) + Z[:, 1]
    before, after = (gp.predict(X, y, Z, p)[0] - truth for p in (PARAMS, params))
    assert np.abs(after).max() < 0.5 * np.abs(before).max()


def test_threads_may_share_it() -> None:
    X, y, Z = problem()
    gp = GPInferenceOptimizer()
    with ThreadPoolExecutor(4) as pool:
        means = list(pool.map(lambda k: gp.predict(X, y + k % 3, Z, PARAMS)[0], range(24)))
    for k in range(24):
        np.testing.assert_array_equal(means[k], means[k % 3])
    assert gp.statistics().fits == 3


def test_bad_input_is_named() -> None:
    X, y, Z = problem()
    gp = GPInferenceOptimizer()
    with pytest.raises(ConfigError, match="lengthscale"):
        gp.predict(X, y, Z, {"lengthscale": 1.0})
    with pytest.raises(ConfigError, match="matern52"):
        gp.predict(X, y, Z, {"kernel": "cubic"})
    with pytest.raises(ConfigError, match="length_scale"):
        gp.predict(X, y, Z, {"length_scale": -1.0})
    with pytest.raises(ShapeError, match="y"):
        gp.predict(X, y[1:], Z, PARAMS)
    with pytest.raises(ShapeError, match="X_train"):
        gp.predict([["a"]], y, Z, PARAMS)
    with pytest.raises(InferenceError, match="NaN"):
        gp.predict(X, np.full(60, np.nan), Z, PARAMS)
    with pytest.raises(ConfigError, match="noise must be a number"):
        gp.predict(X, y, Z, {"noise": "little"})
    with pytest.raises(ConfigError, match="mapping"):
        gp.predict(X, y, Z, "rbf")  # type: ignore[arg-type]
    many = [X[:20]] * 4
    with pytest.raises(ShapeError, match="y_train: need 4"):
        gp.predict_many(many, [y[:20]] * 5, Z)
    with pytest.raises(ShapeError, match="X_test"):
        gp.predict_many(many, [y[:20]] * 4, "there")
    with pytest.raises(ConfigError, match="approximate_from"):
        GPInferenceOptimizer(approximate_from=0)
    with pytest.raises(ConfigError, match="cache_size"):
        OptimizationConfig(cache_size=-1)
    with pytest.raises(ConfigError, match="num_workers"):
        OptimizationConfig(num_workers=0)


def test_configuration_has_the_manuals_fields() -> None:
    config = OptimizationConfig(use_numba=False, convergence_tolerance=1e-6)
    assert config.num_workers >= 1
    assert set(config.to_dict()) == {
        "use_parallel", "num_workers", "use_gpu", "use_numba", "cache_size",
        "approximation_threshold", "max_iterations", "convergence_tolerance",
    }  # fmt: skip
