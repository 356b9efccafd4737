"""The committee against its formula, the exact model, and each way to divide the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import RBF, CommitteeGaussianProcess, Constant, GaussianProcess, Linear
from optcore.reference import gp as reference


def problem(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.1 * rng.normal(size=n)
    return X, y, rng.uniform(-2, 2, (9, 2))


def test_follows_the_formula_of_deisenroth_and_ng() -> None:
    X, y, Z = problem(90)
    gp = CommitteeGaussianProcess(RBF([0.8, 1.4], 1.7), 0.02, expert_size=30).fit(X, y)
    assert [len(expert) for expert in gp.experts] == [30, 30, 30]
    precision, weighted = np.zeros(9), np.zeros(9)
    said = np.zeros(9)
    for expert in gp.experts:  # equations 18 to 20 with beta = (log prior - log posterior) / 2
        exact = reference.Gp(expert.X, expert.Y[:, 0], np.array([0.8, 1.4]), 1.7, 0.02)
        mean, covariance = exact.predict(Z)
        variance = np.diag(covariance)
        beta = 0.5 * (np.log(1.7) - np.log(variance))
        precision += beta / variance
        weighted += beta / variance * mean
        said += beta
    precision += (1 - said) / 1.7
    mean, variance = gp.predict(Z)
    np.testing.assert_allclose(variance, 1 / precision, rtol=1e-7)
    np.testing.assert_allclose(mean, weighted / precision, rtol=1e-7, atol=1e-9)


def test_one_expert_is_the_exact_model() -> None:
    X, y, Z = problem(40)
    gp = CommitteeGaussianProcess(RBF(1.0), 0.02, expert_size=40).fit(X, y)
    exact = GaussianProcess(RBF(1.0), 0.02).fit(X, y)
    np.testing.assert_allclose(gp.predict(Z), exact.predict(Z), atol=1e-12)
    assert gp.log_marginal_likelihood() == pytest.approx(exact.log_marginal_likelihood())


@pytest.mark.parametrize("partition", ["random", "local"])
def test_every_row_has_one_expert_and_the_answer_is_near_the_exact_one(partition: str) -> None:
    X, y, Z = problem(1001)
    gp = CommitteeGaussianProcess(
        RBF(1.0), 0.01, mean=0.1, expert_size=200, partition=partition, workers=2
    ).fit(X, y)
    assert len(gp) == 1001
    rows = np.concatenate([expert.X for expert in gp.experts])
    np.testing.assert_array_equal(np.sort(rows[:, 0]), np.sort(X[:, 0]))
    sizes = [len(expert) for expert in gp.experts]
    assert max(sizes) - min(sizes) <= 2
    truth = np.sin(2 * Z[:, 0]) + 0.5 * Z[:, 1]
    assert np.sqrt(np.mean((gp.predict(Z)[0] - truth) ** 2)) < 0.05


def test_far_from_all_data_the_prior_comes_back() -> None:
    X, y, _ = problem(300)
    gp = CommitteeGaussianProcess(RBF(1.0, 2.5), 0.01, mean=0.7, expert_size=60).fit(X, y)
    mean, variance = gp.predict([[1e3, 1e3]])
    assert mean[0] == pytest.approx(0.7)
    assert variance[0] == pytest.approx(2.5)


def test_threads_change_no_number() -> None:
    X, y, Z = problem(500)
    one = CommitteeGaussianProcess(RBF(1.0), 0.01, expert_size=100, workers=1).fit(X, y)
    four = CommitteeGaussianProcess(RBF(1.0), 0.01, expert_size=100, workers=4).fit(X, y)
    np.testing.assert_array_equal(one.predict(Z), four.predict(Z))


def test_optimising_raises_the_sum_of_the_likelihoods() -> None:
    X, y, _ = problem(600)
    gp = CommitteeGaussianProcess(RBF([1.0, 1.0]), 0.1, expert_size=200).fit(X, y)
    before = gp.log_marginal_likelihood()
    result = gp.optimize(max_iterations=40)
    assert gp.log_marginal_likelihood() > before + 10
    assert result.log_marginal_likelihood == pytest.approx(gp.log_marginal_likelihood(), rel=1e-9)
    assert gp.noise == pytest.approx(0.01, rel=0.2)


def test_several_outputs_and_sums_of_kernels() -> None:
    X, y, Z = problem(120)
    Y = np.column_stack([y, -2 * y])
    gp = CommitteeGaussianProcess(RBF(1.0) + Linear() + Constant(), 0.02, expert_size=60)
    mean, variance = gp.fit(X, Y).predict(Z)
    assert mean.shape == (9, 2)
    assert variance.shape == (9,)
    np.testing.assert_allclose(mean[:, 1], -2 * mean[:, 0], rtol=1e-6)


def test_bad_input_is_named() -> None:
    X, y, _ = problem(20)
    with pytest.raises(ConfigError, match="expert_size"):
        CommitteeGaussianProcess(expert_size=0)
    with pytest.raises(ConfigError, match="partition"):
        CommitteeGaussianProcess(partition="alphabetical")  # type: ignore[arg-type]
    with pytest.raises(OptcoreError, match="call fit"):
        CommitteeGaussianProcess().predict(X)
    with pytest.raises(ShapeError, match="y: need"):
        CommitteeGaussianProcess().fit(X, y[1:])
    with pytest.raises(InferenceError, match="NaN"):
        CommitteeGaussianProcess().fit(X, np.full(20, np.nan))


def test_saved_and_loaded_its_experts_are_the_same(tmp_path: Path) -> None:
    X, y, Z = problem(230)
    Y = np.column_stack([y, -y])
    gp = CommitteeGaussianProcess(
        RBF(1.0) + Linear(0.1), 0.02, [0.1, 0.2], expert_size=60, partition="local"
    ).fit(X, Y)
    gp.save(tmp_path / "committee.npz")
    again = CommitteeGaussianProcess.load(tmp_path / "committee.npz", workers=2)
    assert [len(expert) for expert in again.experts] == [len(expert) for expert in gp.experts]
    for ours, theirs in zip(again.predict(Z), gp.predict(Z), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with np.load(tmp_path / "committee.npz") as file:
        found = dict(file)
    for name, change, match in (
        ("sizes", np.array([1, 2]), "rows held"),
        ("version", np.array(9), "version 9"),
        ("partition", np.array("sorted"), "partition"),
        ("X", np.array("text"), "not a saved"),
    ):
        np.savez(tmp_path / "bad.npz", **{**found, name: change})
        with pytest.raises(ConfigError, match=match):
            CommitteeGaussianProcess.load(tmp_path / "bad.npz")


def test_nothing_is_pickled(tmp_path: Path) -> None:
    X = np.linspace(0, 1, 30)[:, None]
    gp = CommitteeGaussianProcess(seed=None, expert_size=10).fit(X, X[:, 0])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="seed: cannot be saved without pickle"):
        gp.save(tmp_path / "gp.npz")
    assert not list(tmp_path.iterdir())
