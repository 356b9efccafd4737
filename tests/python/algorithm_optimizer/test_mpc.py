"""MPCOptimizer against the NumPy oracle, in closed loop, and with bad arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optcore.algorithm_optimizer import MPCOptimizer
from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp
from optcore.reference import mpc as reference

Q, R = np.diag([1.0, 1.0, 0.1, 0.1]), 0.05 * np.eye(2)


def test_the_plan_is_the_oracles() -> None:
    mpc = MPCOptimizer(input_limits=(-1.0, 1.0), state_limits=(-0.8, 2.0), tolerance=1e-9)
    x0 = np.array([0.5, -0.5, 0.2, 0.0])
    target = np.linspace([0.5, -0.5, 0, 0], [1.5, 1.0, 0.3, 0.3], 13)
    result = mpc.solve(x0, target, 12, 0.2, Q, R)
    assert set(result) >= {"optimal_controls", "predicted_states", "cost", "status"}
    assert result["status"] == "ok"
    h = 0.2
    A = np.eye(4) + h * np.eye(4, k=2)
    B = np.vstack([0.5 * h * h * np.eye(2), h * np.eye(2)])
    qp = OcpQp(
        A=A, B=B, Q=Q, R=R, N=12, q=-target @ Q, lbu=-np.ones(2), ubu=np.ones(2),
        lbx=np.full(4, -0.8), ubx=np.full(4, 2.0),
    )  # fmt: skip
    u, x, answer = reference.solve_ocp(qp.arrays, x0)
    assert max(answer.residual, answer.gap) < 1e-9
    np.testing.assert_allclose(result["optimal_controls"], u, atol=1e-5)
    np.testing.assert_allclose(result.predicted_states, x, atol=1e-5)


def test_a_loop_reaches_its_goal_and_is_warm() -> None:
    mpc, state = MPCOptimizer(input_limits=(-1, 1)), np.array([1.0, -2.0, 0.0, 0.0])
    h, iterations = 0.1, []
    for _ in range(120):
        r = mpc.solve(state, np.zeros(4), 20, h, np.diag(Q), np.diag(R))
        u = r["optimal_controls"][0]
        assert (np.abs(u) <= 1 + 1e-6).all()
        state = np.r_[state[:2] + h * state[2:] + 0.5 * h * h * u, state[2:] + h * u]
        iterations.append(r.iterations)
    assert np.abs(state).max() < 0.02
    assert np.mean(iterations[1:]) <= iterations[0]


@pytest.mark.parametrize("shape", [(4,), (10, 4), (11, 4), (30, 4)])
def test_references_of_every_documented_shape(shape: tuple[int, ...]) -> None:
    r = MPCOptimizer().solve(np.ones(4), np.zeros(shape), 10, 0.1, Q, R)
    assert r.optimal_controls.shape == (10, 2)
    np.testing.assert_allclose(
        r.optimal_controls, MPCOptimizer().solve(np.ones(4), np.zeros(4), 10, 0.1, Q, R)[
            "optimal_controls"
        ], atol=1e-6,
    )  # fmt: skip


def test_models_may_be_given() -> None:
    rotate = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[0.0], [1.0]])
    r = MPCOptimizer(rotate).solve([1.0, 0.0], [0.0, 0.0], 5, 0.1, np.eye(2), np.eye(1))
    np.testing.assert_allclose(r.predicted_states[1], [0.0, -1.0 + r.optimal_controls[0, 0]])
    r = MPCOptimizer(lambda dt: (np.eye(3), dt * np.eye(3)[:, :2])).solve(
        np.ones(3), np.zeros(3), 5, 0.1, np.eye(3), np.eye(2)
    )
    assert r.status == "ok"


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        (
            {"initial_state": np.ones(3), "reference": np.ones(3), "Q": np.eye(3)},
            ConfigError,
            r"model=\(A, B\)",
        ),
        ({"initial_state": np.ones((2, 2))}, ShapeError, "initial_state"),
        ({"initial_state": "here"}, ShapeError, "initial_state: need an array of numbers"),
        ({"reference": ["there"] * 4}, ShapeError, "reference: need an array of numbers"),
        ({"Q": "much"}, ShapeError, "Q: need an array of numbers"),
        ({"horizon": 10.7}, ConfigError, "horizon must be a whole number"),
        ({"horizon": np.nan}, ConfigError, "horizon must be a whole number"),
        ({"horizon": None}, ConfigError, "horizon must be a whole number"),
        ({"dt": "0.1"}, ConfigError, "dt must be positive"),
        ({"reference": np.zeros((3, 4))}, ShapeError, "reference must be"),
        ({"horizon": 0}, ConfigError, "horizon"),
        ({"dt": -0.1}, ConfigError, "dt must be positive"),
        ({"Q": np.eye(2)}, ShapeError, "Q must be"),
        ({"R": np.ones((2, 3))}, ShapeError, "R must be"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], error: type[Exception], word: str) -> None:
    good: dict[str, Any] = {
        "initial_state": np.ones(4), "reference": np.zeros(4), "horizon": 10, "dt": 0.1, "Q": Q,
        "R": R,
    }  # fmt: skip
    with pytest.raises(error, match=word):
        MPCOptimizer().solve(**{**good, **change})


def test_a_moving_reference_is_followed_and_methods_agree() -> None:
    ways = [
        MPCOptimizer(
            input_limits=(-1, 1), method="interior_point", warm_start=False, tolerance=1e-12
        ),
        MPCOptimizer(input_limits=(-1, 1), tolerance=1e-9),
    ]
    for goal in (0.0, 1.0, 1.0, -2.0):
        target = np.array([goal, 0.5, 0.0, 0.0])
        a, b = (mpc.solve(np.ones(4), target, 10, 0.1, Q, R) for mpc in ways)
        fresh = MPCOptimizer(input_limits=(-1, 1)).solve(np.ones(4), target, 10, 0.1, Q, R)
        for r in (a, b):
            np.testing.assert_allclose(r.optimal_controls, fresh.optimal_controls, atol=1e-4)
            error = r.predicted_states - target
            expected = 0.5 * sum(e @ Q @ e for e in error)
            expected += 0.5 * sum(u @ R @ u for u in r.optimal_controls)
            assert r.cost == pytest.approx(expected)


def test_a_reference_that_is_not_finite_is_refused() -> None:
    for bad in (np.full(4, np.nan), np.full((11, 4), np.inf)):
        with pytest.raises(ConfigError, match="reference must be finite"):
            MPCOptimizer().solve(np.ones(4), bad, 10, 0.1, Q, R)
