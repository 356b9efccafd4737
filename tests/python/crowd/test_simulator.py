"""The simulated crowd: repeatable, walking, and making way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from optcore.crowd import CrowdFrame, CrowdSimulator, CrowdStream, Square, simulate_recording
from optcore.crowd.people import Walk
from optcore.errors import ConfigError, ShapeError


def run(crowd: CrowdSimulator, seconds: float, **robot: object) -> list[CrowdFrame]:
    return [crowd.step(0.1, **robot) for _ in range(round(seconds / 0.1))]  # type: ignore[arg-type]


def least_distance(frames: list[CrowdFrame], place: tuple[float, float]) -> list[float]:
    return [
        float(np.min(np.hypot(*(frame.position[frame.present] - place).T), initial=np.inf))
        for frame in frames
    ]


def test_same_seed_same_people() -> None:
    first, second, other = (
        run(CrowdSimulator(seed=seed), 20.0, robot_position=(8.0, 6.0)) for seed in (4, 4, 5)
    )
    for mine, theirs in zip(first, second, strict=True):
        for field in CrowdFrame._fields:
            np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field), field)
    assert not np.array_equal(first[-1].ids, other[-1].ids)


def test_who_comes_does_not_depend_on_the_robot() -> None:
    with_robot = run(CrowdSimulator(seed=2), 60.0, robot_position=(8.0, 6.0))
    without = run(CrowdSimulator(seed=2), 60.0)
    people = [
        set(np.concatenate([frame.ids for frame in frames])) for frames in (with_robot, without)
    ]
    assert len(people[0] ^ people[1]) <= 1  # somebody may still wait at a gate


@pytest.mark.parametrize("people", [5, 20, 40])
def test_people_keep_apart_and_walk_at_human_speed(people: int) -> None:
    crowd = CrowdSimulator(Square(people=people), seed=people)
    frames = run(crowd, 60.0)
    closest, numbers = [], []
    for before, after in pairwise(frames):
        place = after.position[after.present]
        numbers.append(len(place))
        if len(place) > 1:
            apart = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
            closest.append(apart[np.triu_indices(len(place), 1)].min())
        _, mine, theirs = np.intersect1d(before.ids, after.ids, return_indices=True)
        step = np.hypot(*(after.position[theirs] - before.position[mine]).T)
        assert (step <= 0.1 * 1.3 * 1.8 + 1e-9).all()
    assert np.percentile(closest, 5) > 0.2
    assert min(closest) > 0.1
    assert 0.6 * people < np.mean(numbers) < 1.4 * people


def test_people_make_way_for_a_standing_robot() -> None:
    place = (8.0, 6.0)
    ignored = least_distance(run(CrowdSimulator(seed=9), 120.0), place)
    respected = least_distance(run(CrowdSimulator(seed=9), 120.0, robot_position=place), place)
    assert min(ignored) < 0.2
    assert min(respected) > 0.45
    assert np.percentile(respected, 5) > np.percentile(ignored, 5) + 0.25


def test_people_foresee_a_moving_robot() -> None:
    """The same robot in the same place pushes more where it is heading for."""
    ahead = {}
    for speed in (0.0, 1.0):
        crowd = CrowdSimulator(Square(people=0), seed=1)
        crowd._people.add(
            Walk(
                person=1, place=np.array([8.0, 6.0]), speed=1.2,
                gate=0, goal=np.array([0.0, 6.0]),
                second_gate=1, second_goal=np.zeros(2), switch_at_m=-1.0,
            )
        )  # fmt: skip
        frames = run(crowd, 1.0, robot_position=(6.0, 6.2), robot_velocity=(speed, 0.0))
        ahead[speed] = 6.0 - crowd._people.position[1, 0]
        assert frames[-1].step == 10
    assert ahead[1.0] > ahead[0.0] + 0.02


def test_the_tracker_sees_rows_late_and_only_the_past() -> None:
    crowd = CrowdSimulator(seed=6)
    rows: dict[int, list[tuple[float, np.ndarray]]] = {}
    previous: set[int] = set()
    for frame in [crowd.frame(), *run(crowd, 20.0, robot_position=(8.0, 6.0))]:
        assert frame.new_row.all() == (frame.step % 4 == 0)
        for k, person in enumerate(frame.ids.tolist()):
            known = rows.setdefault(person, [])
            if frame.new_row[k]:
                known.append((frame.time, frame.position[k]))
            if frame.step < 4:
                continue  # rows before time 0 are not known here
            times = np.array([time for time, _ in known])
            when = np.clip(frame.time - 0.4, times[0], None)
            assert frame.observed_at[k] == pytest.approx(when, abs=1e-6)
            places = np.array([place for _, place in known])
            expected = [np.interp(when, times, places[:, axis]) for axis in range(2)]
            np.testing.assert_allclose(frame.observed[k], expected, atol=1e-6)
        ids = set(frame.ids.tolist())
        assert previous - ids == set(frame.left.tolist())
        previous = ids


def test_recording_is_what_a_stream_would_play() -> None:
    crowd = CrowdSimulator(Square(people=10), seed=3)
    frames = [crowd.frame(), *run(crowd, 30.0)]
    scene = crowd.recording()
    assert scene.kind == "reactive"
    assert (scene.start_s, scene.row_period_s) == (0.0, 0.4)
    for live, played in zip(frames, CrowdStream(scene), strict=False):
        if live.step < 4:
            continue  # the simulator has rows from before time 0
        assert sorted(live.ids) == sorted(played.ids)
        mine, theirs = np.argsort(live.ids), np.argsort(played.ids)
        np.testing.assert_allclose(live.observed[mine], played.observed[theirs], atol=1e-6)
        np.testing.assert_allclose(live.velocity[mine], played.velocity[theirs], atol=1e-5)
        np.testing.assert_array_equal(live.present[mine], played.present[theirs])


def test_simulated_recording() -> None:
    scene = simulate_recording(120.0, seed=7, people=15)
    assert scene.end_s == pytest.approx(120.0)
    assert all(np.allclose(np.diff(track.time), 0.4) for track in scene.tracks)
    finished = [track for track in scene.tracks if track.complete and track.start_s > 0.0]
    assert len(finished) > 50
    gates = np.array(Square().gates)
    ends = np.array([track.position[-1] for track in finished])
    assert np.hypot(*(ends[:, None] - gates[None]).transpose(2, 0, 1)).min(axis=1).max() < 2.2
    again = simulate_recording(120.0, seed=7, people=15)
    assert all(
        np.array_equal(a.position, b.position)
        for a, b in zip(scene.tracks, again.tracks, strict=True)
    )


def test_some_people_change_their_minds() -> None:
    crowd = CrowdSimulator(Square(switching=1.0), seed=8)
    before = {person: crowd.goal_of(person) for person in crowd.frame().ids.tolist()}
    changed = 0
    for _ in range(50):
        for person in crowd.step(0.1).ids.tolist():
            changed += before.get(person, crowd.goal_of(person)) != crowd.goal_of(person)
    assert changed > 0
    with pytest.raises(KeyError):
        crowd.goal_of(10**9)


@pytest.mark.parametrize("dt", [0.01, 0.04, 0.1, 0.4, 1.0])
def test_any_period(dt: float) -> None:
    crowd = CrowdSimulator(Square(people=8), seed=1)
    for _ in range(round(4.0 / dt)):
        frame = crowd.step(dt, (8.0, 6.0), (0.5, 0.0))
    assert frame.time == pytest.approx(4.0)
    assert np.isfinite(frame.observed).all()
    assert (frame.time - frame.row_time < 0.4 + dt).all()


def test_nobody_at_all() -> None:
    crowd = CrowdSimulator(Square(people=0), seed=1)
    assert run(crowd, 2.0, robot_position=(1.0, 1.0))[-1].ids.size == 0
    assert crowd.recording().tracks == ()


def test_bad_arguments() -> None:
    crowd = CrowdSimulator(Square(people=1))
    for dt in (0.0, -0.1, float("nan")):
        with pytest.raises(ConfigError):
            crowd.step(dt)
    for position in ((1.0,), (1.0, float("nan"))):
        with pytest.raises(ShapeError):
            crowd.step(0.1, position)
    for wrong in (
        {"people": -1}, {"gates": ((0.0, 0.0),)}, {"switching": 2.0}, {"width_m": 0.0},
        {"slowest_m_s": 3.0},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            Square(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        simulate_recording(0.0)
