"""The robot's task: across the flow, inside the area, always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optcore.crowd import (
    Scene,
    Track,
    read_scene,
    simulate_recording,
    split_by_time,
    suggest_crossing,
)
from optcore.crowd.scene import bounds_of
from optcore.errors import ConfigError

FILES = [
    "eth/biwi_eth.txt", "eth/seq_eth.csv", "ucy/crowds_zara01.txt", "ucy/crowds_zara02.txt",
    "ucy/students003.txt", "ucy/zara01.csv", "ucy/zara02.csv",
]  # fmt: skip


def check(scene: Scene, tracks: tuple[Track, ...]) -> None:
    start, goal = suggest_crossing(scene, tracks)
    again = suggest_crossing(scene, tracks)
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate((start, goal)))
    low, high = np.array(scene.bounds[:2]) - 1.0, np.array(scene.bounds[2:]) + 1.0
    for end in (start, goal):
        assert (end >= low - 1e-9).all()
        assert (end <= high + 1e-9).all()
    assert np.hypot(*(goal - start)) >= 8.0 - 1e-9
    crossed = 0
    way = (goal - start) / np.hypot(*(goal - start))
    for track in tracks:
        side = np.cross(np.append(way, 0.0), np.c_[track.position - start, np.zeros(len(track))])[
            :, 2
        ]
        crossed += bool(side.min() < 0.0 < side.max())
    assert crossed > 0.3 * len(tracks)


@pytest.mark.parametrize("file", FILES)
def test_recordings(data_dir: Path, file: str) -> None:
    scene = read_scene(data_dir / "intent" / file)
    check(scene, split_by_time(scene).test.tracks)


def test_simulated_square() -> None:
    scene = simulate_recording(60.0, seed=1)
    check(scene, scene.tracks)


def test_flow_along_an_axis_is_crossed_at_right_angles() -> None:
    time = 0.4 * np.arange(40)
    tracks = tuple(
        Track(
            who, time, np.stack((sign * 0.5 * (np.arange(40) - 20), np.full(40, who / 2)), axis=1)
        )
        for who, sign in enumerate((1, -1, 1, 1, -1))
    )
    start, goal = suggest_crossing(Scene("made", "test", "replay", tracks, 0.4, bounds_of(tracks)))
    assert abs(start[0] - goal[0]) < 1e-9
    assert abs(goal[1] - start[1]) == pytest.approx(4.0)  # two metres of people and the margins


def test_people_who_stand_give_a_task_too() -> None:
    tracks = (Track(1, np.arange(3) * 0.4, np.zeros((3, 2))),)
    scene = Scene("made", "test", "replay", tracks, 0.4, bounds_of(tracks))
    start, goal = suggest_crossing(scene)
    assert np.isfinite(start).all()
    assert 1.0 < np.hypot(*(goal - start)) <= 2.0 * np.sqrt(2.0)


def test_nobody() -> None:
    with pytest.raises(ConfigError, match="at least one track"):
        suggest_crossing(Scene("made", "test", "replay", (), 0.4, (0.0, 0.0, 1.0, 1.0)))
