"""The state of everybody on the simulated square, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["People", "Walk"]

_POSITION, _VELOCITY, _GOAL, _SECOND, _ROW, _PREVIOUS = (slice(k, k + 2) for k in range(0, 12, 2))
_SPEED, _SWITCH, _ROW_TIME, _PREVIOUS_TIME, _FLOATS = range(12, 17)
_ID, _GATE, _SECOND_GATE, _SEEN, _INTEGERS = range(5)


class Walk(NamedTuple):
    """All that is drawn for a person on entering."""

    person: int
    place: NDArray[np.float64]
    """(2,) m, where the walk begins."""
    gate: int
    goal: NDArray[np.float64]
    """(2,) m, a place in `gate`."""
    second_gate: int
    second_goal: NDArray[np.float64]
    """(2,) m, where somebody goes who switches."""
    switch_at_m: float
    """Distance from the goal at which that happens; negative: never."""
    speed: float
    """m/s, the speed the person likes."""


class People:
    """n people, one column each; the first `walking` walk, the others left after their last row.

    The properties are views: what is written into them is kept.
    """

    def __init__(self) -> None:
        self.walking = 0
        self._floats = np.empty((_FLOATS, 0))
        self._integers = np.empty((_INTEGERS, 0), np.int64)

    def add(self, walk: Walk) -> None:
        """Put somebody on the square, walking; `take_rows` must follow before anybody looks."""
        way = walk.goal - walk.place
        velocity = way * (walk.speed / max(float(np.hypot(*way)), 1e-6))
        floats = (walk.place, velocity, walk.goal, walk.second_goal, walk.place, walk.place)
        numbers = (walk.speed, walk.switch_at_m, 0.0, 0.0)
        integers = (walk.person, walk.gate, walk.second_gate, 0)
        at = self.walking
        self._floats = np.insert(self._floats, at, np.concatenate((*floats, numbers)), axis=1)
        self._integers = np.insert(self._integers, at, integers, axis=1)
        self.walking += 1

    def switch(self) -> None:
        """Let those turn to their second gate who have come as near to the first as they want."""
        way = self.goal - self.position
        turning = way[0] ** 2 + way[1] ** 2 < np.maximum(self._floats[_SWITCH], 0.0) ** 2
        self._floats[_GOAL, turning] = self._floats[_SECOND, turning]
        self._integers[_GATE, turning] = self._integers[_SECOND_GATE, turning]
        self._floats[_SWITCH, turning] = -1.0

    def take_rows(self, time: float) -> None:
        """Let the tracker see everybody who walks; forget those whose last row is old."""
        self._floats = self._floats[:, : self.walking].copy()
        self._integers = self._integers[:, : self.walking].copy()
        first = self.rows_seen == 0
        self.previous_row[:] = self.row
        self.previous_row_time[:] = np.where(first, time, self.row_time)
        self.row[:] = self.position
        self.row_time[:] = time
        self.rows_seen[:] += 1

    def leave(self, arrived: NDArray[np.bool_]) -> None:
        """Move those who `arrived` (walking,) behind the walking ones."""
        order = np.argsort(arrived, kind="stable")
        self._floats = self._floats[:, order]
        self._integers = self._integers[:, order]
        self.walking -= int(arrived.sum())

    def row_velocity(self) -> NDArray[np.float64]:
        """Backward difference (2, n) of the two newest rows in m/s; zero where there is one."""
        elapsed = self.row_time - self.previous_row_time
        elapsed[elapsed <= 0.0] = 1.0  # any: the displacement is zero
        difference: NDArray[np.float64] = (self.row - self.previous_row) / elapsed
        return difference

    def shift_time(self, by: float) -> None:
        """Move the clock: `by` seconds are added to the times of the rows."""
        self._floats[_ROW_TIME : _PREVIOUS_TIME + 1] += by

    @property
    def position(self) -> NDArray[np.float64]:
        """(2, n) m."""
        return self._floats[_POSITION]

    @property
    def velocity(self) -> NDArray[np.float64]:
        """(2, n) m/s."""
        return self._floats[_VELOCITY]

    @property
    def goal(self) -> NDArray[np.float64]:
        """(2, n) m, the place each is walking to."""
        return self._floats[_GOAL]

    @property
    def row(self) -> NDArray[np.float64]:
        """(2, n) m, position in the newest row."""
        return self._floats[_ROW]

    @property
    def previous_row(self) -> NDArray[np.float64]:
        """(2, n) m, position in the row before; the same while there is one row."""
        return self._floats[_PREVIOUS]

    @property
    def speed(self) -> NDArray[np.float64]:
        """(n,) m/s, the speed each likes."""
        return self._floats[_SPEED, :]

    @property
    def row_time(self) -> NDArray[np.float64]:
        """(n,) s of the newest row."""
        return self._floats[_ROW_TIME, :]

    @property
    def previous_row_time(self) -> NDArray[np.float64]:
        """(n,) s of the row before; the same while there is one row."""
        return self._floats[_PREVIOUS_TIME, :]

    @property
    def ids(self) -> NDArray[np.int64]:
        """(n,) person numbers."""
        return self._integers[_ID, :]

    @property
    def gate(self) -> NDArray[np.int64]:
        """(n,) number of the gate each is walking to."""
        return self._integers[_GATE, :]

    @property
    def rows_seen(self) -> NDArray[np.int64]:
        """(n,) rows so far."""
        return self._integers[_SEEN, :]
