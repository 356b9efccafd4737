"""Recordings: what is read, what is repaired with a note, and what is refused in one line."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optcore.crowd import read_scene
from optcore.errors import ConfigError, SceneError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines (or bytes) to a file and return its path."""

    def write_lines(*lines: str | bytes, name: str = "scene.txt") -> Path:
        file = tmp_path / name
        file.write_bytes(
            b"".join(line if isinstance(line, bytes) else (line + "\n").encode() for line in lines)
        )
        return file

    return write_lines


WALK = ("0 1 0.0 0.0", "10 1 0.5 0.0", "20 1 1.0 0.0")


@pytest.mark.parametrize(
    ("file", "rows_people_step_most"),
    [
        ("eth/biwi_eth.txt", (5492, 360, 10, 27)),
        ("eth/seq_eth.csv", (8908, 360, 6, 27)),
        ("ucy/crowds_zara01.txt", (5153, 148, 10, 20)),
        ("ucy/crowds_zara02.txt", (9722, 204, 10, 20)),
        ("ucy/students003.txt", (17953, 434, 10, 52)),
        ("ucy/zara01.csv", (5024, 148, 10, 20)),
        ("ucy/zara02.csv", (9537, 204, 10, 18)),
    ],
)
def test_real_recordings(
    data_dir: Path, file: str, rows_people_step_most: tuple[int, int, int, int]
) -> None:
    scene = read_scene(data_dir / "intent" / file, strict=True)
    rows, people, step, most = rows_people_step_most
    assert (scene.row_count, len(scene.people), scene.kind) == (rows, people, "replay")
    assert (scene.row_period_s, scene.start_s) == (0.4, 0.0)
    assert f"annotation step of {step} frames was taken as 0.4 s" in " ".join(scene.notes)
    times = np.concatenate([track.time for track in scene.tracks])
    assert np.unique(np.round(times, 6), return_counts=True)[1].max() == most
    for track in scene.tracks:
        assert np.allclose(np.diff(track.time), 0.4)
        assert track.position.shape == (len(track), 2)


def test_the_eth_benchmark_file_says_what_was_assumed(data_dir: Path) -> None:
    file = data_dir / "intent/eth/biwi_eth.txt"
    assert "0.67 s" in " ".join(read_scene(file).notes)
    real = read_scene(file, fps=15)
    assert real.row_period_s == pytest.approx(10 / 15)
    assert real.end_s == pytest.approx(read_scene(data_dir / "intent/eth/seq_eth.csv").end_s, abs=1)


def test_velocity_columns_are_not_read(write: Write) -> None:
    rows = ("0,7,0,0,9,9", "10,7,1,0,nan,word", "20,7,2,0,,")
    scene = read_scene(write("frame,ped_id,x_m,y_m,vx_mps,vy_mps", *rows, name="walk.csv"))
    assert scene.tracks[0].person == 7
    assert scene.tracks[0].position.tolist() == [[0, 0], [1, 0], [2, 0]]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", "   "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_layouts(write: Write, separator: str, end: str) -> None:
    text = end.join(line.replace(" ", separator) for line in ("# made by hand", *WALK, ""))
    scene = read_scene(write(b"\xef\xbb\xbf", text.encode()))
    assert scene.tracks[0].time.tolist() == [0.0, 0.4, 0.8]
    assert scene.bounds == (0.0, 0.0, 1.0, 0.0)


def test_header_in_any_order(write: Write) -> None:
    scene = read_scene(write("y,x,label,id,frame", "1,2,walks,5,0", "3,4,stands,5,10"))
    assert scene.tracks[0].person == 5
    assert scene.tracks[0].position.tolist() == [[2, 1], [4, 3]]


def test_gap_splits_a_track(write: Write) -> None:
    scene = read_scene(write(*WALK, "70 1 4 0", "80 1 5 0", "80 2 9 9", "90 2 9 9", "200 2 9 9"))
    assert [(track.person, len(track)) for track in scene.tracks] == [
        (1, 3),
        (1, 2),
        (2, 2),
        (2, 1),
    ]
    assert [track.complete for track in scene.tracks] == [False, True, False, False]
    assert "2 gap(s)" in " ".join(scene.notes)


def test_out_of_order_is_sorted_with_a_note(write: Write) -> None:
    file = write(WALK[0], WALK[2], WALK[1])
    scene = read_scene(file)
    assert scene.tracks[0].position[:, 0].tolist() == [0.0, 0.5, 1.0]
    assert "1 row(s) out of order were sorted (first: row 3)" in scene.notes
    with pytest.raises(SceneError, match="row 3: frame 10 of person 1 comes after a later frame"):
        read_scene(file, strict=True)


def test_grouped_by_person_is_in_order(write: Write) -> None:
    scene = read_scene(write(*WALK, "0 2 5 5", "10 2 5 6"), strict=True)
    assert len(scene.notes) == 1  # the time base, nothing else


def test_repeated_rows_are_dropped_with_a_note(write: Write) -> None:
    file = write(*WALK, WALK[1])
    scene = read_scene(file)
    assert scene.row_count == 3
    assert any("repeated row(s) were dropped (first: row 4)" in note for note in scene.notes)
    with pytest.raises(SceneError, match="the same frame") as caught:
        read_scene(write(*WALK[:2], WALK[1]), strict=True)
    assert caught.value.row == 3


def _one_line(error: SceneError, file: Path, row: int | None) -> None:
    assert error.file == str(file)
    assert error.row == row
    assert error.remedy
    assert "\n" not in str(error)
    assert str(file) in str(error)
    assert "need" in str(error)


BAD = {
    "empty": ((), None, "empty"),
    "blank": (("", "  ", ""), None, "empty"),
    "comments": (("# nothing", "# here"), None, "comments only"),
    "one row": ((WALK[0],), 1, "only row"),
    "nobody twice": ((WALK[0], "0 2 1 1"), 1, "nobody has two rows"),
    "text in a number": ((*WALK, "30 1 abc 0"), 4, "'abc' in column 3"),
    "text first": (("zero 1 0 0", *WALK), 1, "'zero' in column 1"),
    "underscore": ((*WALK, "30 1 1_0 0"), 4, "'1_0' in column 3"),
    "hexadecimal": ((*WALK, "30 1 0x1f 0"), 4, "'0x1f' in column 3"),
    "not a number": ((*WALK, "30 1 nan 0"), 4, "nan"),
    "infinite": ((*WALK[:2], "20 1 0 -inf", WALK[2]), 3, "-inf"),
    "too large": ((*WALK, "30 1 1e999 0"), 4, "inf"),
    "no person": ((*WALK, "30 nan 0 0"), 4, "nan"),
    "half a person": ((*WALK, "30 1.5 0 0"), 4, "1.5"),
    "huge person": ((*WALK, "30 1e17 0 0"), 4, "1e+17"),
    "huge frame": ((*WALK, "1e300 1 0 0"), 4, "1e+300"),
    "wrong frame": ((*WALK, "10000000000 1 0 0"), 4, "frame 1e+10 makes"),
    "wrong first frame": (("0 1 0 0", "10000000000 1 0 0", "10000000010 1 0 0"), 1, "frame 0"),
    "three columns": ((*WALK, "30 1 0"), 4, "3 columns"),
    "five columns": ((*WALK, "30 1 0 0 0"), 4, "5 columns"),
    "all five": (("0 1 0 0 0", "10 1 0 0 0"), 1, "5 columns"),
    "one column": (("0", "10"), 1, "1 column in"),
    "missing value": (("0,1,0,0", "10,1,,0"), 2, "nothing in column 3"),
    "csv short": (("frame,id,x,y,label", "0,1,0,0,a", "10,1,0,0"), 3, "4 columns"),
    "csv long": (("frame,id,x,y,label", "0,1,0,0,a", "10,1,0,0,b,c"), 3, "6 columns"),
    "header only": (("frame,ped_id,x_m,y_m",), None, "no rows"),
    "wrong header": (("time,who,where", "1,2,3"), 1, "no column for frame"),
    "far": ((*WALK, "30 1 0 100001"), 4, "100001"),
    "contradiction": ((*WALK, "10 1 7 7"), 4, "two places in frame 10 (row 2"),
    "binary": ((b"0 1 0 0\n\0\1\2",), 2, "binary"),
    "not text": ((b"0 1 0 0\n\xff\xfe9",), 2, "no text"),
    "counted with skipped lines": (("# a", "", *WALK, "", "30 1 far 0"), 7, "'far'"),
    "counted with a header": (("frame,id,x,y", "0,1,0,0", "", "10,1,nan,0"), 4, "nan"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_scenes_get_one_clear_line(write: Write, case: str) -> None:
    lines, row, came = BAD[case]
    file = write(*lines)
    with pytest.raises(SceneError) as caught:
        read_scene(file)
    _one_line(caught.value, file, row)
    assert came in str(caught.value)


def test_long_text_is_clipped(write: Write) -> None:
    with pytest.raises(SceneError) as caught:
        read_scene(write(*WALK, "30 1 0 " + "x" * 10_000))
    assert len(caught.value.problem) < 200


def test_paths_that_are_no_recording(tmp_path: Path) -> None:
    for file, came in (
        (tmp_path / "absent.txt", "no such file"),
        (tmp_path, "directory"),
        (Path(os.devnull), "no regular file"),
    ):
        with pytest.raises(SceneError, match=came) as caught:
            read_scene(file)
        _one_line(caught.value, file, None)


def test_unreadable_file(
    public_dir: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    file = public_dir / "scene.txt"
    file.write_text("\n".join(WALK))
    file.chmod(0)
    with unprivileged(), pytest.raises(SceneError, match="permission denied") as caught:
        read_scene(file)
    _one_line(caught.value, file, None)


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_bad_frame_rate(write: Write, fps: float) -> None:
    with pytest.raises(ConfigError, match="fps"):
        read_scene(write(*WALK), fps=fps)


def test_a_million_rows(tmp_path: Path) -> None:
    frame, person = np.meshgrid(np.arange(1000) * 10, np.arange(1000), indexing="ij")
    rows = np.stack((frame, person, person * 0.5, frame * 0.01), axis=-1).reshape(-1, 4)
    file = tmp_path / "large.txt"
    np.savetxt(file, rows, fmt="%g", delimiter="\t")
    scene = read_scene(file)
    assert (scene.row_count, len(scene.tracks)) == (1_000_000, 1000)
    with file.open("a") as more:
        more.write("10000\t1\toops\t0\n")
    with pytest.raises(SceneError, match="row 1000001: 'oops' in column 3"):
        read_scene(file)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    people=st.dictionaries(
        st.integers(-(2**40), 2**40),
        st.lists(
            st.tuples(*[st.floats(-1e5, 1e5, allow_subnormal=False)] * 2), min_size=2, max_size=8
        ),
        min_size=1,
        max_size=6,
    ),
    frames=st.tuples(st.integers(-1000, 10**6), st.integers(1, 30)),
    separator=st.sampled_from([" ", "\t", ",", " , "]),
    shuffle=st.randoms(use_true_random=False),
)
def test_round_trip(
    tmp_path: Path,
    people: dict[int, list[tuple[float, float]]],
    frames: tuple[int, int],
    separator: str,
    shuffle: random.Random,
) -> None:
    first, step = frames
    lines = [
        separator.join((str(first + k * step), str(person), repr(x), repr(y)))
        for person, places in people.items()
        for k, (x, y) in enumerate(places)
    ]
    shuffle.shuffle(lines)
    file = tmp_path / "round.txt"
    file.write_text("\n".join(lines))
    scene = read_scene(file)
    assert scene.people == people.keys()
    for track in scene.tracks:
        assert track.position.tolist() == [list(place) for place in people[track.person]]
        assert np.allclose(track.time, 0.4 * np.arange(len(track)))
    assert not scene.tracks[0].position.flags.writeable


@pytest.mark.parametrize("unit", [1.0, 0.04, 1e-300])
def test_frames_may_be_fractions(write: Write, unit: float) -> None:
    scene = read_scene(write(*(f"{k * unit!r} 1 {k} 0" for k in (0, 10, 20, 30, 50, 60))))
    assert [np.round(track.time, 6).tolist() for track in scene.tracks] == [
        [0.0, 0.4, 0.8, 1.2],
        [2.0, 2.4],
    ]


NOISE = '0123456789.-+eE,; \t\r\n#nax_"\u0663\u00bd\u2028'


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet=NOISE, max_size=60).map(str.encode),
        st.lists(
            st.lists(st.floats().map(repr) | st.integers().map(str), min_size=3, max_size=5).map(
                " ".join
            ),
            max_size=6,
        ).map(lambda lines: "\n".join(lines).encode()),
    )
)
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever the bytes, the outcome is a scene or one clear line."""
    file = tmp_path / "any.txt"
    file.write_bytes(content)
    try:
        scene = read_scene(file)
    except SceneError as error:
        refused = error
    else:
        assert np.isfinite(scene.bounds).all()
        assert scene.end_s <= 1e6
        return
    assert len(str(refused).splitlines()) == 1
    assert refused.remedy
