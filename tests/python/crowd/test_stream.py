"""The tracker's view of a recording: on time, without the future, and complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore.crowd import CrowdFrame, CrowdStream, Scene, Track, read_scene, split_by_time
from optcore.crowd.scene import bounds_of
from optcore.errors import ConfigError

TRUTH = ("position", "present")  # the only fields that may know the future


def scene_of(*tracks: Track, period: float = 0.4) -> Scene:
    return Scene("made", "test", "replay", tracks, period, bounds_of(tracks))


def straight(person: int, first: int, rows: int) -> Track:
    time = 0.4 * np.arange(first, first + rows)
    return Track(person, time, np.stack((time, 2.0 * time + person), axis=1))


def at(frame: CrowdFrame, person: int) -> int:
    return int(np.flatnonzero(frame.ids == person)[0])


def test_positions_and_delay() -> None:
    stream = CrowdStream(scene_of(straight(1, 0, 11), straight(2, 3, 4)))
    assert len(stream) == 41
    frame = stream.frame(15)  # 1.5 s: the newest row is the one at 1.2 s
    assert frame.time == pytest.approx(1.5)
    assert frame.ids.tolist() == [1, 2]
    np.testing.assert_allclose(frame.position, [[1.5, 4.0], [1.5, 5.0]])
    np.testing.assert_allclose(frame.observed, [[1.1, 3.2], [1.2, 4.4]])  # 2 has only one row yet
    np.testing.assert_allclose(frame.observed_at, [1.1, 1.2])
    np.testing.assert_allclose(frame.row_time, [1.2, 1.2])
    np.testing.assert_allclose(frame.velocity, [[1.0, 2.0], [0.0, 0.0]])
    assert frame.rows_seen.tolist() == [4, 1]
    assert not frame.new_row.any()
    assert stream.frame(16).new_row.all()
    np.testing.assert_allclose(stream.frame(16).velocity[1], [1.0, 2.0])


def test_somebody_leaves_when_the_row_does_not_come() -> None:
    stream = CrowdStream(scene_of(straight(1, 0, 11), straight(2, 3, 4)))  # 2: rows 1.2 to 2.4 s
    frames = list(stream)
    assert [frame.step for frame in frames if 2 in frame.ids] == list(range(12, 28))
    assert [frame.step for frame in frames if 2 in frame.left] == [28]
    assert [frame.step for frame in frames if 2 in frame.ids and frame.present[at(frame, 2)]] == (
        list(range(12, 25))
    )
    np.testing.assert_allclose(frames[27].position[at(frames[27], 2)], [2.4, 6.8])
    np.testing.assert_allclose(frames[27].observed[at(frames[27], 2)], [2.3, 6.6])


def test_start_and_counted() -> None:
    stream = CrowdStream(scene_of(straight(1, 0, 11), straight(2, 3, 4)), 0.1, 2.0, 3.0, {2})
    assert len(stream) == 11
    frame = stream.frame(0)
    assert frame.rows_seen.tolist() == [6, 3]  # rows before the start are known
    assert frame.counted.tolist() == [False, True]
    assert frame.left.size == 0
    np.testing.assert_allclose(frame.observed_at, 1.6)


@pytest.mark.parametrize(
    "arguments", [{"period_s": 0.0}, {"period_s": float("nan")}, {"start_s": 9.0, "end_s": 1.0}]
)
def test_bad_arguments(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        CrowdStream(scene_of(straight(1, 0, 11)), **arguments)


def test_frame_outside() -> None:
    with pytest.raises(IndexError):
        CrowdStream(scene_of(straight(1, 0, 11))).frame(41)


def test_scene_without_people() -> None:
    frames = list(CrowdStream(scene_of(), end_s=0.3))
    assert [frame.ids.size for frame in frames] == [0] * 4


def _compare_past(stream: CrowdStream, other: CrowdStream, until_s: float) -> None:
    for mine, theirs in zip(stream, other, strict=False):
        if mine.time >= until_s - 1e-9:
            break
        for field in CrowdFrame._fields:
            if field not in TRUTH:
                np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field), field)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    period=st.sampled_from([0.04, 0.1, 0.25, 0.4, 0.7]),
    jitter=st.sampled_from([0.0, 0.3]),
)
def test_no_row_of_the_future_is_seen(seed: int, period: float, jitter: float) -> None:
    """Change every row from some instant on: no frame before it may differ, truth aside."""
    rng = np.random.default_rng(seed)
    tracks = []
    for person in range(6):
        rows = int(rng.integers(1, 12))
        steps = 0.4 * (1.0 - jitter * rng.random(rows)) if jitter else np.full(rows, 0.4)
        time = 0.4 * int(rng.integers(0, 10)) + np.cumsum(steps) - steps[0]
        tracks.append(Track(person, time, np.cumsum(rng.normal(size=(rows, 2)), axis=0)))
    scene = scene_of(*tracks)
    changed_from = float(rng.uniform(0.0, scene.end_s))
    changed = []
    for track in tracks:
        later = (track.time >= changed_from)[:, None]
        moved = np.where(later, track.position + 100.0 * rng.normal(size=2), track.position)
        changed.append(replace(track, position=moved))
    instants = np.concatenate([track.time for track in tracks])
    until = float(np.min(instants[instants >= changed_from], initial=np.inf))
    end = scene.end_s
    _compare_past(
        CrowdStream(scene, period, 0.0, end),
        CrowdStream(scene_of(*changed), period, 0.0, end),
        until,
    )


def test_cutting_the_future_off_changes_nothing_before(data_dir: Path) -> None:
    """The rows after an instant may as well not exist: frames up to it are the same."""
    scene = read_scene(data_dir / "intent/ucy/crowds_zara02.txt")
    until = 100.0 + 1e-6
    known = [
        Track(track.person, track.time[:rows], track.position[:rows])
        for track in scene.tracks
        if (rows := int(np.searchsorted(track.time, until)))
    ]
    _compare_past(
        CrowdStream(scene, 0.1, 0.0, 100.0), CrowdStream(scene_of(*known), 0.1, 0.0, 100.0), until
    )


def test_every_row_of_a_recording_is_seen_once(data_dir: Path) -> None:
    scene = read_scene(data_dir / "intent/eth/seq_eth.csv")
    split = split_by_time(scene)
    end = scene.end_s + 0.1  # the last instants of the recording lie between two frames
    stream = CrowdStream(split.test, 0.1, split.cut_s, end, counted=split.counted)
    seen, left = 0, []
    for frame in stream:
        seen += int(frame.new_row.sum())
        left += frame.left.tolist()
        assert len(set(frame.ids.tolist())) == len(frame.ids)
        assert (frame.row_time <= frame.time + 1e-9).all()
        assert (frame.observed_at <= frame.row_time).all()
        inside = frame.observed_at >= frame.time - 0.4 - 1e-9
        assert inside.all()
        assert frame.counted.tolist() == [person in split.counted for person in frame.ids.tolist()]
    assert seen == split.test.row_count
    assert len(left) == len(set(left))
