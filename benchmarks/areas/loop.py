"""loop: the native control cycle beside the same cycle in scikit-learn, NumPy and OSQP."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from areas.loop_baseline.scene import PERIOD_S, STAGE_S, STAGES, Scene, make_scene
from harness import Case, Probe, Trial, agree
from harness.native import google_benchmark

_Floats = NDArray[np.float64]


class Step(Protocol):
    """One cycle: the command (2,) in m/s^2."""

    def __call__(self, time: float, robot: _Floats, goal: _Floats, positions: _Floats) -> Any: ...


Forecast = Callable[[], tuple[_Floats, _Floats]]
"""Of the last cycle: weights (P, H) and means (P, H, N + 1, 2) m, people in the order of ids."""

_WARM_CYCLES = 12  # the beliefs have then been updated three times


class Drive:
    """Closed loop over a scene: every call is one control period of a commuting robot.

    The first call is the answer that is compared: the first command, and weights and means of the
    forecasts when the beliefs have been updated a few times.
    """

    def __init__(self, scene: Scene, step: Step, forecast: Forecast, limit: float) -> None:
        self.scene, self.step, self.forecast, self.limit = scene, step, forecast, limit
        self.cycle = 0
        self.robot = np.array([*scene.start, 0.0, 0.0])
        self.goal = scene.goal

    def __call__(self) -> Any:
        if self.cycle:
            return self.period()
        command = self.period()
        for _ in range(_WARM_CYCLES):
            self.period()
        weight, mean = self.forecast()
        return {"command": command, "weight": weight, "mean": mean}

    def period(self) -> _Floats:
        people = self.scene.people[self.cycle % self.scene.cycles]
        command = np.asarray(self.step(self.cycle * PERIOD_S, self.robot, self.goal, people))
        u = np.clip(command, -self.limit, self.limit)
        position = self.robot[:2] + PERIOD_S * self.robot[2:] + 0.5 * PERIOD_S**2 * u
        self.robot = np.concatenate([position, self.robot[2:] + PERIOD_S * u])
        if np.linalg.norm(self.robot[:2] - self.goal) < 0.3:
            other = self.scene.start if self.goal is self.scene.goal else self.scene.goal
            self.goal = other
        self.cycle += 1
        return command


def cycle(trial: Trial, people: int, hypotheses: int) -> None:
    """P people, H hypotheses, a GP of 200 points per goal, nx 4, nu 2, N 20."""
    from optcore.loop import LoopConfig

    scene = make_scene(people, hypotheses)
    config = LoopConfig(period=PERIOD_S, step=STAGE_S, horizon=STAGES)
    seen = np.zeros(people)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.loop import ControlLoop, MotionModel

        loop = ControlLoop(MotionModel(**dataclasses.asdict(scene.model)), config)

        def step(time: float, robot: _Floats, goal: _Floats, positions: _Floats) -> _Floats:
            return loop.step(time, robot, goal, scene.ids, positions, seen + time).command

        def forecast() -> tuple[_Floats, _Floats]:
            crowd = loop.people()
            order = np.argsort(crowd.ids)
            return crowd.belief[order], crowd.mean[order]

        return Drive(scene, step, forecast, config.max_acceleration)

    for name in ("scikit-learn+osqp", "numpy+osqp"):
        trial.contestant(name)(partial(_baseline, scene, config, name == "numpy+osqp", seen))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        # the first cycle is the same problem for both; OSQP solves it to 1e-3. optcore keeps its
        # goal fields in single precision.
        return {
            "first_command_mps2": agree(answers, lambda a: a["command"], rtol=0, atol=0.1),
            "weights": agree(answers, lambda a: a["weight"], rtol=0, atol=1e-4),
            "means_m": agree(answers, lambda a: a["mean"], rtol=0, atol=1e-3),
        }


def _baseline(scene: Scene, config: Any, by_hand: bool, seen: _Floats) -> Callable[[], Any]:
    """The twin; `by_hand` has its Gaussian processes written in NumPy instead of scikit-learn."""
    from areas.loop_baseline import BaselineLoop
    from areas.loop_baseline.people import numpy_field, scikit_learn_field

    field = numpy_field if by_hand else scikit_learn_field
    loop = BaselineLoop(scene.model, config.to_dict(), field)

    def step(time: float, robot: _Floats, goal: _Floats, positions: _Floats) -> _Floats:
        return loop.step(time, robot, goal, scene.ids, positions, seen + time)

    def forecast() -> tuple[_Floats, _Floats]:
        crowd = loop.crowd
        assert crowd is not None
        order = np.argsort(crowd.order)
        return crowd.weight[order], crowd.mean[order]

    return Drive(scene, step, forecast, config.max_acceleration)


def alone(trial: Trial, people: int, hypotheses: int, counter: str) -> None:
    """The same kind of scene in C++, with nobody in between: caches stay warm."""

    @trial.contestant("optcore")
    def _() -> Probe:
        name = f"cycle/people:{people}/hypotheses:{hypotheses}/iterations:3000/manual_time"
        return google_benchmark("loop_bench", name, "us", counter=counter)


def cases() -> list[Case]:
    figures = (
        ("native cycle, alone: median", "p50_us"),
        ("native cycle, alone: p99", "p99_us"),
        ("native cycle, alone: max", "max_us"),
    )
    native = [
        Case(f"loop/{p}x{h}", partial(alone, people=p, hypotheses=h, counter=counter), "us",
             measure, samples=5)
        for p, h in ((3, 3), (20, 6))
        for measure, counter in figures
    ]  # fmt: skip
    return [
        *native,
        Case("loop/3x3", partial(cycle, people=3, hypotheses=3), "us", samples=2000, seconds=40,
             inner=1, settle=False),
        Case("loop/20x6", partial(cycle, people=20, hypotheses=6), "us", samples=500, seconds=60,
             inner=1, settle=False),
    ]  # fmt: skip
