"""The robot of the main job: a double integrator that commutes between two places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.loop import LoopConfig

__all__ = ["Commute"]

_Floats = NDArray[np.float64]

_ARRIVED_M = 0.3
_ARRIVED_MPS = 0.3
_PAUSE_S = 1.0


class Commute:
    """Start to goal, a pause, and back again, for as long as the scene lasts.

    Attributes:
        state: (4,) position m and velocity m/s.
        target: (2,) where the present crossing ends.
        pausing: the robot stands at an end and takes no command.
    """

    def __init__(self, start: _Floats, goal: _Floats, config: LoopConfig) -> None:
        self.state = np.array([start[0], start[1], 0.0, 0.0])
        self.ends = (np.array(start, np.float64), np.array(goal, np.float64))
        self.target = self.ends[1]
        self.config = config
        self.crossings: list[dict[str, Any]] = []
        self._begin = 0.0
        self._length = 0.0
        self._resume: float | None = None
        self._started = False

    @property
    def pausing(self) -> bool:
        return self._resume is not None

    def advance(self, time: float, command: _Floats) -> _Floats:
        """Apply a command for one period, exactly; returns the acceleration really applied."""
        c, dt = self.config, self.config.period
        if not self._started:
            self._started, self._begin = True, time
        if self._resume is not None and time >= self._resume - 1e-9:
            self._turn(time)
        if self._resume is not None:
            command = -self.state[2:] / dt
        u = np.clip(command, -c.max_acceleration, c.max_acceleration)
        fastest = 1.001 * c.max_speed  # the plan may touch its own bound
        u = np.clip(u, (-fastest - self.state[2:]) / dt, (fastest - self.state[2:]) / dt)
        before = self.state[:2].copy()
        self.state[:2] += dt * self.state[2:] + 0.5 * dt**2 * u
        self.state[2:] += dt * u
        self._length += float(np.linalg.norm(self.state[:2] - before))
        if self._resume is None and self._arrived():
            self._record(time + dt, reached=True)
            self._resume = time + dt + _PAUSE_S
        return u

    def finish(self, time: float) -> None:
        """Close the crossing under way, as not reached."""
        if self._started and self._resume is None:
            self._record(time, reached=False)

    def _arrived(self) -> bool:
        near = np.linalg.norm(self.state[:2] - self.target) < _ARRIVED_M
        return bool(near and np.linalg.norm(self.state[2:]) < _ARRIVED_MPS)

    def _turn(self, time: float) -> None:
        self.target = self.ends[0] if self.target is self.ends[1] else self.ends[1]
        self._resume, self._begin, self._length = None, time, 0.0

    def _record(self, time: float, *, reached: bool) -> None:
        self.crossings.append(
            {
                "start_s": self._begin,
                "time_to_goal_s": time - self._begin if reached else None,
                "elapsed_s": time - self._begin,
                "path_length_m": self._length,
                "straight_line_m": float(np.linalg.norm(self.ends[1] - self.ends[0])),
                "reached": reached,
            }
        )

    def summary(self) -> dict[str, Any]:
        """The schema's "robot" figures that follow from the crossings alone.

        `reached`: no crossing failed; the last may be cut off by the end of the scene, unless it
        took more than three times as long as the straight line at the preferred speed would.
        """
        done = [c for c in self.crossings if c["reached"]]
        straight = float(np.linalg.norm(self.ends[1] - self.ends[0]))
        patience = 3.0 * straight / self.config.preferred_speed
        cut = [c for c in self.crossings if not c["reached"]]
        return {
            "start": self.ends[0].tolist(),
            "goal": self.ends[1].tolist(),
            "time_to_goal_s": _mean([c["time_to_goal_s"] for c in done]),
            "path_length_m": _mean([c["path_length_m"] for c in done]),
            "straight_line_m": straight,
            "reached": bool(done) and all(c["elapsed_s"] <= patience for c in cut),
            "crossings": [{k: v for k, v in c.items() if k != "elapsed_s"} for c in self.crossings],
        }


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
