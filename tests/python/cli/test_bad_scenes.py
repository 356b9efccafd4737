"""Every scene that cannot be used gets one clear line and exit code 2; run as real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "optcore", "run", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0], lines[0]


GOOD = "".join(f"{10 * i}\t1\t{0.5 * i}\t1.0\n" for i in range(20))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("0 1 2.0 3.0\n", ()),
        (GOOD + "200\t1\tabc\t1.0\n", ("row 21", "abc")),
        (GOOD + "200\t1\tnan\t1.0\n", ("row 21", "nan")),
        (GOOD + GOOD, ("row 21",)),
        ("".join(reversed(GOOD.splitlines(keepends=True))), ("row",)),
        (GOOD + "200\t1\t1e9\t1.0\n", ("row 21",)),
        (GOOD + "200\t1\n", ("row 21",)),
    ],
    ids=["empty", "one row", "text", "nan", "duplicates", "out of order", "far", "columns"],
)
def test_bad_scene(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    scene = tmp_path / "scene.txt"
    scene.write_text(text)
    refused(run(scene, "--quiet"), str(scene), *words)


def test_missing_file(tmp_path: Path) -> None:
    refused(run(tmp_path / "none.txt"), "none.txt")


def test_far_goals(tmp_path: Path) -> None:
    goals = tmp_path / "goals.txt"
    goals.write_text("1.0 2.0\n2e5 0\n")
    scene = tmp_path / "scene.txt"
    scene.write_text(GOOD)
    refused(run(scene, "--goals", goals), str(goals), "row 2")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--people", "0"), "--people"),
        (("--seed", "-1"), "--seed"),
        (("--json", "/nowhere/at/all.json"), "--json"),
        (("--period", "0"), "period"),
        (("--robot", "/nowhere.toml"), "/nowhere.toml"),
        (("--start", "nan", "0"), "--start"),
        (("--forecast", "oracle"), "--forecast"),
    ],
)
def test_bad_option(arguments: tuple[str, ...], word: str) -> None:
    refused(run(*arguments), word)


def test_unknown_robot_setting_is_named(tmp_path: Path) -> None:
    robot = tmp_path / "robot.toml"
    robot.write_text("[robot]\nmax_sped = 1.0\n")
    refused(run("--robot", robot), str(robot), "max_sped", "max_speed")
