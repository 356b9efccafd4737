"""The native control loop: observation, belief, GP forecasts, MPC, command; one call a period.

Shapes   P = people observed, H = hypotheses (goals and constant velocity), N = horizon stages.
Units    seconds, metres, metres per second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ShapeError
from optcore.loop.config import LoopConfig
from optcore.loop.motion_model import MotionModel

__all__ = ["ControlLoop", "CrowdBelief", "StepResult", "fallback_names", "side_names"]

_Floats = NDArray[np.float64]


def fallback_names() -> tuple[str, ...]:
    """The written order of degradation, best first."""
    return _native.loop.fallbacks


def side_names() -> tuple[str, ...]:
    """The candidate plans, in the order they are tried."""
    return _native.loop.sides


class StepResult(NamedTuple):
    """What one cycle decided."""

    command: _Floats
    """(2,) m/s^2, acceleration to apply during this period"""
    fallback: str
    """step of the written order that produced it; one of :func:`fallback_names`"""
    side: str
    """candidate that won; one of :func:`side_names`"""
    risk_allocated: float
    """joint probability of contact given to all constraints as their budget"""
    risk_dropped: float
    """part of it spent on hypotheses left out"""
    risk_planned: float
    """bound on the joint probability that the plan touches somebody, as the forecast has it"""
    considered: int
    """people that constrained the plan"""
    dropped_people: int
    """observed people for whom no place was left"""
    solves: int
    """quadratic programmes solved"""
    iterations: int
    """interior-point iterations over all of them"""
    max_slack: float
    """m by which the plan leaves its uncertainty margins"""
    cost: float
    """of the chosen plan"""
    seconds: tuple[float, float, float, float]
    """GP, belief, MPC, total"""


class CrowdBelief(NamedTuple):
    """What the loop believed of everybody after its last step."""

    ids: NDArray[np.int64]
    """(P,)"""
    belief: _Floats
    """(P, H) weights of the hypotheses, constant velocity last"""
    mean: _Floats
    """(P, H, N + 1, 2) m; NaN for people who were not considered"""
    covariance: _Floats
    """(P, H, N + 1, 3) m^2: xx, xy, yy"""
    considered: NDArray[np.bool_]
    """(P,)"""


class ControlLoop:
    """A robot (double integrator in the plane) among people, as one native call per period.

    Args:
        model: how people move; ``MotionModel()`` knows constant velocity alone.
        config: limits, weights, sizes.

    Raises:
        ConfigError: a field of either is out of range; it is named.
        InferenceError: a goal's kernel matrix cannot be factored.

    Example:
        >>> import numpy as np
        >>> from optcore.loop import ControlLoop, MotionModel
        >>> loop = ControlLoop(MotionModel())
        >>> r = loop.step(0.0, [0, 0, 0, 0], [5, 0], [7], [[2.0, 0.1]], [0.0])
        >>> r.fallback, bool(r.command[0] > 0)
        ('nominal', True)
    """

    def __init__(self, model: MotionModel, config: LoopConfig | None = None) -> None:
        self.model = model
        self.config = LoopConfig() if config is None else config
        self._native = _native.loop.ControlLoop(self.config.to_dict(), model.to_native())

    def step(
        self,
        time: float,
        robot: ArrayLike,
        goal: ArrayLike,
        ids: ArrayLike,
        positions: ArrayLike,
        seen_at: ArrayLike,
        oracle: ArrayLike | None = None,
    ) -> StepResult:
        """Take over one observation and return the command.

        Args:
            time: s, now.
            robot: (4,) x, y in m and vx, vy in m/s.
            goal: (2,) m.
            ids: (P,) numbers that stay with a person; who is missing is forgotten.
            positions: (P, 2) m. Rows that are not finite are passed over.
            seen_at: (P,) s, the instant each position belongs to (a tracker may be late).
            oracle: (P, N + 1, 2) m, true future; replaces every forecast, for experiments.

        Raises:
            ShapeError: arrays of other shapes.
            InferenceError: robot or goal is not finite.
        """
        people = np.asarray(ids, np.int64)
        where = np.ascontiguousarray(positions, np.float64).reshape(-1, 2)
        when = np.ascontiguousarray(seen_at, np.float64)
        state = np.ascontiguousarray(robot, np.float64)
        target = np.ascontiguousarray(goal, np.float64)
        if state.shape != (4,) or target.shape != (2,):
            raise ShapeError(f"robot, goal: need (4,) and (2,), got {state.shape}, {target.shape}")
        if people.ndim != 1 or len(where) != len(people) or when.shape != people.shape:
            raise ShapeError(
                "ids, positions, seen_at: need (P,), (P, 2), (P,), got "
                f"{people.shape}, {np.shape(positions)}, {when.shape}"
            )
        future = None
        if oracle is not None:
            future = np.ascontiguousarray(oracle, np.float64)
            need = (len(people), self.config.horizon + 1, 2)
            if future.shape != need:
                raise ShapeError(f"oracle: need {need}, got {future.shape}")
        return StepResult._make(self._native.step(time, state, target, people, where, when, future))

    def plan(self) -> _Floats:
        """Positions of the chosen plan, (N + 1, 2) m; row k is k stages from the last step."""
        return self._native.plan()

    def people(self) -> CrowdBelief:
        """Beliefs and forecasts of the last step, as copies."""
        return CrowdBelief(*self._native.people())

    def latency(self) -> dict[str, _native.loop.Histogram]:
        """Latency histograms of the stages gp, belief, mpc and of the total."""
        return self._native.latency()

    def reset(self) -> None:
        """Forget everybody, the last plan and all warm starts."""
        self._native.reset()
