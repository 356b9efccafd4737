"""The cut by time: nothing seen after it in training, nobody seen before it in the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optcore.crowd import Scene, Track, read_scene, split_by_time
from optcore.crowd.scene import bounds_of
from optcore.errors import ConfigError


def make_scene(*spans: tuple[int, int, int]) -> Scene:
    """People (number, first row, last row) who walk one metre a row of 0.4 s."""
    tracks = tuple(
        Track(who, 0.4 * rows, np.stack((1.0 * rows, 0.0 * rows + who), axis=1))
        for who, first, last in spans
        for rows in [np.arange(first, last + 1)]
    )
    return Scene("made", "test", "replay", tracks, 0.4, bounds_of(tracks))


def test_who_is_where() -> None:
    scene = make_scene((1, 0, 20), (2, 40, 80), (3, 61, 100), (4, 70, 100), (5, 50, 60))
    split = split_by_time(scene)
    assert split.cut_s == pytest.approx(24.0)
    assert [track.person for track in split.training] == [1, 2, 5]
    assert [track.complete for track in split.training] == [True, False, False]
    assert [track.person for track in split.test.tracks] == [2, 3, 4]
    assert split.counted == {3, 4}
    assert split.training[1].end_s <= split.cut_s < split.test.tracks[0].start_s
    assert split.test.bounds == (61.0, 2.0, 100.0, 4.0)


def test_a_person_seen_before_a_gap_is_not_new() -> None:
    scene = make_scene((1, 0, 10), (1, 80, 90), (2, 0, 100))
    assert split_by_time(scene).counted == frozenset()


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fraction_outside(fraction: float) -> None:
    with pytest.raises(ConfigError, match="fraction"):
        split_by_time(make_scene((1, 0, 20)), fraction)


@pytest.mark.parametrize(
    "file", ["ucy/crowds_zara02.txt", "ucy/students003.txt", "eth/seq_eth.csv"]
)
def test_real_recordings_lose_no_row(data_dir: Path, file: str) -> None:
    scene = read_scene(data_dir / "intent" / file)
    split = split_by_time(scene)
    assert sum(map(len, split.training)) + split.test.row_count == scene.row_count
    assert max(track.end_s for track in split.training) <= split.cut_s
    assert min(track.start_s for track in split.test.tracks) > split.cut_s
    seen = {track.person for track in split.training}
    assert split.counted
    assert not split.counted & seen
    assert split.test.people <= split.counted | seen
