"""Kalman filters against NumPy in extended precision, filterpy where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from optcore import Status
from optcore.belief import (
    ExtendedKalmanFilter,
    GaussianSum,
    InteractingMultipleModel,
    KalmanBank,
    KalmanFilter,
    LinearGaussian,
    UnscentedKalmanFilter,
)
from optcore.errors import ConfigError, InferenceError, ShapeError

F = np.array([[1, 0, 0.1, 0], [0, 1, 0, 0.1], [0, 0, 0.98, 0], [0, 0, 0, 0.97]])
H = np.eye(2, 4)


def model(noise: float = 0.01, measured: float = 0.05, x: float = 0.0) -> LinearGaussian:
    Q = noise * (np.eye(4) + 0.1)
    R = measured * np.array([[1.0, 0.2], [0.2, 0.8]])
    return LinearGaussian(F, Q, H, R, np.full(4, x), np.eye(4) * 2)


def kalman(m: LinearGaussian, x, P, z):
    """Predict and update; (x, P, log-likelihood)."""
    x, P = F @ x, F @ P @ F.T + m.Q
    S = H @ P @ H.T + m.R
    K = np.linalg.solve(S, H @ P).T
    y = z - H @ x
    quadratic = y @ np.linalg.solve(S, y) + np.linalg.slogdet(2 * np.pi * S)[1]
    return x + K @ y, P - K @ S @ K.T, -quadratic / 2


def test_filters_and_banks_agree_with_the_textbook() -> None:
    models = [model(0.01 * (i + 1), x=i) for i in range(5)]
    bank, single = KalmanBank(models), KalmanFilter(models[3])
    beliefs = [(np.full(4, float(i)), np.eye(4) * 2) for i in range(5)]
    rng = np.random.default_rng(0)
    for _ in range(50):
        z = rng.normal(size=2)
        assert bank.predict_update(z) is Status.ok
        assert single.predict() is Status.ok
        assert single.update(z) is Status.ok
        expected = [kalman(m, x, P, z) for m, (x, P) in zip(models, beliefs, strict=True)]
        beliefs = [(x, P) for x, P, _ in expected]
        for i, (x, P, likelihood) in enumerate(expected):
            np.testing.assert_allclose(bank.mean(i), x, atol=1e-12)
            np.testing.assert_allclose(bank.covariance(i), P, atol=1e-12)
            assert bank.log_likelihoods[i] == pytest.approx(likelihood, rel=1e-11)
        np.testing.assert_allclose(single.mean, beliefs[3][0], atol=1e-12)
        assert single.log_evidence == pytest.approx(expected[3][2], rel=1e-11)


def test_imm_agrees_with_filterpy() -> None:
    kalman_module = pytest.importorskip("filterpy.kalman", reason="filterpy (2018) is a peer only")
    models = [model(noise) for noise in (0.001, 0.01, 0.1)]
    switching = np.full((3, 3), 0.05) + np.eye(3) * 0.85
    filters = []
    for m in models:
        f = kalman_module.KalmanFilter(4, 2)
        f.F, f.Q, f.H, f.R, f.x, f.P = F, m.Q, H, m.R, np.zeros(4), np.eye(4) * 2
        filters.append(f)
    peer = kalman_module.IMMEstimator(filters, [0.2, 0.3, 0.5], switching)
    imm = InteractingMultipleModel(models, switching, [0.2, 0.3, 0.5])
    rng = np.random.default_rng(1)
    for _ in range(100):
        z = rng.normal(size=2)
        peer.predict()
        peer.update(z)
        assert imm.step(z) is Status.ok
        mean, covariance = imm.combined()
        np.testing.assert_allclose(imm.probabilities, peer.mu, atol=1e-9)
        np.testing.assert_allclose(mean, peer.x, atol=1e-9)
        np.testing.assert_allclose(covariance, peer.P, atol=1e-9)


def test_a_gaussian_sum_weighs_components_that_stay_themselves() -> None:
    far = [model(x=0.0), model(x=5.0)]
    mixture = GaussianSum(far, [0.9, 0.1])
    for _ in range(3):
        assert mixture.step(np.array([5.0, 5.0])) is Status.ok
    assert mixture.probabilities[1] > 0.9
    expected = KalmanFilter(far[1])
    for _ in range(3):
        expected.predict()
        expected.update([5.0, 5.0])
    np.testing.assert_allclose(mixture.mean(1), expected.mean, atol=1e-12)


def test_extended_and_unscented_filters_are_kalman_filters_on_linear_models() -> None:
    m = model()
    start = {"Q": m.Q, "R": m.R, "x": m.x, "P": m.P}
    tracks = [
        KalmanFilter(m),
        ExtendedKalmanFilter(lambda x: F @ x, lambda x: F, lambda x: H @ x, lambda x: H, **start),
        UnscentedKalmanFilter(lambda X: X @ F.T, lambda X: X @ H.T, **start),
    ]
    rng = np.random.default_rng(2)
    for _ in range(30):
        z = rng.normal(size=2)
        for track in tracks:
            assert track.predict() is Status.ok
            assert track.update(z) is Status.ok
        for track in tracks[1:]:
            np.testing.assert_allclose(track.mean, tracks[0].mean, atol=1e-9)
            np.testing.assert_allclose(track.covariance, tracks[0].covariance, atol=1e-9)
            assert track.log_evidence == pytest.approx(tracks[0].log_evidence, abs=1e-8)


def test_a_range_and_bearing_track_is_found_and_stays_positive() -> None:
    def seen(X):
        X = np.atleast_2d(X)
        return np.stack([np.hypot(X[:, 0], X[:, 1]), np.arctan2(X[:, 1], X[:, 0])], axis=1)

    def slope(x):
        r2 = x[0] ** 2 + x[1] ** 2
        r = np.sqrt(r2)
        return np.array([[x[0] / r, x[1] / r, 0, 0], [-x[1] / r2, x[0] / r2, 0, 0]])

    cv = np.eye(4) + 0.1 * np.eye(4, k=2)
    start = {
        "Q": 1e-4 * np.eye(4), "R": np.diag([1e-4, 1e-6]),
        "x": [9.0, 11.0, 0.0, 0.0], "P": np.diag([4.0, 4.0, 1.0, 1.0]),
    }  # fmt: skip
    rng = np.random.default_rng(3)
    truth = np.array([10.0, 10.0, -1.0, 0.5])
    tracks = [
        ExtendedKalmanFilter(lambda x: cv @ x, lambda x: cv, lambda x: seen(x)[0], slope, **start),
        UnscentedKalmanFilter(lambda X: X @ cv.T, seen, **start),
    ]
    for _ in range(60):
        truth = cv @ truth
        z = seen(truth)[0] + rng.normal(size=2) * [1e-2, 1e-3]
        for track in tracks:
            assert track.predict() is Status.ok
            assert track.update(z) is Status.ok
            assert np.linalg.eigvalsh(track.covariance)[0] > 0
    for track in tracks:
        np.testing.assert_allclose(track.mean, truth, atol=0.1)


def test_what_cannot_be_used_leaves_the_belief() -> None:
    imm = InteractingMultipleModel([model(), model(0.1)], [[0.9, 0.1], [0.1, 0.9]])
    before = imm.combined()
    assert imm.step([np.nan, 0.0]) is Status.not_finite
    assert imm.step([1e300, 0.0]) is Status.not_finite
    np.testing.assert_array_equal(imm.combined()[0], before[0])
    bad = UnscentedKalmanFilter(
        lambda X: X * np.nan, lambda X: X[:, :1], Q=np.eye(2), R=[[1.0]], x=[0, 0], P=np.eye(2)
    )
    assert bad.predict() is Status.not_finite
    np.testing.assert_array_equal(bad.mean, [0, 0])
    with pytest.raises(ShapeError, match="z"):
        imm.step([1.0])
    with pytest.raises(ShapeError, match="Q"):
        KalmanFilter(LinearGaussian(F, np.eye(3), H, np.eye(2), np.zeros(4), np.eye(4)))
    with pytest.raises(ConfigError, match="1 to 8"):
        KalmanBank([])
    with pytest.raises(ConfigError, match="sum to 1"):
        InteractingMultipleModel([model(), model()], [[0.5, 0.4], [0.1, 0.9]])
    with pytest.raises(InferenceError, match="finite"):
        KalmanFilter(LinearGaussian(F * np.nan, np.eye(4), H, np.eye(2), np.zeros(4), np.eye(4)))
