"""The command: areas, filter, table and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import compare
from harness import Case, Trial
from harness.native import parse_callgrind, parse_google_benchmark
from harness.runner import BrokenCase, select
from harness.table import number


def setup(trial: Trial) -> None:
    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        return lambda: sum(range(100))

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        import numpy as np

        return lambda: int(np.arange(100).sum())

    @trial.contestant("missing")
    def _() -> Callable[[], Any]:
        raise ImportError("No module named 'missing'")

    trial.check(lambda answers: {"distinct": len(set(answers.values()))})
    trial.note("note", "a planted case")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("areas.loop")
    names = ("loop/3x3", "loop/20x6")
    vars(module)["cases"] = lambda: [Case(n, setup, samples=4, seconds=0.1) for n in names]
    monkeypatch.setitem(sys.modules, "areas.loop", module)
    monkeypatch.setattr(compare, "built_areas", lambda: ["loop"])


@pytest.mark.usefixtures("planted")
def test_json_has_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "rows.json"
    assert compare.main(["loop", "--quick", "--json", str(target)]) == 0
    rows = json.loads(target.read_text())
    assert [row["case"] for row in rows] == ["loop/3x3", "loop/20x6"]
    for row in rows:
        assert {"case", "measure", "unit", "optcore", "peers", "ratio_to_best_peer"} <= set(row)
        assert row["unit"] == "us"
        assert row["optcore_min"] <= row["optcore"] <= row["optcore_p99"]
        assert row["peers_min"]["numpy"] <= row["peers"]["numpy"] <= row["peers_p99"]["numpy"]
        assert row["ratio_to_best_peer"] == pytest.approx(row["peers"]["numpy"] / row["optcore"])
        assert row["checks"] == {"agree": True, "distinct": 1, "note": "a planted case"}
        assert row["absent"]["missing"].startswith("not installed")
        assert isinstance(row["samples"], int)
        assert row["environment"]["python"]
    printed = capsys.readouterr().out
    assert "loop/20x6" in printed
    assert "absent   missing: not installed" in printed


@pytest.mark.usefixtures("planted")
def test_case_filters_by_part_of_the_id(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    assert compare.main(["loop", "--quick", "--case", "20x", "--json", str(target)]) == 0
    assert [row["case"] for row in json.loads(target.read_text())] == ["loop/20x6"]


@pytest.mark.usefixtures("planted")
def test_a_filter_that_fits_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["loop", "--case", "nowhere"]) == 2
    assert "no case of 'loop' contains 'nowhere'" in capsys.readouterr().err


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "unknown area 'bogus'; there are: loop"),
        (["cuda"], "area 'cuda' is not built yet; there are: loop"),
        ([], "which area?; there are: loop"),
    ],
)
def test_an_area_that_is_not_there_names_those_that_are(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        compare.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_every_area_that_is_built_offers_distinct_cases_of_its_own() -> None:
    import importlib

    for area in compare.built_areas():
        cases = select(importlib.import_module(f"areas.{area}").cases(), None)
        assert cases
        assert all(case.id.startswith(area + "/") for case in cases)


def test_the_same_id_and_measure_twice_is_refused() -> None:
    with pytest.raises(BrokenCase, match="registered twice"):
        select([Case("a/b", setup), Case("a/b", setup)], None)
    assert len(select([Case("a/b", setup), Case("a/b", setup, measure="p99")], None)) == 2


def test_a_case_checks_its_unit() -> None:
    with pytest.raises(ValueError, match="unknown unit"):
        Case("a/b", setup, unit="hours")


def test_google_benchmark_output_becomes_samples_without_aggregates() -> None:
    entries = [
        {"run_type": "iteration", "real_time": 1500.0, "time_unit": "ns", "GFLOP/s": 50.0},
        {"run_type": "iteration", "real_time": 2.5, "time_unit": "us", "GFLOP/s": 30.0},
        {"run_type": "aggregate", "real_time": 9.0, "time_unit": "us"},
    ]
    text = json.dumps({"benchmarks": entries})
    assert parse_google_benchmark(text, "x", "us") == pytest.approx([1.5, 2.5])
    assert parse_google_benchmark(text, "x", "gflop_s", "GFLOP/s") == [50.0, 30.0]
    with pytest.raises(RuntimeError, match="knows no such"):
        parse_google_benchmark(json.dumps({"benchmarks": []}), "x", "us")


def test_callgrind_output_gives_the_count() -> None:
    assert parse_callgrind("==7== Collected : 12345\n") == 12345
    with pytest.raises(RuntimeError, match="collected nothing"):
        parse_callgrind("==7== Collected : 0\n")


def test_numbers_keep_four_digits() -> None:
    assert [number(v) for v in (None, 0.0, 12.3456, 123456.7, 1.5e-5)] == [
        "-",
        "0",
        "12.35",
        "123457",
        "1.500e-05",
    ]
