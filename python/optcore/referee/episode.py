"""One robot crossing among replayed people with one kind of forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.crowd import CrowdFrame, CrowdStream
from optcore.loop import ControlLoop
from optcore.referee.starts import Start
from optcore.referee.unicycle import Unicycle

__all__ = ["Episode", "run_episode"]

NEAR_M = 1.1
TOUCH_M = 0.7
_ARRIVED_M = 0.3
_STANDING_MPS = 0.05
_PATIENCE = 5.0  # times the straight line at the preferred speed
_NO_PLAN = frozenset({"previous_plan", "brake", "hold"})


@dataclass(frozen=True)
class Episode:
    """Counts of one crossing; cycles are control periods."""

    cycles: int
    near: int
    """cycles in which somebody was nearer than 1.1 m"""
    touch: int
    """cycles in which somebody was nearer than 0.7 m"""
    no_plan: int
    """cycles whose command came from no new feasible plan"""
    standing: int
    """cycles at less than 0.05 m/s, the first second apart"""
    time_to_goal_s: float | None
    """None: the goal was missed"""
    seconds: NDArray[np.float64]
    """(cycles,) native time of each cycle"""


def run_episode(
    stream: CrowdStream,
    start: Start,
    loop: ControlLoop,
    warm: int,
    oracle: Callable[[CrowdFrame], NDArray[np.float64]] | None = None,
) -> Episode:
    """Drive from start to goal; the loop watches `warm` frames before it may move.

    Args:
        stream: recorded people; they do not react. Past its end nobody is there.
        start: frame, start and goal.
        loop: what is judged; it is reset.
        warm: frames before the start in which beliefs form.
        oracle: gives the true future (P, N + 1, 2) m of a frame's people; None: the loop forecasts.
    """
    config = loop.config
    dt = config.period
    way = start.goal - start.start
    robot = Unicycle(
        start.start.copy(),
        float(np.arctan2(way[1], way[0])),
        max_speed=config.max_speed,
        max_acceleration=config.max_acceleration,
    )
    loop.reset()
    patience = _PATIENCE * float(np.linalg.norm(way)) / config.preferred_speed
    near = touch = no_plan = standing = 0
    seconds: list[float] = []
    for step in range(start.step - warm, start.step + round(patience / dt)):
        moving = step >= start.step
        frame = stream.frame(step) if step < len(stream) else None
        future = oracle(frame) if oracle is not None and frame is not None else None
        if frame is None:
            nobody = np.zeros(0)
            r = loop.step(step * dt, robot.state, start.goal, nobody, np.zeros((0, 2)), nobody)
        else:
            r = loop.step(
                frame.time, robot.state, start.goal, frame.ids, frame.observed,
                frame.observed_at, future,
            )  # fmt: skip
        if not moving:
            continue
        if frame is not None and frame.present.any():
            gap = np.linalg.norm(frame.position[frame.present] - robot.position, axis=1).min()
            near += gap < NEAR_M
            touch += gap < TOUCH_M
        no_plan += r.fallback in _NO_PLAN
        seconds.append(r.seconds[3])
        robot.advance(r.command, dt)
        if len(seconds) * dt > 1.0:
            standing += robot.speed < _STANDING_MPS
        if np.linalg.norm(robot.position - start.goal) < _ARRIVED_M:
            break
    arrived = bool(np.linalg.norm(robot.position - start.goal) < _ARRIVED_M)
    return Episode(
        cycles=len(seconds),
        near=int(near),
        touch=int(touch),
        no_plan=no_plan,
        standing=int(standing),
        time_to_goal_s=len(seconds) * dt if arrived else None,
        seconds=np.array(seconds),
    )
