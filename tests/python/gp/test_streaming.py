"""The sliding window against fits from scratch, and on a real arm at 1 kHz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import RBF, GaussianProcess, Matern, StreamingGaussianProcess


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 40), st.integers(1, 90), st.integers(1, 3), st.integers(0, 999))
def test_the_window_is_a_fit_of_its_points(capacity: int, n: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, 2)), rng.normal(size=(n, outputs))
    kernel = Matern([0.8, 1.2], 1.5)
    gp = StreamingGaussianProcess(kernel, 0.05, 0.3, capacity=capacity)
    for x, y in zip(X, Y, strict=True):
        gp.append(x, y)
    kept = slice(max(0, n - capacity), n)
    np.testing.assert_array_equal(gp.X, X[kept])
    np.testing.assert_array_equal(gp.Y, Y[kept])
    fresh = GaussianProcess(kernel, 0.05, 0.3).fit(X[kept], Y[kept])
    Z = rng.normal(size=(5, 2))
    for ours, anew in zip(gp.predict(Z), fresh.predict(Z), strict=True):
        np.testing.assert_allclose(ours, anew, atol=1e-9)
    assert gp.log_marginal_likelihood() == pytest.approx(
        fresh.log_marginal_likelihood(), rel=1e-9, abs=1e-9
    )
    assert (gp.report.appended, gp.report.dropped) == (n, max(0, n - capacity))


def test_a_hundred_thousand_updates_do_not_drift() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (100_024, 2))  # close together: an ill-conditioned covariance
    y = np.sin(3 * X[:, 0]) + X[:, 1]
    gp = StreamingGaussianProcess(RBF([0.7, 0.9], 1.0), 1e-4, capacity=24, refactor_every=None)
    for x, value in zip(X, y, strict=True):
        gp.append(x, value)
    assert gp.report.dropped == 100_000
    assert gp.report.refactorisations == 0
    fresh = GaussianProcess(RBF([0.7, 0.9], 1.0), 1e-4).fit(gp.X, gp.Y[:, 0])
    Z = rng.uniform(-1, 1, (50, 2))
    np.testing.assert_allclose(gp.predict(Z)[0], fresh.predict(Z)[0], atol=1e-8, rtol=0)
    np.testing.assert_allclose(gp.predict(Z)[1], fresh.predict(Z)[1], atol=1e-8, rtol=0)


def test_refactorisations_are_scheduled_and_reported() -> None:
    rng = np.random.default_rng(1)
    gp = StreamingGaussianProcess(capacity=10, refactor_every=50)
    for x in rng.normal(size=(200, 2)):
        gp.append(x, float(x[0]))
    report = gp.report
    assert report.refactorisations >= 6
    assert report.since_refactorisation < 50
    gp.refactor()
    assert gp.report.since_refactorisation == 0
    gp.drop_oldest(4)
    assert len(gp) == 6


def test_no_new_memory_of_the_core_once_the_window_stands() -> None:
    gp = StreamingGaussianProcess(capacity=30)
    gp.append([0.0, 0.0], 0.0)
    model, room = gp._gp._model, gp._gp._X
    for i in range(100):
        gp.append([np.sin(i), np.cos(i)], 1.0)
    assert gp._gp._model is model
    assert gp._gp._X is room


def test_a_refused_point_leaves_the_window_as_it_was() -> None:
    gp = StreamingGaussianProcess(capacity=3)
    for i in range(3):
        gp.append([float(i)], float(i))
    before = gp.predict([[0.5]])
    for bad in ([np.nan], [np.inf]):
        with pytest.raises(InferenceError):
            gp.append(bad, 0.0)
    with pytest.raises(ShapeError):
        gp.append([1.0, 2.0], 0.0)
    np.testing.assert_array_equal(gp.predict([[0.5]]), before)
    assert len(gp) == 3
    assert gp.report.refused == 2
    with pytest.raises(ConfigError, match="drop_oldest"):
        gp.drop_oldest(3)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="capacity"):
        StreamingGaussianProcess(capacity=1)
    with pytest.raises(ConfigError, match="noise"):
        StreamingGaussianProcess(noise=0.0, capacity=5)
    with pytest.raises(ConfigError, match="refactor_every"):
        StreamingGaussianProcess(capacity=5, refactor_every=0)


def test_learns_the_torques_of_a_real_arm_as_it_moves(data_dir: Path) -> None:
    with np.load(data_dir / "gp" / "panda_inverse_dynamics.npz") as file:
        X, torque = file["X"][:3000], file["Y"][:3000, 0]
    spread, level = X.std(axis=0), torque[:500].std()
    X = X / spread
    gp = StreamingGaussianProcess(RBF(4.0, 4.0), 0.05, capacity=200)
    errors = []
    for step, (x, y) in enumerate(zip(X, torque / level, strict=True)):
        if step >= 200:
            errors.append(gp.predict(x[None])[0][0] - y)
        gp.append(x, y)
    learnt = np.sqrt(np.mean(np.square(errors)))
    assert learnt < 0.5 * np.std(torque[200:] / level)  # before each sample is seen


def test_saved_and_loaded_it_goes_on_as_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(70, 2)), rng.normal(size=70)
    gp = StreamingGaussianProcess(Matern(0.8) + RBF(2.0), 0.05, 0.3, capacity=30)
    for x, value in zip(X[:50], y[:50], strict=True):
        gp.append(x, value)
    gp.save(tmp_path / "window.npz")
    again = StreamingGaussianProcess.load(tmp_path / "window.npz")
    assert (again.capacity, again.refactor_every) == (30, 100_000)
    assert (again.report.appended, again.report.dropped) == (50, 20)
    for x, value in zip(X[50:], y[50:], strict=True):
        gp.append(x, value)
        again.append(x, value)
    np.testing.assert_array_equal(again.X, gp.X)
    np.testing.assert_allclose(again.predict(X[:5]), gp.predict(X[:5]), atol=1e-9)
    GaussianProcess(RBF(), 0.1).fit(X, y).save(tmp_path / "other.npz")
    with pytest.raises(ConfigError, match=r"not 'optcore\.gp\.streaming'"):
        StreamingGaussianProcess.load(tmp_path / "other.npz")
    with np.load(tmp_path / "window.npz") as file:
        found = dict(file)
    np.savez(tmp_path / "small.npz", **{**found, "capacity": np.array(5)})
    with pytest.raises(ConfigError, match="30 points in a window of 5"):
        StreamingGaussianProcess.load(tmp_path / "small.npz")


def test_a_block_of_points_is_refused_whenever_it_comes(tmp_path: Path) -> None:
    gp = StreamingGaussianProcess(capacity=5)
    with pytest.raises(OptcoreError, match=r"append\(\) first"):
        gp.save(tmp_path / "gp.npz")
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"append: need x \(d,\)"):
            gp.append(np.ones((3, 2)), np.ones(3))
        gp.append([1.0, 2.0], 3.0)
    assert len(gp) == 2
