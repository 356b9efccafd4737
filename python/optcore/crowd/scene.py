"""Recorded people as values: a track of one person, and a scene of many.

Shapes   n = rows of a track.
Units    seconds since the first row of the recording; metres in the recording's own axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bounds", "Scene", "Track", "bounds_of"]

Bounds = tuple[float, float, float, float]
"""(x_min, y_min, x_max, y_max) in metres."""


@dataclass(frozen=True, eq=False, slots=True)
class Track:
    """One person seen without a gap.

    A person lost for a while has several tracks with the same ``person``.

    Attributes:
        person: the recording's number of this person.
        time: (n,) seconds, strictly increasing, n >= 1.
        position: (n, 2) metres.
        complete: the person was seen to leave. False where the recording ended, a gap began or a
            split cut the track short: its last position is then not where the person was going.
    """

    person: int
    time: NDArray[np.float64]
    position: NDArray[np.float64]
    complete: bool = True

    def __len__(self) -> int:
        return len(self.time)

    @property
    def start_s(self) -> float:
        """Time of the first row."""
        return float(self.time[0])

    @property
    def end_s(self) -> float:
        """Time of the last row."""
        return float(self.time[-1])


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A recording, or one made by the simulator.

    Attributes:
        name: short name for tables.
        source: the file it was read from, or the simulator and its seed.
        kind: ``replay``: people walk as recorded, whatever the robot does; ``reactive``: they
            make way for it.
        tracks: ordered by first time, then person.
        row_period_s: time between two rows of one person.
        bounds: box around all positions.
        notes: what was assumed or repaired while reading, one sentence each.
    """

    name: str
    source: str
    kind: Literal["replay", "reactive"]
    tracks: tuple[Track, ...]
    row_period_s: float
    bounds: Bounds
    notes: tuple[str, ...] = ()

    @property
    def start_s(self) -> float:
        """Time of the first row of all."""
        return min((track.start_s for track in self.tracks), default=0.0)

    @property
    def end_s(self) -> float:
        """Time of the last row of all."""
        return max((track.end_s for track in self.tracks), default=0.0)

    @property
    def row_count(self) -> int:
        """Rows of all tracks together."""
        return sum(len(track) for track in self.tracks)

    @property
    def people(self) -> frozenset[int]:
        """Everybody who has a row."""
        return frozenset(track.person for track in self.tracks)


def bounds_of(tracks: Sequence[Track]) -> Bounds:
    """Return the box around every position of `tracks`; all zero when there is none."""
    if not tracks:
        return (0.0, 0.0, 0.0, 0.0)
    low = np.min([track.position.min(axis=0) for track in tracks], axis=0)
    high = np.max([track.position.max(axis=0) for track in tracks], axis=0)
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
