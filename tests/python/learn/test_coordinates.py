"""Angles, features and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optcore.errors import ConfigError, ShapeError
from optcore.learn import Coordinates, find_angles
from optcore.learn.coordinates import wrap


@given(st.floats(-50, 50))
def test_a_wrapped_angle_is_the_same_point_of_the_circle(angle: float) -> None:
    wrapped = float(wrap(angle))
    assert -np.pi <= wrapped < np.pi
    assert np.isclose(np.exp(1j * wrapped), np.exp(1j * angle), atol=1e-12)


def test_the_angle_of_a_pendulum_is_found_and_no_other() -> None:
    random = np.random.default_rng(0)
    angle = random.uniform(-3, 3, 20)
    rows = np.column_stack([random.normal(size=20), np.cos(angle), np.sin(angle), np.ones(20)])
    assert find_angles(rows.astype(np.float32)) == ((1, 2),)
    assert find_angles(random.normal(size=(20, 3))) == ()
    # a column of ones beside one of zeros lies on the circle, but never moves
    assert find_angles(np.column_stack([np.ones(20), np.zeros(20)])) == ()


def test_a_state_holds_the_angle_and_differences_go_the_short_way() -> None:
    coordinates = Coordinates(3, ((0, 1),))
    before = coordinates.state([np.cos(3.1), np.sin(3.1), 0.5])
    after = coordinates.state([np.cos(-3.1), np.sin(-3.1), 0.7])
    np.testing.assert_allclose(before, [3.1, 0.5])
    np.testing.assert_allclose(coordinates.difference(after, before), [2 * np.pi - 6.2, 0.2])


def test_the_chain_rule_agrees_with_differences() -> None:
    coordinates = Coordinates(5, ((2, 3),))
    random = np.random.default_rng(1)
    x, u = random.normal(size=(3, 4)), random.normal(size=(3, 2))
    weights = random.normal(size=7)

    def f(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.sin(coordinates.features(x, u) @ weights)

    rows = coordinates.features(x, u)
    slopes = np.cos(rows @ weights)[:, None, None] * weights
    by_x, by_u = coordinates.chain(slopes, rows)
    step = 1e-6
    for i in range(4):
        d = step * np.eye(4)[i]
        np.testing.assert_allclose(
            by_x[:, 0, i], (f(x + d, u) - f(x - d, u)) / (2 * step), atol=1e-8
        )
    for i in range(2):
        d = step * np.eye(2)[i]
        np.testing.assert_allclose(
            by_u[:, 0, i], (f(x, u + d) - f(x, u - d)) / (2 * step), atol=1e-8
        )


def test_bad_columns_and_shapes_are_named() -> None:
    with pytest.raises(ConfigError, match="angles"):
        Coordinates(3, ((0, 3),))
    with pytest.raises(ConfigError, match="angles"):
        Coordinates(4, ((0, 1), (1, 2)))
    with pytest.raises(ShapeError, match="observation"):
        Coordinates(3).state([1.0, 2.0])
