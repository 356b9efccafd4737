"""The control loop from Python: what it decides, and what it says of bad input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optcore.errors import ConfigError, InferenceError, ShapeError
from optcore.loop import ControlLoop, LoopConfig, MotionModel, fallback_names

UNHURRIED = LoopConfig(deadline=10.0)


def drive(
    loop: ControlLoop, people: NDArray[np.float64], cycles: int = 100
) -> tuple[NDArray[np.float64], list[str], float]:
    """A robot from (0, 0) to (6, 0) among people (P, 4) who walk straight on."""
    robot, fallbacks, least = np.zeros(4), [], np.inf
    walkers, dt = people.copy(), loop.config.period
    for cycle in range(cycles):
        t = dt * cycle
        seen = np.full(len(walkers), t)
        r = loop.step(t, robot, [6.0, 0.0], np.arange(len(walkers)), walkers[:, :2], seen)
        fallbacks.append(r.fallback)
        robot[:2] += dt * robot[2:] + 0.5 * dt**2 * r.command
        robot[2:] += dt * r.command
        walkers[:, :2] += dt * walkers[:, 2:]
        least = min(least, np.linalg.norm(walkers[:, :2] - robot[:2], axis=1).min(initial=np.inf))
    return robot, fallbacks, least


def test_an_empty_square_is_crossed_in_a_straight_line() -> None:
    robot, fallbacks, _ = drive(ControlLoop(MotionModel(), UNHURRIED), np.zeros((0, 4)))
    np.testing.assert_allclose(robot, [6.0, 0.0, 0.0, 0.0], atol=0.05)
    assert set(fallbacks) == {"nominal"}


def test_a_crossing_person_is_given_room() -> None:
    person = np.array([[3.0, -3.0, 0.0, 1.0]])
    robot, fallbacks, least = drive(ControlLoop(MotionModel(), UNHURRIED), person)
    np.testing.assert_allclose(robot[:2], [6.0, 0.0], atol=0.1)
    assert least > UNHURRIED.contact_distance
    assert set(fallbacks) <= set(fallback_names())


def test_a_person_in_the_way_changes_the_risk_the_plan_carries() -> None:
    loop = ControlLoop(MotionModel(), UNHURRIED)
    far = loop.step(0.0, np.zeros(4), [6, 0], [1], [[50.0, 50.0]], [0.0])
    loop.reset()
    near = loop.step(0.0, np.zeros(4), [6, 0], [1], [[1.5, 0.1]], [0.0])
    assert far.risk_planned < 1e-6 < near.risk_planned <= 1
    assert near.risk_allocated == pytest.approx(UNHURRIED.risk)
    assert far.side == "keep"


def test_the_same_observations_give_the_same_commands() -> None:
    person = np.array([[3.0, -2.0, 0.1, 1.0], [5.0, 2.0, -0.5, -0.4]])
    runs = [drive(ControlLoop(MotionModel(), UNHURRIED), person)[0] for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])


def test_positions_that_are_not_finite_are_passed_over() -> None:
    loop = ControlLoop(MotionModel(), UNHURRIED)
    r = loop.step(0.0, np.zeros(4), [6, 0], [1, 2], [[np.nan, 0.0], [2.0, 2.0]], [0.0, 0.0])
    assert r.considered == 1
    assert np.isfinite(r.command).all()


def test_a_robot_that_is_not_finite_is_an_error() -> None:
    loop = ControlLoop(MotionModel(), UNHURRIED)
    with pytest.raises(InferenceError, match="step"):
        loop.step(0.0, [0, np.nan, 0, 0], [6, 0], [], np.zeros((0, 2)), [])
    # and the loop goes on
    assert loop.step(0.0, np.zeros(4), [6, 0], [], np.zeros((0, 2)), []).fallback == "nominal"


@pytest.mark.parametrize(
    ("robot", "ids", "positions", "seen", "text"),
    [
        (np.zeros(3), [1], [[0.0, 0.0]], [0.0], r"robot, goal: need \(4,\)"),
        (np.zeros(4), [1, 2], [[0.0, 0.0]], [0.0], "ids, positions, seen_at"),
        (np.zeros(4), [1], [[0.0, 0.0]], [0.0, 1.0], "ids, positions, seen_at"),
    ],
)
def test_shapes_that_do_not_belong_together_are_named(
    robot: object, ids: object, positions: object, seen: object, text: str
) -> None:
    loop = ControlLoop(MotionModel(), UNHURRIED)
    with pytest.raises(ShapeError, match=text):
        loop.step(0.0, robot, [6, 0], ids, positions, seen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [{"period": 0.0}, {"horizon": 1}, {"risk": 0.7}, {"sides": 9}, {"max_speed": float("nan")}],
)
def test_a_configuration_out_of_range_names_its_field(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ControlLoop(MotionModel(), LoopConfig(**bad))  # type: ignore[arg-type]


def test_a_known_future_replaces_the_forecast() -> None:
    loop = ControlLoop(MotionModel(), UNHURRIED)
    stages = UNHURRIED.horizon + 1
    standing = np.tile([[3.0, 0.0]], (stages, 1))[None]
    leaving = np.linspace([3.0, 0.0], [3.0, 20.0], stages)[None]
    blocked, free = (
        loop.step(0.1 * i, np.zeros(4), [6, 0], [1], [[3.0, 0.0]], [0.1 * i], oracle)
        for i, oracle in enumerate((standing, leaving))
    )
    assert free.cost < blocked.cost
    with pytest.raises(ShapeError, match="oracle"):
        loop.step(0.3, np.zeros(4), [6, 0], [1], [[3.0, 0.0]], [0.3], leaving[:, :-1])
