"""The learnt model: what it foretells, what it keeps, and draws from its belief."""

from __future__ import annotations

import numpy as np
import pytest

from optcore.errors import ConfigError, OptcoreError, ShapeError
from optcore.learn import Coordinates, GPDynamics


def swing(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    rate = x[1] + 0.05 * (15 * np.sin(x[0]) + 3 * u[0])
    return np.array([x[0] + 0.05 * rate, rate])


def taught(points: int, seed: int = 0, **options: float) -> GPDynamics:
    random = np.random.default_rng(seed)
    model = GPDynamics(Coordinates(3, ((0, 1),)), 1, **options)  # type: ignore[arg-type]
    for _ in range(points):
        x, u = random.uniform([-3, -6], [3, 6]), random.uniform(-2, 2, 1)
        model.observe(x, u, swing(x, u))
    model.train()
    return model


@pytest.fixture(scope="module")
def model() -> GPDynamics:
    return taught(60)


def test_a_pendulum_is_foretold_from_sixty_steps(model: GPDynamics) -> None:
    random = np.random.default_rng(1)
    x, u = random.uniform([-3, -6], [3, 6], (50, 2)), random.uniform(-2, 2, (50, 1))
    truth = np.array([swing(a, b) for a, b in zip(x, u, strict=True)])
    np.testing.assert_allclose(model.step(x, u), truth, atol=2e-2)
    mean, variance = model.predict(x, u)
    np.testing.assert_allclose(mean, model.step(x, u))
    deviation = np.sqrt(variance + model.changes.noise)
    assert (np.abs(mean - truth) < 4 * deviation).mean() > 0.95


@pytest.mark.parametrize("drawn", [False, True])
def test_derivatives_agree_with_differences(model: GPDynamics, drawn: bool) -> None:
    one = model.draw(np.random.default_rng(2)) if drawn else model
    x, u = np.array([[0.3, -1.0], [2.9, 3.0]]), np.array([[0.5], [-1.5]])
    following, A, B = one.linearise(x, u)
    np.testing.assert_allclose(following, one.step(x, u), atol=1e-5)
    step = 1e-2 if drawn else 1e-4  # the waves of a draw are of single precision
    for i in range(2):
        d = step * np.eye(2)[i]
        slope = (one.step(x + d, u) - one.step(x - d, u)) / (2 * step)
        np.testing.assert_allclose(A[:, :, i], slope, atol=2e-3)
    slope = (one.step(x, u + step) - one.step(x, u - step)) / (2 * step)
    np.testing.assert_allclose(B[:, :, 0], slope, atol=2e-3)


def test_draws_have_the_mean_and_spread_of_the_posterior() -> None:
    random = np.random.default_rng(3)
    model = GPDynamics(Coordinates(1), 1)
    for _ in range(12):
        x, u = random.uniform(-1, 1, 1), random.uniform(-1, 1, 1)
        model.observe(x, u, x + np.sin(2 * x) * 0.3 + 0.2 * u + 0.05 * random.normal())
    model.train()
    at, held = np.array([[0.0], [1.5], [3.0]]), np.zeros((3, 1))
    mean, variance = model.predict(at, held)
    draws = np.array([model.draw(random, waves=200).step(at, held) for _ in range(400)])
    error = np.sqrt(variance / 400)
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * error + 1e-3).all()
    np.testing.assert_allclose(draws.std(axis=0), np.sqrt(variance), rtol=0.25, atol=2e-3)


def test_a_draw_that_follows_learns_what_its_source_learnt() -> None:
    model = taught(8)
    drawn = model.draw(np.random.default_rng(4))
    x, u = np.array([[1.5, 12.0]]), np.array([[2.0]])  # far from all data
    before = model.predict(x, u)[1]
    model.observe(x[0], u[0], swing(x[0], u[0]))
    drawn.follow()
    mean, variance = model.predict(x, u)
    assert (variance < 0.1 * before).all()
    assert (np.abs(drawn.step(x, u) - mean) < 5 * np.sqrt(variance) + 1e-4).all()
    model.train()  # other hyper-parameters: another draw, of the new belief
    drawn.follow()
    mean, variance = model.predict(x, u)
    assert (np.abs(drawn.step(x, u) - mean) < 5 * np.sqrt(variance) + 1e-4).all()


def test_what_is_known_is_not_kept_and_the_window_is_bounded() -> None:
    random = np.random.default_rng(5)
    model = taught(60)
    kept = 0
    for _ in range(40):
        x, u = random.uniform([-3, -6], [3, 6]), random.uniform(-2, 2, 1)
        kept += model.observe(x, u, swing(x, u))
    assert kept < 40
    assert model.changes.seen == 100
    small = GPDynamics(Coordinates(1), 1, capacity=10, novelty=0.0)
    for t in range(8):
        small.observe([t], [0.0], [t + 0.1])
    small.train()
    for t in range(8, 30):
        assert small.observe([t], [0.0], [t + 0.1])
    assert len(small) == 10
    np.testing.assert_allclose(small.changes.points()[0][:, 0], np.arange(20, 30))


def test_bad_input_is_named_and_changes_nothing() -> None:
    model = GPDynamics(Coordinates(2), 1)
    with pytest.raises(OptcoreError, match="train"):
        model.step(np.zeros((1, 2)), np.zeros((1, 1)))
    with pytest.raises(ShapeError, match=r"following \(2,\)"):
        model.observe([0.0, 0.0], [0.0], [0.0])
    with pytest.raises(ConfigError, match="finite"):
        model.observe([0.0, np.nan], [0.0], [0.0, 0.0])
    assert len(model) == 0
    small = GPDynamics(Coordinates(2), 1, capacity=4)
    hyper = taught(8).changes.hyper
    with pytest.raises(ShapeError, match=r"\(n, 3\)"):
        small.changes.restore(hyper, np.zeros((2, 4)), np.zeros((2, 2)), 2)
    with pytest.raises(ConfigError, match="no room for 5"):
        small.changes.restore(hyper, np.zeros((5, 3)), np.zeros((5, 2)), 5)
    assert not small.ready
    with pytest.raises(ConfigError, match="nu"):
        GPDynamics(Coordinates(2), 0)
