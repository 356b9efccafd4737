"""The wheeled robot of the referee: limits that hold whatever is asked of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optcore.referee.unicycle import Unicycle

DT = 0.1


@given(st.lists(st.tuples(*[st.floats(-50, 50)] * 2), min_size=1, max_size=40))
def test_no_limit_is_ever_passed(commands: list[tuple[float, float]]) -> None:
    robot = Unicycle(np.zeros(2), 0.3)
    for command in commands:
        before = robot.state.copy(), robot.heading, robot.speed
        robot.advance(np.array(command), DT)
        assert 0 <= robot.speed <= robot.max_speed
        assert abs(robot.speed - before[2]) <= robot.max_acceleration * DT + 1e-12
        assert abs(robot.heading - before[1]) <= robot.max_turn_rate * DT + 1e-12
        moved = np.linalg.norm(robot.position - before[0][:2])
        assert moved <= DT * max(robot.speed, before[2]) + 1e-12


def test_straight_ahead_it_is_the_double_integrator() -> None:
    robot = Unicycle(np.zeros(2), 0.0)
    for _ in range(5):
        robot.advance(np.array([2.0, 0.0]), DT)
    np.testing.assert_allclose(robot.state, [0.5 * 2.0 * 0.5**2, 0.0, 1.0, 0.0], atol=1e-12)


def test_it_turns_towards_what_is_asked_and_does_not_slide() -> None:
    robot = Unicycle(np.zeros(2), 0.0, speed=1.0)
    for _ in range(60):
        robot.advance(np.array([0.0, 1.0]) - (robot.state[2:] - [0.0, 1.0]), DT)
    assert abs(robot.heading - np.pi / 2) < 0.05
    np.testing.assert_allclose(robot.state[2:], [0.0, robot.speed], atol=0.06)
