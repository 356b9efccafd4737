"""Particle filters against Kalman filters and expected offspring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optcore import Status
from optcore.belief import (
    ConstantVelocity,
    KalmanFilter,
    LinearGaussian,
    ParticleFilter,
    resample,
)
from optcore.errors import ConfigError, ShapeError

DT, Q, R = 0.1, np.diag([0.05, 0.05, 0.1, 0.1]) ** 2, 0.09 * np.eye(2)
F = np.eye(4) + DT * np.eye(4, k=2)


@pytest.mark.parametrize("built_in", [True, False])
def test_clouds_follow_the_kalman_filter(built_in: bool) -> None:
    rng = np.random.default_rng(0)
    n = 60_000
    cloud = ParticleFilter(rng.normal(size=(n, 4)), seed=2, resampling="stratified")
    exact = KalmanFilter(LinearGaussian(F, Q, np.eye(2, 4), R, np.zeros(4), np.eye(4)))
    model = ConstantVelocity(DT, 0.05, 0.1, 0.3)
    seen = set()
    for _ in range(25):
        z = 0.3 * rng.normal(size=2)  # somebody who stands at the origin
        exact.predict()
        exact.update(z)
        if built_in:
            seen.add(cloud.step(model, z))
        else:
            moved = cloud.predict(lambda x: x @ F.T + rng.normal(size=(n, 4)) @ np.sqrt(Q))
            assert moved is Status.ok
            seen.add(
                cloud.update(
                    lambda x, z=z: -((x[:, :2] - z) ** 2).sum(axis=1) / 0.18 - np.log(0.18 * np.pi)
                )
            )
        sigma = np.sqrt(np.diag(exact.covariance))
        assert (np.abs(cloud.mean - exact.mean) / sigma).max() < 0.15
        assert cloud.log_evidence == pytest.approx(exact.log_evidence, abs=0.15)
    assert seen == {Status.ok, Status.low_ess}
    np.testing.assert_allclose(cloud.covariance, exact.covariance, atol=0.02)


def test_clouds_are_repeatable() -> None:
    start = np.random.default_rng(1).normal(size=(500, 4))
    model = ConstantVelocity(DT, 0.05, 0.1, 0.3)
    clouds = [ParticleFilter(start, seed=s, roughening=0.1) for s in (1, 1, 2)]
    for _ in range(5):
        for cloud in clouds:
            cloud.step(model, [0.5, 0.5])
    np.testing.assert_array_equal(clouds[0].states, clouds[1].states)
    assert not np.array_equal(clouds[0].states, clouds[2].states)


def test_what_cannot_be_used_leaves_the_cloud() -> None:
    cloud = ParticleFilter(np.random.default_rng(2).normal(size=(100, 4)))
    before = cloud.states
    assert cloud.step(ConstantVelocity(DT, 0.1, 0.1, 0.1), [np.nan, 0]) is Status.not_finite
    assert cloud.update(np.full(100, -np.inf)) is Status.zero_evidence
    assert cloud.update(np.full(100, np.nan)) is Status.not_finite
    assert cloud.predict(lambda x: x * np.inf) is Status.not_finite
    np.testing.assert_array_equal(cloud.states, before)
    assert cloud.update(np.full(100, -1e5)) is Status.ok
    assert cloud.log_evidence == pytest.approx(-1e5)
    with pytest.raises(ShapeError, match="log_likelihood"):
        cloud.update(np.zeros(3))
    with pytest.raises(ConfigError, match="resampling"):
        ParticleFilter(np.zeros((3, 2)), resampling="other")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="d = 4"):
        ParticleFilter(np.zeros((3, 2))).step(ConstantVelocity(DT, 0.1, 0.1, 0.1), [0, 0])


@pytest.mark.parametrize("scheme", ["systematic", "stratified"])
def test_offspring_are_the_weights_rounded(scheme: str) -> None:
    weights = np.random.default_rng(3).random(1000) ** 4
    ancestors = resample(weights, scheme=scheme, seed=4)  # type: ignore[arg-type]
    assert (np.diff(ancestors) >= 0).all()
    expected = 1000 * weights / weights.sum()
    slack = 1 if scheme == "systematic" else 2
    assert np.abs(np.bincount(ancestors, minlength=1000) - expected).max() < slack + 1e-9
    with pytest.raises(ConfigError, match="weights"):
        resample([0.0, 0.0])


@pytest.mark.parametrize("scheme", ["systematic", "stratified"])
@pytest.mark.parametrize("one", [5e-324, 1e-309, 1e-300, 1e300])
def test_weights_of_any_scale_name_the_particle_that_has_them(scheme: Any, one: float) -> None:
    for n in (3, 8, 21):
        weights = np.zeros(n)
        weights[1] = one
        assert (resample(weights, scheme=scheme, seed=1) == 1).all()
