"""The linear mean against generalised least squares in NumPy, finite differences and C++."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optcore import _native
from optcore.errors import ConfigError, ShapeError
from optcore.gp import RBF, GaussianProcess, Linear, Matern, export_header
from optcore.gp.kernels import Kernel
from optcore.gp.likelihood import Evaluator


def data(n: int, outputs: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(3, [1.0, 20.0], (n, 2))
    Y = np.sin(2 * X[:, [0]]) + 0.2 * rng.normal(size=(n, outputs))
    Y += 4 + X @ rng.normal(size=(2, outputs))
    return X, Y[:, 0] if outputs == 1 else Y, rng.normal(3, [1.0, 20.0], (7, 2))


KERNELS: list[Kernel] = [Matern([0.8, 15.0], 0.7), RBF([1.0, 20.0], 0.5) + Linear(1e-3)]


@pytest.mark.parametrize("kernel", KERNELS, ids=["matern", "tree"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_coefficients_are_generalised_least_squares(kernel: Kernel, outputs: int) -> None:
    X, Y, Z = data(60, outputs)
    gp = GaussianProcess(kernel, 0.05, "linear").fit(X, Y)
    H = np.column_stack([np.ones(60), X])
    K = kernel(X) + 0.05 * np.eye(60)
    normal = H.T @ np.linalg.solve(K, H)
    best = np.linalg.solve(normal, H.T @ np.linalg.solve(K, Y.reshape(60, -1)))
    constants, slopes = gp.mean_coefficients
    np.testing.assert_allclose(np.column_stack([constants, slopes]), best.T, rtol=1e-7, atol=1e-8)
    rest = Y.reshape(60, -1) - H @ best
    expected = np.column_stack([np.ones(7), Z]) @ best + kernel(Z, X) @ np.linalg.solve(K, rest)
    for mean in (gp.predict(Z)[0], gp.mean(Z), gp.predict(Z, covariance=True)[0]):
        np.testing.assert_allclose(mean.reshape(7, -1), expected, atol=1e-8)
    step = 1e-5
    for f, h in enumerate(step * np.eye(2)):
        rise = (gp.mean(Z + h) - gp.mean(Z - h)) / (2 * step)
        slope = np.asarray(gp.gradient(Z))
        np.testing.assert_allclose(slope[..., f].reshape(7, -1), rise.reshape(7, -1), atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS, ids=["matern", "tree"])
def test_slopes_of_the_likelihood_with_the_mean_fitted_beside(kernel: Kernel) -> None:
    X, y, _ = data(50)
    evaluate = Evaluator(X, y[:, None], kernel, None, linear_mean=True)
    start = evaluate.coordinates.of(kernel, 0.05)
    _, slopes, _ = evaluate(start)
    for i, slope in enumerate(slopes):
        step = 1e-5 * np.eye(len(start))[i]
        rise = (evaluate(start + step)[0] - evaluate(start - step)[0]) / 2e-5
        assert slope == pytest.approx(rise, rel=1e-5, abs=1e-5)


def test_a_trend_is_learnt_and_carries_beyond_the_data() -> None:
    rng = np.random.default_rng(1)
    X = rng.uniform(0, 40, (300, 1))
    y = 1 + 2 * X[:, 0] + np.sin(3 * X[:, 0]) + 0.05 * rng.normal(size=300)
    gp = GaussianProcess(RBF(1.0), 0.1, "linear").fit(X, y)
    before = gp.log_marginal_likelihood()
    assert gp.optimize().log_marginal_likelihood > before + 50
    assert gp.mean_coefficients[1][0, 0] == pytest.approx(2, abs=0.05)
    assert gp.predict([[60.0]])[0][0] == pytest.approx(121, abs=3)


def test_saved_loaded_grown_and_shrunk(tmp_path: Path) -> None:
    X, Y, Z = data(40, 2)
    gp = GaussianProcess(KERNELS[0], 0.05, "linear").fit(X[:30], Y[:30])
    held = gp.mean_coefficients
    for i in range(30, 40):
        gp.append(X[i], Y[i])  # beyond its capacity
    gp.drop(3)
    for ours, before in zip(gp.mean_coefficients, held, strict=True):
        np.testing.assert_array_equal(ours, before)
    gp.save(tmp_path / "gp.npz")
    again = GaussianProcess.load(tmp_path / "gp.npz")
    native = _native.gp.load(str(tmp_path / "gp.npz"), 1, True)
    for loaded in (again.predict(Z), native.predict(Z)):
        for ours, theirs in zip(loaded, gp.predict(Z), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-9)
    again.fit(X, Y)  # fits the mean anew
    assert not np.allclose(again.mean_coefficients[1], held[1], rtol=1e-6)
    export_header(gp, tmp_path / "gp.hpp")
    assert "mean[6]" in (tmp_path / "gp.hpp").read_text()


@pytest.mark.parametrize("constant", [7.0, 0.1, 7.1, 1000.1])  # means of these may round
def test_inputs_that_do_not_vary_get_no_slope(constant: float) -> None:
    X = np.column_stack([np.linspace(0, 1, 9), np.full(9, constant)])
    gp = GaussianProcess(RBF(), 0.1, "linear").fit(X, 3 * X[:, 0])
    assert gp.mean_coefficients[1][0, 1] == 0
    assert gp.predict([[0.5, constant]])[0][0] == pytest.approx(1.5, abs=1e-6)
    one = GaussianProcess(RBF(), 0.1, "linear").fit([[1.0, 2.0]], [5.0])
    assert one.predict([[1.0, 2.0]])[0][0] == pytest.approx(5)


def test_other_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="'linear'"):
        GaussianProcess(mean="quadratic")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="mean: need an array of numbers"):
        GaussianProcess(mean=["a"])  # type: ignore[list-item]


def test_a_mean_that_fails_leaves_the_model_as_it_was() -> None:
    def mean(x: np.ndarray) -> np.ndarray:
        return x[:, 0] if len(x) < 9 else x[:, 5]

    X = np.linspace(0, 1, 8)[:, None]
    gp = GaussianProcess(RBF(), 0.1, mean).fit(X, np.sin(X[:, 0]))
    before = gp.predict([[0.3]])
    with pytest.raises(IndexError):
        gp.fit(np.ones((9, 1)), np.ones(9))
    assert gp.predict([[0.3]]) == before
    assert np.array_equal(gp.X, X)
