"""The main job on recorded and on simulated people."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optcore.crowd import Track, read_scene
from optcore.loop import LoopConfig
from optcore.run.commute import Commute
from optcore.run.result import RunResult, read_json
from optcore.run.session import RunOptions, run_scene

SCENES = (
    "ucy/crowds_zara01.txt",
    "ucy/crowds_zara02.txt",
    "ucy/students003.txt",
    "eth/seq_eth.csv",
)


# Optional work is left out near the deadline; a busy test machine must not change the run.
UNHURRIED = LoopConfig(deadline=10.0)


@pytest.fixture(scope="module", params=SCENES)
def recorded(request: pytest.FixtureRequest, data_dir: Path) -> RunResult:
    scene = read_scene(data_dir / "intent" / request.param, strict=True)
    return run_scene(scene, RunOptions(config=UNHURRIED))


def test_the_robot_crosses_without_touching_anybody(recorded: RunResult) -> None:
    summary = recorded.summary
    assert summary["safety"]["robot_caused_collisions"] == 0
    assert summary["robot"]["reached"]
    assert summary["robot"]["standstill_without_reason_s"] < 2.0
    # what plans carry is what really happened, within what a few hundred independent plans can tell
    safety = summary["safety"]
    assert 0 < safety["risk_observed"] <= 1.25 * safety["risk_promised"] < 0.25
    assert not summary["partial"]


def test_forecasts_and_beliefs_beat_their_baselines(recorded: RunResult) -> None:
    prediction, intent = recorded.summary["prediction"], recorded.summary["intent"]
    assert prediction["windows"] > 500
    assert prediction["fde_m"] <= prediction["cv_fde_m"]
    assert prediction["ade_m"] <= prediction["cv_ade_m"]
    assert prediction["best_of_20_fde_m"] < prediction["fde_m"]
    assert 0.85 < prediction["coverage"]["90"] < 0.99
    assert intent["nll"] < intent["prior_nll"]
    assert intent["top1"] > intent["prior_top1"]


def test_trace_and_figures_belong_together(recorded: RunResult) -> None:
    trace, summary = recorded.trace, recorded.summary
    cycles = summary["cycles"]
    assert trace["time"].shape == (cycles,)
    assert trace["robot"].shape == (cycles, 4)
    assert sum(summary["fallbacks"].values()) == cycles
    assert (np.diff(trace["person_cycle"]) >= 0).all()
    assert np.nanmin(trace["min_distance"]) == pytest.approx(summary["safety"]["min_distance_m"])
    np.testing.assert_allclose(trace["belief"].sum(axis=1), 1, atol=1e-5)
    config = LoopConfig()
    assert np.abs(trace["command"]).max() <= config.max_acceleration + 1e-9
    assert np.abs(trace["robot"][:, 2:]).max() <= 1.01 * config.max_speed


def test_the_future_of_a_scene_changes_nothing_before_it(data_dir: Path) -> None:
    scene = read_scene(data_dir / "intent/ucy/crowds_zara01.txt")
    options = RunOptions(config=UNHURRIED, start=(7.0, 0.0), goal=(7.0, 9.0))
    change_at = scene.start_s + 0.75 * (scene.end_s - scene.start_s)
    rng = np.random.default_rng(3)

    def moved(track: Track) -> Track:
        later = track.time[:, None] > change_at
        return replace(track, position=track.position + later * rng.normal(0, 1.0, (len(track), 2)))

    before = run_scene(scene, options)
    after = run_scene(replace(scene, tracks=tuple(map(moved, scene.tracks))), options)
    known = before.trace["time"] <= change_at
    assert known.sum() > 200
    for name in ("command", "robot", "plan"):
        np.testing.assert_array_equal(before.trace[name][known], after.trace[name][known])
    assert not np.array_equal(before.trace["command"], after.trace["command"])


def test_fewer_people_are_spread_over_the_whole_recording(data_dir: Path) -> None:
    scene = read_scene(data_dir / "intent" / SCENES[0], strict=True)
    kept = run_scene(scene, RunOptions(config=UNHURRIED, people=20)).summary
    assert "only 20 of" in " ".join(kept["scene"]["notes"])
    assert kept["scene"]["people"] <= 20
    assert kept["cycles"] * UNHURRIED.period > 0.3 * (scene.end_s - scene.start_s)
    everybody = run_scene(scene, RunOptions(config=UNHURRIED, people=10**6)).summary
    assert everybody["scene"]["notes"] == list(scene.notes)


def test_simulated_people_give_the_same_run_for_the_same_seed() -> None:
    first = run_scene(None, RunOptions(config=UNHURRIED, people=6, seed=4))
    second = run_scene(None, RunOptions(config=UNHURRIED, people=6, seed=4))
    other = run_scene(None, RunOptions(config=UNHURRIED, people=6, seed=5))
    assert first.summary["scene"]["kind"] == "reactive"
    assert first.summary["safety"]["robot_caused_collisions"] == 0
    np.testing.assert_array_equal(first.trace["robot"], second.trace["robot"])
    assert not np.array_equal(first.trace["robot"], other.trace["robot"])


@pytest.mark.parametrize("forecast", ["constant_velocity", "oracle"])
def test_other_forecasts(data_dir: Path, forecast: str) -> None:
    scene = read_scene(data_dir / "intent/ucy/crowds_zara01.txt")
    result = run_scene(scene, RunOptions(forecast=forecast))  # type: ignore[arg-type]
    assert result.summary["robot"]["reached"]
    assert result.summary["safety"]["robot_caused_collisions"] == 0


def test_ctrl_c_leaves_a_valid_partial_result(tmp_path: Path, data_dir: Path) -> None:
    out = tmp_path / "r.json"
    scene = data_dir / "intent/ucy/students003.txt"
    command = [sys.executable, "-m", "optcore", "run", *[str(scene)] * 30, "--json", str(out)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    )
    time.sleep(4.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    tree = read_json(out)
    assert len(tree.get("scenes", [tree])) < 30
    json.dumps(tree, allow_nan=False)


def test_an_interrupted_run_says_so_and_is_whole(data_dir: Path) -> None:
    scene = read_scene(data_dir / "intent/ucy/crowds_zara01.txt")
    asked = iter([False] * 4 + [True])
    result = run_scene(scene, interrupted=lambda: next(asked))
    assert result.summary["partial"]
    assert result.summary["cycles"] == 5
    assert len(result.trace["time"]) == 5


def test_the_commute_turns_round_and_measures_its_way() -> None:
    config = LoopConfig()
    robot = Commute(np.array([0.0, 0.0]), np.array([0.2, 0.0]), config)
    robot.advance(0.0, np.zeros(2))
    assert robot.pausing
    for i in range(1, 30):
        robot.advance(0.1 * i, np.zeros(2))
    assert len(robot.crossings) >= 2
    assert robot.crossings[0]["reached"]
    robot.finish(3.0)
    assert robot.summary()["reached"]
