"""Files of a run: keys that stay, values that JSON can hold, files that are whole or absent."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from synthetic import synthetic_result

from optcore.errors import ConfigError
from optcore.run.pooling import histogram_quantile
from optcore.run.result import (
    FORMAT,
    RunResult,
    pooled_summary,
    print_table,
    read_json,
    read_trace,
    write_json,
    write_trace,
)

KEYS = [
    "cycles",
    "deadline_misses.10ms",
    "deadline_misses.1ms",
    "environment.cores",
    "environment.cpu",
    "environment.git",
    "environment.isa",
    "environment.numpy",
    "environment.optcore",
    "environment.python",
    "environment.time",
    "fallbacks.brake",
    "fallbacks.hold",
    "fallbacks.likely_only",
    "fallbacks.margin",
    "fallbacks.nominal",
    "fallbacks.previous_plan",
    "format",
    "intent.at.25",
    "intent.at.50",
    "intent.at.75",
    "intent.brier",
    "intent.ece",
    "intent.nll",
    "intent.prior_nll",
    "intent.prior_top1",
    "intent.reliability",
    "intent.top1",
    "intent.tracks",
    "latency_us.belief",
    "latency_us.gp",
    "latency_us.mpc",
    "latency_us.total",
    "options.forecast",
    "options.horizon_s",
    "options.people_limit",
    "options.period_s",
    "options.seed",
    "options.steps",
    "partial",
    "prediction.ade_m",
    "prediction.best_of_20_ade_m",
    "prediction.best_of_20_fde_m",
    "prediction.coverage",
    "prediction.cv_ade_m",
    "prediction.cv_fde_m",
    "prediction.fde_m",
    "prediction.horizon_s",
    "prediction.windows",
    "robot.crossings",
    "robot.goal",
    "robot.path_length_m",
    "robot.reached",
    "robot.standstill_s",
    "robot.standstill_without_reason_s",
    "robot.start",
    "robot.straight_line_m",
    "robot.time_to_goal_s",
    "safety.contact_distance_m",
    "safety.contacts_at_standstill",
    "safety.min_distance_m",
    "safety.near_share",
    "safety.risk_budget",
    "safety.risk_observed",
    "safety.risk_promised",
    "safety.robot_caused_collisions",
    "scene.duration_s",
    "scene.kind",
    "scene.name",
    "scene.notes",
    "scene.people",
    "scene.people_evaluated",
    "scene.row_period_s",
    "scene.source",
]


def keys_of(tree: dict) -> list[str]:
    """Keys of the first two levels, and of the moments of intent."""
    found = []
    for key, value in tree.items():
        if key == "scenes":
            continue
        if not isinstance(value, dict):
            found.append(key)
            continue
        for inner, entry in value.items():
            nested = f"{key}.{inner}"
            found += [f"{nested}.{k}" for k in entry] if nested == "intent.at" else [nested]
    return sorted(found)


@pytest.fixture(scope="module")
def result() -> RunResult:
    return synthetic_result(cycles=150)


def test_json_of_one_scene_has_the_stable_keys(result: RunResult, tmp_path: Path) -> None:
    write_json([result], tmp_path / "r.json")
    tree = read_json(tmp_path / "r.json")
    assert keys_of(tree) == sorted(KEYS)
    assert tree["format"] == FORMAT
    assert set(tree["latency_us"]["total"]) == {"p50", "p99", "max", "histogram"}


def test_json_of_several_scenes_has_the_same_keys_and_each_scene(
    result: RunResult, tmp_path: Path
) -> None:
    write_json([result, synthetic_result("other", seed=3)], tmp_path / "r.json")
    tree = read_json(tmp_path / "r.json")
    assert keys_of(tree) == sorted(KEYS)
    assert [scene["scene"]["name"] for scene in tree["scenes"]] == ["synthetic", "other"]
    assert keys_of(tree["scenes"][1]) == sorted(KEYS)


def test_what_is_not_finite_becomes_null(result: RunResult, tmp_path: Path) -> None:
    summary = {**result.summary, "cycles": np.int64(3), "extra": [math.nan, np.float32(np.inf)]}
    write_json([RunResult(summary, {})], tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["extra"] == [None, None]
    assert json.loads(text)["cycles"] == 3


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    result: RunResult, tmp_path: Path
) -> None:
    path = tmp_path / "t.npz"
    write_trace([result], path)
    before = path.read_bytes()
    bad = RunResult(result.summary, {"time": np.array([object()])})
    with pytest.raises(ConfigError, match="time"):
        write_trace([bad], path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.npz"]


@pytest.mark.parametrize("scenes", [1, 2])
def test_trace_comes_back_as_it_went(scenes: int, tmp_path: Path) -> None:
    written = [synthetic_result(f"s{k}", cycles=40, seed=k) for k in range(scenes)]
    write_trace(written, tmp_path / "t.npz")
    read = read_trace(tmp_path / "t.npz")
    assert [r.summary["scene"]["name"] for r in read] == [f"s{k}" for k in range(scenes)]
    for before, after in zip(written, read, strict=True):
        assert before.trace.keys() == after.trace.keys()
        for name, array in before.trace.items():
            np.testing.assert_array_equal(array, after.trace[name])


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": "optcore-run/9"}')
    with pytest.raises(ConfigError, match="optcore-run/9"):
        read_json(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("[1]")
    with pytest.raises(ConfigError, match="no result"):
        read_json(tmp_path / "b.json")
    (tmp_path / "c.json").write_text("not json")
    with pytest.raises(ConfigError, match="not a JSON file"):
        read_json(tmp_path / "c.json")
    np.savez(tmp_path / "d.npz", x=np.zeros(3))
    with pytest.raises(ConfigError, match="no result"):
        read_trace(tmp_path / "d.npz")
    (tmp_path / "e.npz").write_text("no archive")
    with pytest.raises(ConfigError, match="not an npz file"):
        read_trace(tmp_path / "e.npz")


def test_scenes_are_pooled_by_what_they_were_measured_on() -> None:
    a, b = synthetic_result("a", cycles=100), synthetic_result("b", cycles=300, seed=1)
    a.summary["prediction"] |= {"fde_m": 1.0, "windows": 30}
    b.summary["prediction"] |= {"fde_m": 2.0, "windows": 10}
    a.summary["safety"]["robot_caused_collisions"] = 1
    a.summary["intent"]["top1"] = None
    pooled = pooled_summary([a, b])
    assert pooled["cycles"] == 400
    assert pooled["prediction"]["fde_m"] == pytest.approx(1.25)
    assert pooled["safety"]["robot_caused_collisions"] == 1
    assert pooled["intent"]["top1"] == b.summary["intent"]["top1"]
    assert sum(n for _, n in pooled["latency_us"]["total"]["histogram"]) == 400
    ece = sum(
        row["count"] * abs(row["confidence"] - row["accuracy"])
        for row in pooled["intent"]["reliability"]
    ) / sum(row["count"] for row in pooled["intent"]["reliability"])
    assert pooled["intent"]["ece"] == pytest.approx(ece)


def test_quantile_of_a_histogram_by_hand() -> None:
    histogram = [[1.0, 5], [2.0, 4], [4.0, 1]]
    assert histogram_quantile(histogram, 0.5) == 1.0
    assert histogram_quantile(histogram, 0.51) == 2.0
    assert histogram_quantile(histogram, 1.0) == 4.0
    assert histogram_quantile([], 0.5) is None


@pytest.mark.parametrize(
    "results",
    [
        [synthetic_result()],
        [synthetic_result(cycles=3, people=0, goals=0)],
        [synthetic_result("first"), synthetic_result("second", kind="reactive")],
        [RunResult({}, {})],
    ],
    ids=["whole", "cut short", "two scenes", "nothing measured"],
)
def test_the_table_fits_80_columns_and_says_what_kind_of_scene(results: list[RunResult]) -> None:
    out = io.StringIO()
    print_table(results, out)
    text = out.getvalue()
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    assert "\033" not in text
    assert "None" not in text
    assert "nan" not in text
    for result in results:
        assert str((result.summary.get("scene") or {}).get("kind", "")) in text


def test_headings_are_bold_on_a_terminal_unless_told_not_to(
    result: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    print_table([result], bold := Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    print_table([result], plain := Terminal())
    assert "\033[1msynthetic" in bold.getvalue()
    assert "\033" not in plain.getvalue()
