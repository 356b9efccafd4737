"""The referee on recorded people: fair starts, whole figures, errors that name what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore.cli.main import main
from optcore.crowd import (
    CrowdStream,
    Track,
    TrueFuture,
    read_scene,
    split_by_time,
    suggest_crossing,
)
from optcore.errors import ConfigError
from optcore.referee import evaluate_scenes
from optcore.referee.starts import choose_starts
from optcore.referee.statistics import paired_share_difference

ZARA = "intent/ucy/crowds_zara01.txt"


@pytest.fixture(scope="module")
def result(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("referee") / "out.json"
    command = ["evaluate", str(data_dir / ZARA), "--starts", "8", "--quiet", "--json", str(path)]
    assert main(command) == 0
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_every_forecast_crosses_and_every_figure_is_there(result: dict[str, Any]) -> None:
    assert result["starts"] == 8
    for key in ("near_share", "touch_share", "no_plan_share"):
        assert set(result[key]) == {"belief", "constant_velocity", "oracle"}
        assert all(0 <= value <= 0.2 for value in result[key].values())
    assert all(missed == 0 for missed in result["goals_missed"].values())
    assert all(5 < seconds < 20 for seconds in result["time_to_goal_s"].values())
    assert result["touch_share"]["belief"] <= result["near_share"]["belief"]
    paired = result["paired"]["near_share"]
    assert paired["low"] <= paired["difference"] <= paired["high"]
    difference = result["near_share"]["belief"] - result["near_share"]["constant_velocity"]
    assert paired["difference"] == pytest.approx(difference)
    assert 0 < result["cycle_ms"]["p50"] <= result["cycle_ms"]["p99"] <= result["cycle_ms"]["max"]
    assert set(result["scenes"]) == {"crowds_zara01"}


def test_starts_are_free_spread_over_time_and_repeatable(data_dir: Path) -> None:
    split = split_by_time(read_scene(data_dir / ZARA, strict=True))
    stream = CrowdStream(split.test)
    crossing = suggest_crossing(split.test)
    first, again = (choose_starts(stream, crossing, 20, 40, seed=3) for _ in range(2))
    assert [s.step for s in first] == sorted(s.step for s in first)
    assert len(first) >= 15
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.start, b.start)
        frame = stream.frame(a.step)
        there = frame.position[frame.present]
        assert np.linalg.norm(there - a.start, axis=1).min(initial=np.inf) > 1.5
        length = np.linalg.norm(crossing.goal - crossing.start)
        assert np.linalg.norm(a.goal - a.start) == pytest.approx(length)


def test_the_true_future_is_the_track_itself() -> None:
    time = 0.4 * np.arange(6)
    track = Track(7, time, np.stack([time, 2 * time], axis=1), complete=True)
    scene = split_by_time_scene(track)
    frame = CrowdStream(scene, 0.1).frame(10)
    future = TrueFuture([track])(frame, np.array([0.0, 0.5, 3.0]))
    np.testing.assert_allclose(future[0, :2], [[1.0, 2.0], [1.5, 3.0]])
    assert np.isnan(future[0, 2]).all()


def split_by_time_scene(track: Track) -> Any:
    from optcore.crowd.scene import Scene, bounds_of

    return Scene(
        name="one", source="one", kind="replay", tracks=(track,), row_period_s=0.4,
        bounds=bounds_of([track]), notes=(),
    )  # fmt: skip


def test_the_interval_covers_a_known_difference() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        total = rng.integers(60, 120, 40).astype(float)
        a, b = rng.binomial(total.astype(int), 0.12), rng.binomial(total.astype(int), 0.10)
        found = paired_share_difference(
            (a.astype(float), total), (b.astype(float), total), samples=500, seed=seed
        )
        covered += found["low"] <= 0.02 <= found["high"]
    assert 86 <= covered <= 100


def test_bad_requests_are_named(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="at least one scene"):
        evaluate_scenes([])
    assert main(["evaluate", str(data_dir / ZARA), "--starts", "1"]) == 2
    assert "starts must be at least 2, got 1" in capsys.readouterr().err
    assert main(["evaluate", "absent.txt"]) == 2
    assert "absent.txt" in capsys.readouterr().err
