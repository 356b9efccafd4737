"""Inducing inputs against the NumPy oracle, the exact model, finite differences and a real arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import (
    RBF,
    Constant,
    Coregionalization,
    GaussianProcess,
    Linear,
    Matern,
    Periodic,
    RationalQuadratic,
    SparseGaussianProcess,
    White,
)
from optcore.gp.kernels import Kernel
from optcore.reference import gp as reference

SHAPES = {
    "rbf": RBF,
    "matern12": lambda s, v: Matern(s, v, nu=0.5),
    "matern32": lambda s, v: Matern(s, v, nu=1.5),
    "matern52": lambda s, v: Matern(s, v, nu=2.5),
}


def problem(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    y = np.sin(X @ rng.normal(size=d)) + 0.1 * rng.normal(size=n)
    return X, y, rng.uniform(-2, 2, (7, d))


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 230), st.integers(1, 40), st.integers(1, 5), st.integers(0, 9999),
    st.sampled_from([*SHAPES]),
)  # fmt: skip
def test_bound_and_posterior_agree_with_their_definition(
    n: int, m: int, d: int, seed: int, shape: str
) -> None:
    X, y, queries = problem(n, d, seed)
    rng = np.random.default_rng(seed)
    Z = rng.uniform(-2, 2, (m, d))
    exact = reference.Gp(X, y, rng.uniform(0.5, 2, d), rng.uniform(0.5, 2), 0.05, shape)
    gp = SparseGaussianProcess(
        SHAPES[shape](exact.scales, exact.variance), 0.05, inducing=Z, jitter=1e-6
    ).fit(X, y)
    jitter = 1e-6 * exact.variance
    assert gp.bound() == pytest.approx(reference.sparse_bound(exact, Z, jitter), rel=1e-7, abs=1e-6)
    mean, variance = reference.sparse_predict(exact, Z, queries, jitter)
    np.testing.assert_allclose(gp.predict(queries)[0], mean, atol=1e-6)
    np.testing.assert_allclose(gp.predict(queries)[1], variance, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_gradient_of_the_bound_follows_finite_differences(shape: str, outputs: int) -> None:
    X, y, _ = problem(250, 3, 1)
    Y = np.column_stack([(k + 1) * np.roll(y, k) for k in range(outputs)])
    Z = X[::8]
    logs = np.log([0.8, 1.1, 1.6, 1.3, 0.04])

    def at(logs: np.ndarray) -> SparseGaussianProcess:
        v = np.exp(logs)
        kernel = SHAPES[shape](v[:3], v[3])
        return SparseGaussianProcess(kernel, v[4], inducing=Z, mean=0.2).fit(X, Y)

    _, slope = at(logs).bound(gradient=True)
    ours = np.array([*slope["length_scale"], slope["variance"], slope["noise"]])
    h = 1e-5
    for i, value in enumerate(ours):
        step = h * np.eye(5)[i]
        rise = (at(logs + step).bound() - at(logs - step).bound()) / (2 * h)
        assert value == pytest.approx(rise, rel=1e-5, abs=1e-4)


TREES: list[Kernel] = [
    RBF([0.8, 1.1]) + Linear([0.3, 0.6]) + Constant(0.4),
    RationalQuadratic(0.9, alpha=1.3) * Periodic(1.7),
    Matern(0.8) * Linear(0.5) + RBF(2.0),
]


@pytest.mark.parametrize("kernel", TREES, ids=["sum", "product", "both"])
def test_any_kernel_of_the_algebra(kernel: Kernel) -> None:
    """Against the definition of the bound and its posterior in NumPy (Titsias 2009, eq. 6, 9)."""
    X, y, queries = problem(210, 2, 11)
    Z, noise, jitter = X[::9], 0.05, 1e-7
    gp = SparseGaussianProcess(kernel, noise, inducing=Z, jitter=jitter).fit(X, y)
    kmm, kmn, kmq = kernel(Z), kernel(Z, X), kernel(Z, queries)
    kmm[np.diag_indices(len(Z))] *= 1 + jitter
    q = kmn.T @ np.linalg.solve(kmm, kmn)
    covariance = q + noise * np.eye(len(X))
    value = -0.5 * (
        y @ np.linalg.solve(covariance, y)
        + np.linalg.slogdet(covariance)[1]
        + len(X) * np.log(2 * np.pi)
        + (np.trace(kernel(X)) - np.trace(q)) / noise
    )
    assert gp.bound() == pytest.approx(value, rel=1e-7)
    inner = kmm + kmn @ kmn.T / noise
    mean, variance = gp.predict(queries)
    np.testing.assert_allclose(mean, kmq.T @ np.linalg.solve(inner, kmn @ y) / noise, atol=1e-6)
    spread = kernel(queries) - kmq.T @ (np.linalg.solve(kmm, kmq) - np.linalg.solve(inner, kmq))
    np.testing.assert_allclose(variance, np.diag(spread), atol=1e-6)


@pytest.mark.parametrize(
    "kernel",
    [*TREES, RBF([0.8, 1.1, 0.9]) * Coregionalization([[0.7], [-0.4]], [0.3, 0.2])],
    ids=["sum", "product", "both", "coregional"],
)
@pytest.mark.parametrize("outputs", [1, 2])
def test_gradient_by_every_parameter_of_a_tree(kernel: Kernel, outputs: int) -> None:
    from optcore.gp.likelihood import Coordinates

    X, y, _ = problem(230, 2, 12)
    if "Coregional" in repr(kernel):
        X = np.column_stack([X, np.zeros(230), np.arange(230) % 2])
        X[:, 2] = np.sin(np.arange(230))
    Y = np.column_stack([np.roll(y, k) for k in range(outputs)])
    coordinates = Coordinates(kernel, X.shape[1])

    def at(where: np.ndarray) -> SparseGaussianProcess:
        own, noise = coordinates.kernel_and_noise(where)
        return SparseGaussianProcess(own, noise, inducing=X[::11], jitter=1e-6).fit(X, Y)

    start = coordinates.of(kernel, 0.06)
    gp = at(start)
    named = gp.bound(gradient=True)[1]
    ours = np.concatenate([np.atleast_1d(named[part.name]) for part in coordinates.parts])
    h = 1e-5
    for i, value in enumerate(ours):
        step = h * np.eye(len(start))[i]
        rise = (at(start + step).bound() - at(start - step).bound()) / (2 * h)
        assert value == pytest.approx(rise, rel=2e-5, abs=2e-4), i


def test_inputs_of_a_tree_are_chosen_and_its_bound_climbs() -> None:
    X, y, queries = problem(600, 2, 13)
    gp = SparseGaussianProcess(RBF([1.0, 1.0]) + Linear(0.1), 0.1, inducing=40).fit(X, y + X[:, 0])
    assert len(np.unique(gp.inducing_inputs, axis=0)) == 40
    before = gp.bound()
    gp.optimize(rounds=1, max_iterations=15)
    assert gp.bound() > before + 50
    exact = GaussianProcess(gp.kernel, gp.noise).fit(X, y + X[:, 0])
    np.testing.assert_allclose(gp.predict(queries)[0], exact.predict(queries)[0], atol=0.05)


@pytest.mark.parametrize("kernel", [RBF([0.8, 1.1], 1.3), TREES[0]], ids=["rbf", "tree"])
def test_saved_and_loaded_without_the_rows(kernel: Kernel, tmp_path: Path) -> None:
    X, y, queries = problem(500, 2, 14)
    Y = np.column_stack([y, -y])
    gp = SparseGaussianProcess(kernel, 0.05, inducing=30, mean=[0.2, -0.1]).fit(X, Y)
    gp.save(tmp_path / "sparse.npz")
    again = SparseGaussianProcess.load(tmp_path / "sparse.npz")
    assert (len(again), again.bound()) == (500, gp.bound())
    for ours, theirs in zip(again.predict(queries), gp.predict(queries), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for call in (again.optimize, lambda: again.bound(gradient=True)):
        with pytest.raises(OptcoreError, match="without rows"):
            call()
    again.fit(X, Y).optimize(rounds=1, max_iterations=2)


def test_with_every_row_an_inducing_input_it_is_the_exact_model() -> None:
    X, y, queries = problem(60, 2, 3)
    exact = GaussianProcess(RBF([0.9, 1.2], 1.5), noise=0.02).fit(X, y)
    gp = SparseGaussianProcess(RBF([0.9, 1.2], 1.5), 0.02, inducing=X, jitter=1e-10).fit(X, y)
    assert gp.bound() == pytest.approx(exact.log_marginal_likelihood(), abs=1e-4)
    np.testing.assert_allclose(gp.predict(queries)[0], exact.predict(queries)[0], atol=1e-5)
    np.testing.assert_allclose(gp.predict(queries)[1], exact.predict(queries)[1], atol=1e-5)
    few = SparseGaussianProcess(RBF([0.9, 1.2], 1.5), 0.02, inducing=8).fit(X, y)
    assert few.bound() < exact.log_marginal_likelihood()


def test_chosen_inputs_are_those_of_a_pivoted_cholesky() -> None:
    X, y, _ = problem(300, 2, 4)
    kernel = Matern([0.7, 1.3], 2.0)
    gp = SparseGaussianProcess(kernel, 0.05, inducing=25).fit(X, y)
    left = np.full(300, 2.0)
    rows: list[np.ndarray] = []
    chosen = []
    for _ in range(25):
        best = int(np.argmax(left))
        chosen.append(best)
        k = reference.covariance(X[[best]], X, np.array([0.7, 1.3]), 2.0, "matern52")[0]
        row = (k - sum((r[best] * r for r in rows), np.zeros(300))) / np.sqrt(left[best])
        rows.append(row)
        left = left - row**2
        left[best] = 0
    np.testing.assert_array_equal(gp.inducing_inputs, X[chosen])


def test_repeated_rows_are_chosen_once() -> None:
    X = np.repeat(np.linspace(0, 1, 10)[:, None], 30, axis=0)
    gp = SparseGaussianProcess(RBF(0.05), 0.01, inducing=100).fit(X, np.sin(6 * X[:, 0]))
    assert len(gp.inducing_inputs) == 10


def test_rows_stream_from_a_file_of_any_dtype_and_memory_stays_small(tmp_path: Path) -> None:
    X, y, queries = problem(20_000, 2, 5)
    for name, array in (("X", X), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array.astype(np.float32))
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "y")]
    gp = SparseGaussianProcess(RBF(0.8), 0.02, inducing=30).fit(*mapped)
    whole = SparseGaussianProcess(RBF(0.8), 0.02, inducing=gp.inducing_inputs).fit(X, y)
    np.testing.assert_allclose(gp.predict(queries)[0], whole.predict(queries)[0], atol=1e-4)
    assert isinstance(gp._X, np.memmap)


def test_optimising_raises_the_bound_and_predicts_better() -> None:
    rng = np.random.default_rng(6)
    X = rng.uniform(-2, 2, (2000, 3))
    y = np.sin(2 * X[:, 0]) + 0.3 * X[:, 1] + 0.1 * rng.normal(size=2000)  # X[:, 2] does nothing
    gp = SparseGaussianProcess(RBF([1.0, 1.0, 1.0]), 0.1, inducing=40).fit(X, y)
    before = gp.bound()
    result = gp.optimize(max_iterations=30)
    assert result.log_marginal_likelihood == gp.bound() > before + 100
    assert gp.noise == pytest.approx(0.01, rel=0.1)
    scales = np.asarray(gp.kernel.length_scale)
    assert scales[2] > 10 * scales[0]


def test_bad_input_is_named() -> None:
    X, y, _ = problem(30, 2, 7)
    with pytest.raises(ConfigError, match="noise"):
        SparseGaussianProcess(noise=0.0)
    with pytest.raises(ConfigError, match="white noise"):
        SparseGaussianProcess(RBF() + White(0.1))
    with pytest.raises(ConfigError, match="inducing"):
        SparseGaussianProcess(inducing=0)
    with pytest.raises(OptcoreError, match="call fit"):
        SparseGaussianProcess().predict(X)
    with pytest.raises(ShapeError, match="y: need"):
        SparseGaussianProcess().fit(X, y[:-1])
    with pytest.raises(ShapeError, match="numbers"):
        SparseGaussianProcess().fit(np.array([["a"]]), [1.0])
    with pytest.raises(ShapeError, match="inducing"):
        SparseGaussianProcess(inducing=X[:, :1]).fit(X, y)
    with pytest.raises(InferenceError, match="y: row 3 holds NaN"):
        SparseGaussianProcess(inducing=5).fit(X, np.where(np.arange(30) == 3, np.nan, y))
    with pytest.raises(InferenceError, match="inducing input 1"):
        SparseGaussianProcess(inducing=X[[0, 0]], jitter=0.0).fit(X, y)
    gp = SparseGaussianProcess(inducing=5).fit(X, y)
    with pytest.raises(ShapeError, match="X: need"):
        gp.predict(X[:, :1])
    with pytest.raises(InferenceError):
        gp.predict([[np.nan, 0.0]])


@pytest.mark.parametrize("mean", [np.nan, np.inf, "linear", [[0.0]], lambda x: x[:, 0]])
def test_a_mean_that_is_no_number_is_refused(mean: Any) -> None:
    with pytest.raises(ConfigError, match="mean"):
        SparseGaussianProcess(mean=mean)


def test_bad_rows_or_an_empty_choice_leave_the_former_fit() -> None:
    X, y, _ = problem(30, 2, 7)
    gp = SparseGaussianProcess(Linear(1.0), inducing=5).fit(X, y)
    before = gp.predict(X[:3])
    for rows, values in ((X, np.where(np.arange(30) == 29, np.inf, y)), (0 * X, y)):
        with pytest.raises(InferenceError):
            gp.fit(rows, values)
        for old, new in zip(before, gp.predict(X[:3]), strict=True):
            np.testing.assert_array_equal(old, new)
    with pytest.raises(ShapeError, match="inducing"):
        SparseGaussianProcess(inducing=np.empty((0, 2)))


def test_an_input_that_does_not_vary_does_not_wreck_the_kernel() -> None:
    X, y, _ = problem(60, 2, 3)
    X[:, 1] = 0.1
    gp = SparseGaussianProcess(RBF((1.0, 1.0)) + Linear(0.1), inducing=8).fit(X, y)
    gp.optimize(rounds=1, max_iterations=15)
    assert np.isfinite(gp.predict(X)[0]).all()
    exact = GaussianProcess(RBF((1.0, 1.0)) + Linear(0.1), 0.1).fit(X, y)
    exact.optimize(restarts=0, max_iterations=15)
    assert np.isfinite(exact.predict(X)[0]).all()


def test_an_interrupted_climb_leaves_kernel_and_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = problem(60, 2, 3)
    gp = SparseGaussianProcess(RBF(0.7), inducing=8).fit(X, y)
    kernel, noise, before = gp.kernel, gp.noise, gp.predict(X[:2])
    calls = []

    def interrupted(model: Any) -> Any:
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(gp, "_slopes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gp.optimize()
    assert calls
    assert gp.kernel is kernel
    assert gp.noise == noise
    np.testing.assert_array_equal(before[0], gp.predict(X[:2])[0])
