"""optcore's control cycle as a careful practitioner writes it with scikit-learn, NumPy and OSQP."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from areas.loop_baseline.people import Crowd, Mean, People, Variance, scikit_learn_field
from areas.loop_baseline.planner import Planner
from areas.loop_baseline.scene import Floats, MotionArrays


class BaselineLoop:
    """Observation, belief, forecasts, plan, command: the twin of optcore.loop.ControlLoop.

    Args:
        model: how people move.
        settings: the fields of optcore.loop.LoopConfig by name.
        make_field: how a goal's Gaussian process is built.
        eps: absolute and relative tolerance of OSQP.
    """

    def __init__(
        self,
        model: MotionArrays,
        settings: Mapping[str, float],
        make_field: Callable[[MotionArrays, int], tuple[Mean, Variance]] = scikit_learn_field,
        eps: float = 1e-3,
    ) -> None:
        self._people = People(model, make_field, int(settings["considered"]))
        self._planner = Planner(settings, eps)
        self.crowd: Crowd | None = None

    @property
    def solves(self) -> int:
        """Quadratic programmes of the last cycle."""
        return self._planner.solves

    def step(
        self,
        time: float,
        robot: Floats,
        goal: Floats,
        ids: NDArray[np.int64],
        positions: Floats,
        seen_at: Floats,
    ) -> Floats:
        """The command (2,) in m/s^2."""
        self._people.observe(ids, positions, seen_at)
        self.crowd = self._people.forecast(time, robot)
        return self._planner.step(self.crowd, robot, goal)

    def reset(self) -> None:
        """Forget everybody, the plan and all warm starts."""
        self._people.reset()
        self._planner.reset()
