"""The exact Gaussian process against scikit-learn, finite differences and itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import RBF, GaussianProcess, Matern


def problem(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    y = np.sin(X @ rng.normal(0, 1, d)) + 0.1 * rng.normal(size=n)
    return X, y, rng.uniform(-2, 2, (7, d))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000), st.booleans())
def test_agrees_with_scikit_learn(n: int, d: int, seed: int, smooth: bool) -> None:
    X, y, Z = problem(n, d, seed)
    scale = np.random.default_rng(seed).uniform(0.5, 2.0, d)
    ours = (
        GaussianProcess(kernel=RBF(length_scale=scale, variance=1.3), noise=0.02)
        if smooth
        else GaussianProcess(kernel=Matern(length_scale=scale, variance=1.3), noise=0.02)
    )
    shape = sk.RBF(scale) if smooth else sk.Matern(scale, nu=2.5)
    peer = GaussianProcessRegressor(sk.ConstantKernel(1.3) * shape, alpha=0.02, optimizer=None)
    ours.fit(X, y)
    peer.fit(X, y)
    mean, variance = ours.predict(Z)
    expected, deviation = peer.predict(Z, return_std=True)
    np.testing.assert_allclose(mean, expected, atol=1e-8)
    np.testing.assert_allclose(variance, deviation**2, atol=1e-8)
    likelihood = ours.log_marginal_likelihood()
    assert likelihood == pytest.approx(peer.log_marginal_likelihood_value_, rel=1e-8, abs=1e-8)


def test_gradient_of_the_mean_agrees_with_finite_differences() -> None:
    X, y, Z = problem(40, 3, 1)
    gp = GaussianProcess(kernel=RBF(length_scale=[0.8, 1.1, 1.5], variance=1.0), noise=0.01)
    gp.fit(X, y)
    gradient = np.asarray(gp.gradient(Z)).reshape(len(Z), 3)
    h = 1e-5
    for f in range(3):
        step = h * np.eye(3)[f]
        rise = (gp.predict(Z + step)[0] - gp.predict(Z - step)[0]) / (2 * h)
        np.testing.assert_allclose(gradient[:, f], rise, atol=1e-6)


@pytest.mark.parametrize(("n", "capacity"), [(150, 200), (450, 500), (700, 900)])
def test_hundreds_of_points_come_and_go(n: int, capacity: int) -> None:
    """With L^-1 at hand (up to 512 points of capacity) and without."""
    X, y, Z = problem(n + 60, 4, 3)
    kernel = Matern(length_scale=[0.9, 1.2, 1.5, 2.0], variance=1.3)
    gp = GaussianProcess(kernel, noise=0.02).fit(X[:n], y[:n], capacity=capacity)
    held = list(range(n))
    rng = np.random.default_rng(n)
    for k in range(n, n + 30):
        gp.append(X[k], y[k])
        held.append(k)
        at = int(rng.integers(len(held))) if k % 3 else 0
        gp.drop(at)
        del held[at]
    gp.append(X[n + 30 :], y[n + 30 :])
    held += range(n + 30, n + 60)
    np.testing.assert_array_equal(gp.X, X[held])
    fresh = GaussianProcess(kernel, noise=0.02).fit(X[held], y[held])
    for ours, anew in zip(gp.predict(Z), fresh.predict(Z), strict=True):
        np.testing.assert_allclose(ours, anew, atol=1e-10)
    assert gp.log_marginal_likelihood() == pytest.approx(fresh.log_marginal_likelihood(), rel=1e-10)


def test_two_threads_fit_the_same_process() -> None:
    X, y, Z = problem(700, 3, 4)
    one, two = (
        GaussianProcess(RBF(0.9), noise=0.01).fit(X, y, threads=threads) for threads in (1, 2)
    )
    for a, b in zip(one.predict(Z), two.predict(Z), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ConfigError, match="threads"):
        one.fit(X, y, threads=3)
    again = np.concatenate([X, X[:1]])
    with pytest.raises(InferenceError, match="pivot of row 700"):
        GaussianProcess(RBF(0.9), noise=0.0).fit(again, np.append(y, 0.0), threads=2)


@pytest.mark.parametrize("outputs", [1, 2])
def test_queries_of_every_make_get_the_same_answer(outputs: int) -> None:
    """Arrays that the core takes as they are, and those that need a conversion first."""
    X, y, Z = problem(20, 3, 6)
    Y = y if outputs == 1 else np.column_stack([y, -2 * y])
    gp = GaussianProcess(RBF(0.9), noise=0.01).fit(X, Y)
    mean, variance = gp.predict(Z)
    assert mean.shape == (7,) if outputs == 1 else (7, 2)
    shifted = np.frombuffer(b"-" + Z.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(7, 3)
    for other in (Z.tolist(), np.asfortranarray(Z), np.repeat(Z, 2, axis=0)[::2],
                  Z.astype(">f8"), Z.astype(object), shifted):  # fmt: skip
        for a, b in zip(gp.predict(other), (mean, variance), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(gp.predict(Z.astype(np.float32))[0], mean, atol=1e-5)
    for bad, match in ((Z[0], "need"), (Z[:, :2], "need"), ("text", "numbers")):
        with pytest.raises(ShapeError, match=match):
            gp.predict(bad)
    with pytest.raises(InferenceError, match="not_finite"):
        gp.predict(np.where(np.arange(7)[:, None] == 2, np.nan, Z))
    assert gp.predict(np.empty((0, 3)))[1].shape == (0,)


def test_appending_is_as_good_as_fitting_anew() -> None:
    X, y, Z = problem(30, 2, 5)
    kernel = RBF(length_scale=[1.0, 0.7], variance=1.0)
    grown = GaussianProcess(kernel=kernel, noise=0.01).fit(X[:20], y[:20])
    for x, value in zip(X[20:], y[20:], strict=True):
        grown.append(x, value)
    whole = GaussianProcess(kernel=kernel, noise=0.01).fit(X, y)
    for a, b in zip(grown.predict(Z), whole.predict(Z), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_learns_concrete_better_than_a_straight_line(data_dir: Path) -> None:
    d = np.load(data_dir / "gp/concrete.npz")
    test = d["test_mask"][:, 0]
    X, y = d["X"][~test], d["y"][~test].ravel()
    Xs, ys = d["X"][test], d["y"][test].ravel()
    mx, sx, my, sy = X.mean(0), X.std(0), y.mean(), y.std()
    X, Xs, y, ys = (X - mx) / sx, (Xs - mx) / sx, (y - my) / sy, (ys - my) / sy
    gp = GaussianProcess(kernel=RBF(length_scale=np.full(X.shape[1], 2.0), variance=1.0), noise=0.1)
    gp.fit(X, y)
    mean, _ = gp.predict(Xs)
    line = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
    linear = np.c_[Xs, np.ones(len(Xs))] @ line
    assert np.mean((mean - ys) ** 2) < 0.6 * np.mean((linear - ys) ** 2)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.full((3, 2), np.nan), np.zeros(3)),
        (np.zeros((3, 2)), np.zeros(4)),
        (np.zeros(3), np.zeros(3)),
    ],
    ids=["nan", "lengths", "one axis"],
)
def test_bad_training_data(X: np.ndarray, y: np.ndarray) -> None:
    gp = GaussianProcess(kernel=RBF(length_scale=1.0, variance=1.0), noise=0.1)
    with pytest.raises(OptcoreError, match=r"\w"):
        gp.fit(X, y)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan])
def test_bad_length_scale(scale: float) -> None:
    with pytest.raises(OptcoreError, match="length_scale"):
        RBF(length_scale=scale, variance=1.0)


def test_duplicate_rows_without_noise_are_reported() -> None:
    gp = GaussianProcess(kernel=RBF(length_scale=1.0, variance=1.0), noise=0.0)
    with pytest.raises(OptcoreError, match=r"positive|pivot"):
        gp.fit(np.zeros((3, 1)), np.zeros(3))
