"""Native filters and models beside plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from optcore.belief import (
    BayesianLinearRegression,
    InteractingMultipleModel,
    LinearGaussian,
    resample,
)
from optcore.reference import belief as reference


@pytest.mark.parametrize(("d", "m"), [(4, 2), (6, 2), (3, 1)])
def test_imm_follows_numpy(d: int, m: int) -> None:
    rng = np.random.default_rng(d)
    F, H = np.eye(d) + 0.1 * np.eye(d, k=m), np.eye(m, d)
    models = [(F, 0.01 * (i + 1) * np.eye(d), H, 0.05 * np.eye(m)) for i in range(5)]
    switching = np.full((5, 5), 0.02) + 0.9 * np.eye(5)
    native = InteractingMultipleModel(
        [LinearGaussian(*model, np.zeros(d), np.eye(d)) for model in models], switching
    )
    state = np.full(5, 0.2), np.zeros((5, d)), np.tile(np.eye(d), (5, 1, 1))
    for _ in range(50):
        z = rng.normal(size=m)
        native.step(z)
        state = reference.imm_step(models, switching, *state, z)
    np.testing.assert_allclose(native.probabilities, state[0], rtol=1e-9)
    np.testing.assert_allclose(native.combined()[0], state[0] @ state[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 4, 37, 4096])
@pytest.mark.parametrize("kind", ["even", "one", "gaps", "tail"])
def test_systematic_families_are_those_of_a_bisection(n: int, kind: str) -> None:
    weights = np.random.default_rng(n).uniform(0.01, 1, n)
    if kind == "one":
        weights[:] = 0
        weights[n // 2] = 1e-200
    elif kind == "gaps":
        weights[np.arange(n) % 7 != 0] = 0
    elif kind == "tail":
        weights[1 + n // 3 :] = 0
    ancestor = resample(weights, scheme="systematic", seed=3)
    count = np.bincount(ancestor, minlength=n)
    assert (np.diff(ancestor) >= 0).all()
    assert count.sum() == n
    assert (count[weights == 0] == 0).all()
    # some offset in (0, 1) gives these families, up to the rounding of the running sum
    low, high = 0.0, 1.0
    running = np.cumsum(weights) * (n / weights.sum())
    ends = np.cumsum(count)
    inside = (ends > 0) & (ends < n)
    low = max(low, np.max(running[inside] - ends[inside], initial=0.0))
    high = min(high, np.min(running[inside] - ends[inside] + 1, initial=1.0))
    assert low <= high + 1e-9


def test_regression_is_that_of_all_observations_at_once() -> None:
    rng = np.random.default_rng(7)
    for d in (1, 4, 5, 20, 33):
        X, Y = rng.normal(size=(60, d)), rng.normal(size=(60, 2))
        model = BayesianLinearRegression(d, 2, variance=4.0, scatter=1.5)
        for x, y in zip(X, Y, strict=True):
            model.update(x, y)
        mean, covariance, psi, nu = reference.regression_posterior(X, Y, 4.0, 1.5, 4.0)
        np.testing.assert_allclose(model.coefficients, mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.covariance, covariance, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(model.scatter, psi, rtol=1e-9)
        assert model.degrees == nu
