"""A recording played at the control period, as a tracker on the robot would give it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from optcore.crowd.frame import CrowdFrame
from optcore.crowd.scene import Scene
from optcore.errors import ConfigError

__all__ = ["CrowdStream"]

_INSTANT = 1e-9  # times closer than this are the same; sums of periods are not exact


class CrowdStream:
    """Frames of a scene, one per control period, without anything of the future.

    Rows of all people lie behind each other in one set of arrays. For each frame the newest
    visible row of everybody in it is known beforehand, so a frame is a few gathers.

    Args:
        scene: what is played.
        period_s: control period.
        start_s: time of frame 0; None is the scene's first row. Rows before it are known.
        end_s: time no frame goes beyond; None is the scene's last row.
        counted: people who count in prediction and intent figures; None counts everybody.

    Raises:
        ConfigError: the period is not positive, the times are not finite, or end lies before start.

    Example:
        >>> from optcore.crowd import simulate_recording
        >>> frames = list(CrowdStream(simulate_recording(2.0, seed=1, people=3), period_s=0.1))
        >>> len(frames), frames[0].ids.shape == (len(frames[0].observed),)
        (21, True)
    """

    def __init__(
        self,
        scene: Scene,
        period_s: float = 0.1,
        start_s: float | None = None,
        end_s: float | None = None,
        counted: Collection[int] | None = None,
    ) -> None:
        start = scene.start_s if start_s is None else start_s
        end = scene.end_s if end_s is None else end_s
        if not (np.isfinite(period_s) and period_s > 0.0):
            raise ConfigError(f"period_s must be a positive number, got {period_s}")
        if not (np.isfinite(start) and np.isfinite(end) and start <= end):
            raise ConfigError(f"need start_s <= end_s, both finite, got {start} and {end}")
        self.scene = scene
        self.period_s = period_s
        self.start_s = start
        self._length = int((end - start) / period_s + 1e-6) + 1

        lengths = np.array([len(track) for track in scene.tracks], dtype=np.int64)
        first = np.cumsum(lengths) - lengths
        last = first + lengths - 1
        rows = int(lengths.sum())
        self._time = np.concatenate([np.empty(0)] + [track.time for track in scene.tracks])
        self._position = np.concatenate(
            [np.empty((0, 2))] + [track.position for track in scene.tracks]
        )
        people = np.array([track.person for track in scene.tracks], dtype=np.int64)
        self._person = np.repeat(people, lengths)
        count = np.ones(len(people), np.bool_) if counted is None else np.isin(
            people, np.fromiter(counted, np.int64)
        )  # fmt: skip
        self._counted = np.repeat(count, lengths)
        self._seen = np.arange(1, rows + 1) - np.repeat(first, lengths)
        self._previous = np.arange(rows) - 1
        self._previous[first] = first
        self._next = np.arange(rows) + 1
        self._next[last] = last
        elapsed = self._time - self._time[self._previous]
        elapsed[first] = 1.0  # any: the displacement there is zero
        self._velocity = (self._position - self._position[self._previous]) / elapsed[:, None]

        # Row k is the newest from the first frame that sees it to the one that sees the next row;
        # the last row until the missing one is noticed.
        self._visible = self._first_frame(self._time)
        hidden = np.empty(rows, np.int64)
        hidden[:-1] = self._visible[1:]
        hidden[last] = self._first_frame(self._time[last] + scene.row_period_s)
        counts = np.maximum(hidden - self._visible, 0)
        newest = np.repeat(np.arange(rows), counts)
        frame = np.repeat(self._visible - (np.cumsum(counts) - counts), counts)
        frame += np.arange(len(newest))
        by_frame = np.argsort(frame, kind="stable")
        self._newest = newest[by_frame]
        self._offset = np.searchsorted(frame[by_frame], np.arange(self._length + 1))

        shown = np.add.reduceat(counts, first) > 0 if rows else np.empty(0, np.bool_)
        gone = hidden[last[shown]]
        by_gone = np.argsort(gone, kind="stable")
        self._gone = people[shown][by_gone]
        self._gone_offset = np.searchsorted(gone[by_gone], np.arange(self._length + 1))

    def _first_frame(self, time: np.ndarray) -> np.ndarray:
        """First frame at or after `time`, within those of the stream."""
        frames = np.ceil((time - self.start_s - _INSTANT) / self.period_s)
        return np.clip(frames, 0, self._length).astype(np.int64)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[CrowdFrame]:
        return (self.frame(step) for step in range(self._length))

    def frame(self, step: int) -> CrowdFrame:
        """Return frame `step`, 0 <= step < len(self)."""
        if not 0 <= step < self._length:
            raise IndexError(f"frame {step} of a stream of {self._length}")
        now = self.start_s + step * self.period_s
        row = self._newest[self._offset[step] : self._offset[step + 1]]
        previous, following = self._previous[row], self._next[row]
        row_time = self._time[row]
        row_position = self._position[row]

        # Truth: between the newest row and the one after it.
        after = np.maximum(self._time[following] - row_time, _INSTANT)
        share = np.minimum((now - row_time) / after, 1.0)[:, None]
        position = row_position + share * (self._position[following] - row_position)
        present = (following != row) | (row_time >= now - _INSTANT)

        # Observation: between the newest row and the one before it.
        before = self._time[previous]
        observed_at = np.clip(now - self.scene.row_period_s, before, row_time)
        share = (row_time - observed_at)[:, None]
        return CrowdFrame(
            step=step,
            time=now,
            ids=self._person[row],
            position=position,
            present=present,
            observed=row_position - share * self._velocity[row],
            observed_at=observed_at,
            row_position=row_position,
            row_time=row_time,
            velocity=self._velocity[row],
            rows_seen=self._seen[row],
            new_row=self._visible[row] == step,
            counted=self._counted[row],
            left=self._gone[self._gone_offset[step] : self._gone_offset[step + 1]],
        )
