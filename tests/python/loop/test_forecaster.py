"""The native belief and forecasts of one person against plain NumPy in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optcore.crowd import simulate_recording
from optcore.errors import ShapeError
from optcore.loop import Forecaster, MotionModel, learn_motion_model
from optcore.loop.learning import resample
from optcore.reference.forecast import ForecastModel

# The native tables are single precision: about 1e-6 m/s a stage.
FIELD_M = 2e-4


@pytest.fixture(scope="module")
def recording() -> list[NDArray[np.float64]]:
    return [resample(t) for t in simulate_recording(90.0, seed=3).tracks if len(t) > 8]


@pytest.fixture(scope="module")
def model() -> MotionModel:
    learned = learn_motion_model(simulate_recording(90.0, seed=2).tracks, seed=0)
    return replace(learned, betas=np.array([0.5, 1.0, 2.0]), beta_prior=np.array([0.2, 0.5, 0.3]))


def test_posteriors_agree_with_the_reference(
    model: MotionModel, recording: list[NDArray[np.float64]]
) -> None:
    native, reference = Forecaster(model), ForecastModel(model)
    for track in recording[:12]:
        found = native.posteriors(track)
        np.testing.assert_allclose(found, reference.posteriors(track), atol=2e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
        np.testing.assert_allclose(found[0], model.prior, atol=1e-12)


def test_forecasts_agree_with_the_reference(
    model: MotionModel, recording: list[NDArray[np.float64]]
) -> None:
    native, reference = Forecaster(model), ForecastModel(model)
    for track in recording[:12]:
        position, velocity = track[4], (track[4] - track[3]) / model.belief_period
        posterior = native.posteriors(track[:5])[-1]
        weight, mean, covariance = native.forecast(position, velocity, posterior, 12, 0.4)
        want_mean, want_covariance = reference.forecast(position, velocity, 12, 0.4)
        np.testing.assert_allclose(mean, want_mean, atol=FIELD_M)
        np.testing.assert_allclose(covariance, want_covariance, atol=FIELD_M)
        np.testing.assert_allclose(weight[:-1], (1 - model.cv_weight) * posterior, rtol=1e-12)
        assert weight[-1] == model.cv_weight


def test_without_data_everybody_keeps_the_velocity() -> None:
    forecaster = Forecaster(MotionModel())
    weight, mean, _ = forecaster.forecast([1.0, 2.0], [0.5, -1.0], [], 5, 0.2)
    ahead = 0.2 * np.arange(1, 6)[:, None]
    np.testing.assert_allclose(mean[0], [1.0, 2.0] + ahead * [0.5, -1.0], atol=1e-12)
    np.testing.assert_array_equal(weight, [1.0])


def test_far_from_all_data_a_field_falls_back_to_constant_velocity(model: MotionModel) -> None:
    far, velocity = np.array([1e3, -1e3]), np.array([1.0, 0.3])
    _, mean, _ = Forecaster(model).forecast(far, velocity, model.prior, 12, 0.4)
    for goal in range(len(model.goals)):
        np.testing.assert_allclose(mean[goal], mean[-1], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-30, 30)] * 2),
    st.tuples(*[st.floats(-3, 3)] * 2),
    st.integers(1, 40),
    st.floats(0.05, 1.0),
)
def test_covariances_are_positive_and_capped(
    model: MotionModel,
    position: tuple[float, float],
    velocity: tuple[float, float],
    steps: int,
    step: float,
) -> None:
    _, mean, covariance = Forecaster(model).forecast(position, velocity, model.prior, steps, step)
    xx, xy, yy = np.moveaxis(covariance, -1, 0)
    assert np.isfinite(mean).all()
    assert (xx * yy - xy**2 >= -1e-12).all()
    largest = 0.5 * (xx + yy) + np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    assert (largest <= model.cap**2 + 1e-9).all()


def test_tracks_of_another_shape_are_refused(model: MotionModel) -> None:
    with pytest.raises(ShapeError, match=r"positions: need \(n, 2\), got \(4, 3\)"):
        Forecaster(model).posteriors(np.zeros((4, 3)))
