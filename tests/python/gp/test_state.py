"""Growing by blocks, leaving one out, saving and loading from Python and from C++."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore import _native
from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import RBF, GaussianProcess, Linear, Matern, Periodic, White
from optcore.gp.kernels import Kernel


def data(n: int, seed: int = 3, outputs: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    y = np.sin(X @ rng.normal(size=(2, outputs))) + 0.1 * rng.normal(size=(n, outputs))
    return X, y[:, 0] if outputs == 1 else y


KERNELS: list[Kernel] = [
    RBF((0.8, 1.2), 1.3),
    Matern(0.9, nu=0.5),
    RBF(0.8) * Periodic() + White(0.1),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=["rbf", "matern", "tree"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_block_appended_is_as_good_as_a_fit(kernel: Kernel, outputs: int) -> None:
    X, y = data(60, outputs=outputs)
    grown = GaussianProcess(kernel, 0.05, mean=lambda x: 0.3 * x[:, 0]).fit(X[:20], y[:20])
    grown.append(X[20:50], y[20:50])
    for i in range(50, 60):
        grown.append(X[i], y[i])
    whole = GaussianProcess(kernel, 0.05, mean=lambda x: 0.3 * x[:, 0]).fit(X, y)
    Z, _ = data(9, seed=5)
    for a, b in zip(grown.predict(Z), whole.predict(Z), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_array_equal(grown.X, X)


def test_a_block_that_cannot_be_appended_leaves_all_as_before() -> None:
    X, y = data(20)
    gp = GaussianProcess(RBF(), 0.0, max_jitter=0.0).fit(X, y)
    Z, _ = data(5, seed=5)
    before = gp.predict(Z)
    block, values = data(3, seed=6)
    with pytest.raises(InferenceError, match="positive"):
        gp.append(np.vstack([block, X[4]]), np.append(values, 0.0))
    assert len(gp) == 20
    for a, b in zip(gp.predict(Z), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    with pytest.raises(ShapeError, match="append"):
        gp.append(block, values[:2])
    with pytest.raises(InferenceError, match="finite"):
        gp.append([np.nan, 0.0], 1.0)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 25), st.integers(0, 1000), st.sampled_from(KERNELS))
def test_leave_one_out_is_what_fits_without_each_point_say(
    n: int, seed: int, kernel: Kernel
) -> None:
    X, y = data(n, seed)
    mean, variance = GaussianProcess(kernel, 0.05, 0.2).fit(X, y).leave_one_out()
    for i in range(n):
        others = np.arange(n) != i
        one = GaussianProcess(kernel, 0.05, 0.2).fit(X[others], y[others])
        expected_mean, expected_variance = one.predict(X[[i]])
        assert mean[i] == pytest.approx(expected_mean[0], abs=1e-8)
        assert variance[i] == pytest.approx(expected_variance[0], abs=1e-8)


@pytest.mark.parametrize("kernel", [*KERNELS, Linear(0.5) + RBF()], ids=str)
def test_saved_and_loaded_by_python_and_by_cpp(kernel: Kernel, tmp_path: Path) -> None:
    X, y = data(40, outputs=2)
    noises = np.linspace(0, 0.1, 40)
    gp = GaussianProcess(kernel, 0.05, mean=[0.1, -0.3]).fit(X, y, point_noise=noises)
    gp.drop(3)
    path = tmp_path / "model.npz"
    gp.save(path)
    Z, _ = data(9, seed=5)
    expected = GaussianProcess(kernel, 0.05, [0.1, -0.3]).fit(
        np.delete(X, 3, 0), np.delete(y, 3, 0), point_noise=np.delete(noises, 3)
    )
    again = GaussianProcess.load(path)
    native = _native.gp.load(str(path), 1, False)
    for loaded in (again.predict(Z), native.predict(Z)):
        for a, b in zip(loaded, expected.predict(Z), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10)
    again.append(X[3], y[3])
    native.append(X[[3]], y[[3]])
    assert len(again) == native.size == 40


def test_files_that_are_no_saved_process(tmp_path: Path) -> None:
    X, y = data(5)
    gp = GaussianProcess(RBF(), 0.1).fit(X, y)
    path = tmp_path / "gp.npz"
    gp.save(path)
    whole = path.read_bytes()
    cases = {"short": b"", "text": b"no npz at all, but long enough to be one", "cut": whole[:700],
             "tail": whole[:-30]}  # fmt: skip
    flipped = bytearray(whole)
    flipped[whole.index(X[2, 1].tobytes()) + 3] ^= 4
    cases["flipped"] = bytes(flipped)
    for name, text in cases.items():
        bad = tmp_path / f"{name}.npz"
        bad.write_bytes(text)
        with pytest.raises(ConfigError, match=name):
            GaussianProcess.load(bad)
        with pytest.raises(ValueError, match=f"{name}.*not a saved"):
            _native.gp.load(str(bad), 0, False)
    with np.load(path) as file:
        found = dict(file)
    for name, change in {"version": np.array(99), "format": np.array("other.gps!")}.items():
        bad = tmp_path / f"{name}.npz"
        np.savez(bad, **{**found, name: change})
        with pytest.raises(ConfigError, match=r"99|other"):
            GaussianProcess.load(bad)
        with pytest.raises(ValueError, match=r"99|format"):
            _native.gp.load(str(bad), 0, False)
    del found["X"]
    np.savez(tmp_path / "missing.npz", **found)
    with pytest.raises(ConfigError, match="missing"):
        GaussianProcess.load(tmp_path / "missing.npz")
    with pytest.raises(ValueError, match="'X'"):
        _native.gp.load(str(tmp_path / "missing.npz"), 0, False)
    with pytest.raises(FileNotFoundError):
        GaussianProcess.load(tmp_path / "none.npz")


def test_jitter_is_asked_for_and_reported() -> None:
    X = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(InferenceError, match=r"row 1.*max_jitter"):
        GaussianProcess(RBF(), noise=0.0).fit(X, [1.0, 1.0, 0.0])
    gp = GaussianProcess(RBF(), noise=0.0, max_jitter=1e-4).fit(X, [1.0, 1.0, 0.0])
    assert 0 < gp.jitter <= 1e-4
    assert gp.predict(X)[0] == pytest.approx([1.0, 1.0, 0.0], abs=1e-3)


@pytest.mark.parametrize(
    ("X", "y", "match"),
    [
        (np.zeros((0, 2)), np.zeros(0), "X: need"),
        (np.zeros((3, 0)), np.zeros(3), "X: need"),
        (np.zeros((3, 2)), np.zeros((3, 0)), "y: need"),
        ([["a", "b"]], [1.0], "X: need an array of numbers"),
        (np.zeros((3, 2), dtype=complex), np.zeros(3), r"X"),
        (np.array([[0.0, np.inf]]), [1.0], "row 0"),
        (np.zeros((2, 2)), [1.0, np.nan], "row 1"),
    ],
)
def test_bad_data_are_named(X: object, y: object, match: str) -> None:
    with pytest.raises(OptcoreError, match=match):
        GaussianProcess(RBF(), 0.1).fit(X, y)


def test_other_layouts_and_types_give_the_same() -> None:
    X, y = data(30)
    Z, _ = data(6, seed=9)
    expected = GaussianProcess(RBF(), 0.1).fit(X, y).predict(Z)
    wide = np.zeros((30, 4))
    wide[:, ::2] = X
    for points, queries in (
        (np.asfortranarray(X), np.asfortranarray(Z)),
        (wide[:, ::2], Z[::-1][::-1]),
    ):
        got = GaussianProcess(RBF(), 0.1).fit(points, y.tolist()).predict(queries)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
    single = GaussianProcess(RBF(), 0.1).fit(X.astype(np.float32), y).predict(Z.astype(np.float32))
    np.testing.assert_allclose(single[0], expected[0], atol=1e-5)


def test_airfoil_reaches_its_likelihood(data_dir: Path) -> None:
    d = np.load(data_dir / "gp/airfoil.npz")
    train = ~d["test_mask"][:, 0]
    X, y = d["X"][train], d["y"][train].ravel()
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    rows = np.random.default_rng(0).permutation(len(X))[:1000]
    gp = GaussianProcess(RBF(), noise=0.1).fit(X[rows], y[rows])
    assert gp.optimize().log_marginal_likelihood >= -349.5
