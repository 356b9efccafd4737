"""Plans: bounds, the best of all proposals, SQP's help, limits under uncertainty, values."""

from __future__ import annotations

import numpy as np
import pytest

from optcore.errors import ConfigError, ShapeError
from optcore.learn import (
    Coordinates,
    GPDynamics,
    Grid,
    GridValue,
    Planner,
    PlannerConfig,
    Quadratic,
    StateLimits,
)
from optcore.learn.limits import deviations
from optcore.learn.planner import _amplitudes


class Sledge:
    """Position and speed under a push: x' = A x + B u."""

    nx, nu = 2, 1
    A, B = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[0.005], [0.1]])

    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return x @ self.A.T + u @ self.B.T

    def linearise(
        self, x: np.ndarray, u: np.ndarray, h: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n = len(x)
        return self.step(x, u), np.tile(self.A, (n, 1, 1)), np.tile(self.B, (n, 1, 1))


def cost(x: np.ndarray, u: np.ndarray, following: np.ndarray) -> np.ndarray:
    return -0.5 * ((following**2).sum(axis=1) + 0.1 * u[:, 0] ** 2)


QUADRATIC = Quadratic(np.zeros(2), np.ones(2), np.array([0.1]))


def test_sqp_makes_a_plan_optimal_where_the_cost_is_quadratic() -> None:
    from optcore.mpc import OcpQp, QpSolver

    config = PlannerConfig(horizon=15, population=16, rounds=1, elites=4, polish=2, first=1)
    planner = Planner(Coordinates(2), [-1], [1], cost, config, quadratic=QUADRATIC, seed=0)
    x0 = np.array([1.0, 0.5])
    plan = planner.plan(Sledge(), x0)
    assert plan.source == "sqp"
    assert np.abs(plan.u).max() <= 1.0
    problem = OcpQp(
        A=Sledge.A, B=Sledge.B, Q=np.eye(2), R=0.1 * np.eye(1), N=15, lbu=[-1.0], ubu=[1.0]
    )
    best = QpSolver(problem).solve(x0)
    np.testing.assert_allclose(plan.u, best.u, atol=1e-4)
    np.testing.assert_allclose(plan.x[1:], planner.rollout(Sledge(), x0, plan.u[None])[0, 1:])


def test_every_step_honours_bounds_and_a_replan_is_no_worse_than_the_last_plan() -> None:
    config = PlannerConfig(horizon=10, population=12, rounds=1, elites=3, first=1)
    planner = Planner(Coordinates(2), [-0.3], [0.2], cost, config, seed=1)
    x = np.array([1.0, 0.0])
    before = None
    for _ in range(15):
        plan = planner.plan(Sledge(), x)
        assert (plan.u >= -0.3).all()
        assert (plan.u <= 0.2).all()
        if before is not None:
            shifted = np.vstack([before[1:], before[-1:]])
            assert plan.value >= planner.score(Sledge(), x, shifted[None])[0] - 1e-12
        before = plan.u
        x = Sledge().step(x[None], plan.u[:1])[0]


def test_plans_repeat_from_their_seed() -> None:
    one, two, other = (
        Planner(Coordinates(2), [-1], [1], cost, seed=s).plan(Sledge(), np.ones(2)).u
        for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


@pytest.mark.parametrize("colour", [0.0, 2.0])
def test_coloured_noise_has_unit_variance(colour: float) -> None:
    config = PlannerConfig(horizon=20, colour=colour)
    planner = Planner(Coordinates(2), [-1], [1], cost, config, seed=0)
    noise = planner._noise(20_000)[..., 0]
    np.testing.assert_allclose(noise.std(axis=0), 1.0, atol=0.03)
    neighbours = np.mean(noise[:, :-1] * noise[:, 1:])
    assert neighbours > 0.8 if colour else abs(neighbours) < 0.02
    assert len(_amplitudes(20, colour)) == 21


def test_nothing_is_earned_after_the_end() -> None:
    def ends(x: np.ndarray) -> np.ndarray:
        return x[:, 0] > 1.0

    def reward(x: np.ndarray, u: np.ndarray, following: np.ndarray) -> np.ndarray:
        return np.ones(len(x))

    config = PlannerConfig(horizon=5)
    planner = Planner(
        Coordinates(2), [-1], [1], reward, config, ends=ends, value=lambda x: np.full(len(x), 7.0)
    )
    plans = np.zeros((2, 5, 1))
    still = planner.score(Sledge(), np.array([0.0, 0.0]), plans)
    moving = planner.score(Sledge(), np.array([0.85, 1.0]), plans)  # beyond after the second step
    np.testing.assert_allclose(still, 12.0)
    np.testing.assert_allclose(moving, 2.0)


def uncertain_model() -> GPDynamics:
    """x' = x + u / 10 known to a noise of 0.05."""
    random = np.random.default_rng(0)
    model = GPDynamics(Coordinates(1), 1)
    for _ in range(60):
        x, u = random.uniform(-2, 2, 1), random.uniform(-1, 1, 1)
        model.observe(x, u, x + 0.1 * u + 0.05 * random.normal(size=1))
    model.train()
    return model


def test_a_limit_is_kept_at_about_the_risk_where_the_model_is_right() -> None:
    model, random = uncertain_model(), np.random.default_rng(1)

    def right(x: np.ndarray, u: np.ndarray, following: np.ndarray) -> np.ndarray:
        return following[:, 0]

    def crossings(limits: StateLimits | None) -> float:
        config = PlannerConfig(horizon=5, population=32, rounds=2, first=1)
        planner = Planner(Coordinates(1), [-1], [1], right, config, limits=limits, seed=2)
        x, beyond = np.array([0.0]), []
        for _ in range(150):
            u = planner.plan(model, x, model).u[0]
            x = x + 0.1 * u + 0.05 * random.normal(size=1)
            beyond.append(float(x[0]) > 1.0)
            if x[0] > 1.5:
                x = np.array([0.0])
        return float(np.mean(beyond[20:]))

    careful = crossings(StateLimits(np.array([-np.inf]), np.array([1.0]), risk=0.05))
    careless = crossings(StateLimits(np.array([-np.inf]), np.array([1.0]), risk=0.499))
    assert careful < 0.1
    assert careless > 3 * careful


def test_deviations_are_those_of_a_linear_system() -> None:
    model = uncertain_model()
    noise = float(model.changes.noise[0])
    x, u = np.zeros((6, 1)), np.zeros((5, 1))
    spread = deviations(model, x, u, np.array([np.inf]))
    assert spread[0, 0] == 0.0
    np.testing.assert_allclose(spread[1:, 0], np.sqrt(noise * np.arange(1, 6)), rtol=0.25)
    assert (deviations(model, x, u, np.array([0.06])) <= 0.06).all()


def test_the_value_of_a_grid_reaches_a_goal_beyond_the_horizon() -> None:
    random = np.random.default_rng(0)
    model = GPDynamics(Coordinates(1), 1)
    for _ in range(40):
        x, u = random.uniform(0, 1, 1), random.uniform(-1, 1, 1)
        model.observe(x, u, x + 0.05 * u)
    model.train()

    def reward(x: np.ndarray, u: np.ndarray, following: np.ndarray) -> np.ndarray:
        return 10.0 * (following[:, 0] >= 0.9) - 0.1 * np.abs(u[:, 0])

    grid = Grid((0.0,), (1.0,), (101,), inputs=3, discount=0.99)
    value = GridValue(
        grid, Coordinates(1), np.array([-1.0]), np.array([1.0]), reward, lambda x: x[:, 0] >= 0.9
    )
    value.update(model)
    # k steps of 0.05 to go: 0.99^(k-1) 10 less what the steps cost
    for start, steps in ((0.8, 2), (0.5, 8), (0.2, 14)):
        price = 0.1 * (1 - 0.99**steps) / 0.01
        expected = 10 * 0.99 ** (steps - 1) - price
        assert abs(float(value(np.array([[start + 1e-6]]))[0]) - expected) < 0.25
    assert value(np.array([[0.95]]))[0] == pytest.approx(0.0, abs=0.1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="low < high"):
        Planner(Coordinates(2), [1], [1], cost)
    with pytest.raises(ConfigError, match="elites"):
        PlannerConfig(population=4, elites=8)
    with pytest.raises(ShapeError, match="x0"):
        Planner(Coordinates(2), [-1], [1], cost).plan(Sledge(), [1.0])
    with pytest.raises(ConfigError, match="risk"):
        StateLimits(np.array([0.0]), np.array([1.0]), risk=0.7)
    with pytest.raises(ConfigError, match="price"):
        StateLimits(np.array([0.0]), np.array([1.0]), price=np.nan)
    for bad in ({"inputs": 0}, {"discount": 1.0}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            Grid((0.0,), (1.0,), (5,), **bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="finite low < high"):
        Grid((0.0,), (np.nan,), (5,))
    with pytest.raises(ConfigError, match="too many"):
        Grid((0.0,) * 3, (1.0,) * 3, (100, 100, 100))
