"""What may be learned from, and what is reported on: a cut through a recording by time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optcore.crowd.scene import Scene, Track, bounds_of
from optcore.errors import ConfigError

__all__ = ["SceneSplit", "split_by_time"]


@dataclass(frozen=True, eq=False, slots=True)
class SceneSplit:
    """The two parts of a recording.

    Attributes:
        cut_s: the time of the cut, on the recording's clock.
        training: what was seen up to the cut. A track that goes on after it is truncated and has
            ``complete`` False.
        test: everybody seen after the cut, rows after the cut only. People who were already
            there are part of it, because the robot must not run into them.
        counted: people of `test` without any row up to the cut. Only they are "never seen
            before"; prediction and intent figures are taken on them alone.
    """

    cut_s: float
    training: tuple[Track, ...]
    test: Scene
    counted: frozenset[int]


def split_by_time(scene: Scene, fraction: float = 0.6) -> SceneSplit:
    """Cut `scene` after `fraction` of its duration.

    Args:
        scene: any scene; a row exactly at the cut belongs to the training part.
        fraction: of the time from the first to the last row, in (0, 1).

    Raises:
        ConfigError: `fraction` is not between 0 and 1.
    """
    if not 0.0 < fraction < 1.0:
        raise ConfigError(f"fraction must lie between 0 and 1, got {fraction}")
    start = scene.start_s
    cut = start + fraction * (scene.end_s - start)

    training: list[Track] = []
    test: list[Track] = []
    for track in scene.tracks:
        rows_before = int(np.searchsorted(track.time, cut, side="right"))
        if rows_before == len(track):
            # Whether the person left or the cut came first shows only in the next row, which is
            # already on the other side: an end within one row of the cut is no known end.
            left_before = track.end_s + scene.row_period_s <= cut
            training.append(track if left_before else replace(track, complete=False))
        elif rows_before == 0:
            test.append(track)
        else:
            before, after = slice(None, rows_before), slice(rows_before, None)
            training.append(
                Track(track.person, track.time[before], track.position[before], complete=False)
            )
            test.append(
                Track(track.person, track.time[after], track.position[after], track.complete)
            )

    test.sort(key=lambda track: (track.start_s, track.person))
    seen = {track.person for track in training}
    part = replace(scene, name=f"{scene.name} (test)", tracks=tuple(test), bounds=bounds_of(test))
    return SceneSplit(cut_s=cut, training=tuple(training), test=part, counted=part.people - seen)
