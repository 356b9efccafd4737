"""What is asked of the robot in an environment: its reward, and how to plan for it.

The reward of a known environment is the one in its documentation, as in PILCO and GP-MPC; the
motion is always learnt. In an environment that is not listed, the reward is learnt as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError, MissingDependency
from optcore.learn.coordinates import Coordinates, wrap
from optcore.learn.limits import StateLimits
from optcore.learn.planner import Ends, PlannerConfig, Quadratic, Reward
from optcore.learn.value import Grid

__all__ = ["KNOWN", "Task", "make_environment", "task"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """An environment and what is known of it.

    Args:
        name: of the environment.
        coordinates: None: angles are found in the first observations.
        reward: of a step of the plan; None: learnt.
        ends: which states end the episode, (K, nx) to (K,) bools; None: no state does.
        quadratic: lets SQP polish plans.
        hold: steps of the environment for which an input is held; one step of the plan.
        planner: effort.
        grid: where a value function is computed on the learnt model, for few states; None: no.
        limits: soft limits of states, drawn in by uncertainty.
        warm_up: steps of smooth random inputs before the first plan.
    """

    name: str
    coordinates: Coordinates | None = None
    reward: Reward | None = None
    ends: Ends | None = None
    quadratic: Quadratic | None = None
    hold: int = 1
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    grid: Grid | None = None
    limits: StateLimits | None = None
    warm_up: int = 15

    def __post_init__(self) -> None:
        if self.hold < 1 or self.warm_up < 5:
            raise ConfigError(
                f"hold: need at least 1, got {self.hold}; warm_up: at least 5, got {self.warm_up}"
            )
        if self.grid is not None and self.reward is None:
            raise ConfigError("grid: needs a known reward")


def _pendulum_reward(x: Array, u: Array, following: Array) -> Array:
    return np.asarray(-(wrap(x[:, 0]) ** 2 + 0.1 * x[:, 1] ** 2 + 0.001 * u[:, 0] ** 2))


def _pendulum() -> Task:
    return Task(
        "Pendulum-v1",
        Coordinates(3, ((0, 1),)),
        _pendulum_reward,
        quadratic=Quadratic(np.zeros(2), np.array([2.0, 0.2]), np.array([0.002])),
        planner=PlannerConfig(horizon=20),
        grid=Grid((-np.pi, -8.0), (np.pi, 8.0), (73, 65), inputs=5, discount=0.99),
    )


_CAR_GOAL = 0.45  # m
_CAR_HOLD = 5


def _car_reward(x: Array, u: Array, following: Array) -> Array:
    arrived = (following[:, 0] >= _CAR_GOAL) & (following[:, 1] >= 0)
    return np.asarray(100.0 * arrived - 0.1 * _CAR_HOLD * u[:, 0] ** 2)


def _car_ends(x: Array) -> NDArray[np.bool_]:
    return np.asarray((x[:, 0] >= _CAR_GOAL) & (x[:, 1] >= 0))


def _mountain_car() -> Task:
    return Task(
        "MountainCarContinuous-v0",
        Coordinates(2),
        _car_reward,
        ends=_car_ends,
        hold=_CAR_HOLD,
        planner=PlannerConfig(horizon=10, rounds=3),
        grid=Grid(low=(-1.2, -0.07), high=(0.6, 0.07), points=(91, 71), inputs=9),
    )


def _cart_pole_reward(x: Array, u: Array, following: Array) -> Array:
    from optcore.learn.cart_pole import LENGTH, tip_distance, tip_reward

    position, angle = following[:, 0], following[:, 2]
    # the second part is the planner's own: the first is flat where the rod hangs
    far = tip_distance(position, angle) / (2.0 * LENGTH)
    return np.asarray(tip_reward(position, angle) - 0.3 * far**2)


def _cart_pole_ends(x: Array) -> NDArray[np.bool_]:
    from optcore.learn.cart_pole import TRACK

    return np.asarray(np.abs(x[:, 0]) > TRACK)


def _cart_pole() -> Task:
    from optcore.learn.cart_pole import TRACK

    free = np.inf
    return Task(
        "CartPoleSwingUp",
        Coordinates(5, ((2, 3),)),
        _cart_pole_reward,
        ends=_cart_pole_ends,
        quadratic=Quadratic(np.zeros(4), np.array([4.0, 0.1, 4.0, 0.1]), np.array([0.001])),
        planner=PlannerConfig(horizon=20, population=64, rounds=3),
        limits=StateLimits(
            low=np.array([-TRACK, -free, -free, -free]),
            high=np.array([TRACK, free, free, free]),
            risk=0.05,
        ),
    )


KNOWN = {
    "Pendulum-v1": _pendulum,
    "MountainCarContinuous-v0": _mountain_car,
    "CartPoleSwingUp": _cart_pole,
}


def task(name: str) -> Task:
    """The known task of that name, or one of which nothing is known."""
    return KNOWN[name]() if name in KNOWN else Task(name)


def make_environment(name: str) -> Any:
    """A Gymnasium environment, or one of this package ("CartPoleSwingUp", "RiverSwim").

    Raises:
        MissingDependency: gymnasium is not installed.
        ConfigError: no such environment.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise MissingDependency("optcore.learn: pip install 'optcore[gymnasium]'") from error
    if name == "CartPoleSwingUp":
        from optcore.learn.cart_pole import CartPoleSwingUp

        return CartPoleSwingUp()
    if name == "RiverSwim":
        from optcore.learn.river_swim import RiverSwim

        return RiverSwim()
    try:
        return gymnasium.make(name)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingDependency(f"{name}: {error}") from error
    except gymnasium.error.Error as error:
        raise ConfigError(f"{name}: {error}") from None
