"""Results of other tools: what they wrote is read, what is written they read."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyperf
import pytest

from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework, BenchmarkSummary
from optcore.benchmark_framework.exchange import (
    WRITERS,
    google_benchmark,
    read_results,
    write_results,
)
from optcore.errors import ConfigError


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> list[BenchmarkSummary]:
    framework = BenchmarkFramework(
        BenchmarkConfig(
            num_iterations=30, warmup_iterations=1, bootstrap_samples=100, enable_profiling=False,
            enable_memory_tracking=False, output_directory=str(tmp_path_factory.mktemp("results")),
        )
    )  # fmt: skip
    return [framework.benchmark(sum, args=(range(n),), name=f"sum {n}") for n in (10, 1000)]


@pytest.mark.parametrize("tool", WRITERS)
def test_samples_survive_the_way_there_and_back(
    tool: str, summaries: list[BenchmarkSummary], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    write_results(path, summaries, tool)
    back = read_results(path)
    for before, after in zip(summaries, back, strict=True):
        assert after.name.replace("_", " ") == before.name
        assert after.raw == pytest.approx(before.raw, rel=1e-12)
        assert after.median_time == pytest.approx(before.median_time)
        assert after.calls_per_sample == before.calls_per_sample
        assert after.outcome == "ok"
        assert after.environment["cpu"] == before.environment["cpu"]


def test_pyperf_reads_what_we_wrote(summaries: list[BenchmarkSummary], tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, summaries, "pyperf")
    suite = pyperf.BenchmarkSuite.load(str(path))
    for summary in summaries:
        theirs = suite.get_benchmark(summary.name)
        assert theirs.get_values() == pytest.approx(summary.raw.tolist())
        assert theirs.median() == pytest.approx(summary.median_time)


def test_what_pyperf_measured_is_read(tmp_path: Path) -> None:
    known = {"name": "theirs", "loops": 4, "hostname": platform.node()}
    runs = [pyperf.Run([1.0e-3, 1.2e-3], warmups=[(1, 3.0e-3)], metadata=known)]
    pyperf.BenchmarkSuite([pyperf.Benchmark(runs)]).dump(str(path := tmp_path / "p.json"))
    (found,) = read_results(path)
    assert (found.name, found.calls_per_sample) == ("theirs", 4)
    assert found.raw.tolist() == [1.0e-3, 1.2e-3]
    assert found.environment["tool"] == "pyperf"


def test_pytest_benchmark_compares_with_what_we_wrote(
    summaries: list[BenchmarkSummary], tmp_path: Path
) -> None:
    write_results(tmp_path / "0001_ours.json", summaries, "pytest-benchmark")
    (tmp_path / "test_it.py").write_text(
        "def test_theirs(benchmark):\n    benchmark(sum, range(1000))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
               "--benchmark-json=out.json", "--benchmark-save-data",
               "--benchmark-compare=0001_ours.json", "--benchmark-storage=.",
               "--benchmark-max-time=0.05"]  # fmt: skip
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}  # xdist's
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = [*command[:2], "pytest_benchmark", "--storage", ".", "compare", "0001_ours.json"]
    shown = subprocess.run(
        listed, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "sum 1000" in shown.stdout
    (found,) = read_results(tmp_path / "out.json")
    assert found.name.endswith("test_theirs")
    stats = json.loads((tmp_path / "out.json").read_text())["benchmarks"][0]["stats"]
    assert found.median_time == pytest.approx(stats["median"])
    if stats.get("data"):
        assert found.raw.size == stats["rounds"]


def test_figures_without_samples_are_kept_as_figures(tmp_path: Path) -> None:
    stats = {"min": 1.0, "max": 4.0, "mean": 2.0, "stddev": 0.5, "median": 1.9, "iqr": 0.3,
             "rounds": 7, "iterations": 3}  # fmt: skip
    entry = {"name": "t", "fullname": "f::t", "stats": stats}
    machine = {"node": "elsewhere", "machine": "arm"}
    content = {"machine_info": machine, "commit_info": {"id": "c0"}, "benchmarks": [entry]}
    path = tmp_path / "b.json"
    path.write_text(json.dumps(content))
    (found,) = read_results(path)
    assert (found.mean_time, found.median_time, found.iterations) == (2.0, 1.9, 7)
    assert found.outcome == "ok"
    assert "not kept" in found.notes[0]
    assert found.environment["host"] == "elsewhere"
    assert found.environment.get("cpu") is None


def test_google_benchmark_repetitions_are_samples_and_join_a_timeline(tmp_path: Path) -> None:
    def entry(index: int, time: float, **more: object) -> dict[str, object]:
        return {"name": "BM_Predict/200", "run_name": "BM_Predict/200", "run_type": "iteration",
                "repetition_index": index, "iterations": 1000, "real_time": time,
                "cpu_time": time, "time_unit": "us", **more}  # fmt: skip

    content = {
        "context": {"date": "2026-01-01", "host_name": platform.node(), "num_cpus": 2},
        "benchmarks": [
            *(entry(i, 3.0 + 0.1 * i) for i in range(5)),
            {**entry(0, 3.2), "name": "BM_Predict/200_median", "run_type": "aggregate"},
            {**entry(0, 0.0), "name": "BM_Broken", "run_name": "BM_Broken", "error_occurred": True,
             "error_message": "no data"},
        ],
    }  # fmt: skip
    path = tmp_path / "gb.json"
    path.write_text(json.dumps(content))
    good, broken = read_results(path)
    assert good.raw == pytest.approx(np.array([3.0, 3.1, 3.2, 3.3, 3.4]) * 1e-6)
    assert (broken.outcome, broken.first_error) == ("raised", "no data")
    framework = BenchmarkFramework(BenchmarkConfig(output_directory=str(tmp_path / "r")))
    framework.record([good, broken])
    assert len(framework.timeline("BM_Predict/200")) == 1
    assert len(framework.timeline("BM_Broken")) == 0


def test_a_name_is_asked_for_as_cpp_spells_patterns() -> None:
    asked = google_benchmark.command("x", "half-step <of (a)> b.c/7", 3, 0.02)
    assert r"--benchmark_filter=^half-step <of \(a\)> b\.c/7$" in asked


def test_our_own_runs_and_reports_are_read(
    summaries: list[BenchmarkSummary], tmp_path: Path
) -> None:
    framework = BenchmarkFramework(BenchmarkConfig(output_directory=str(tmp_path)))
    framework.record(summaries)
    report = framework.export(tmp_path / "report.json")
    assert [s.raw.tolist() for s in read_results(report)] == [s.raw.tolist() for s in summaries]
    run = tmp_path / "runs" / f"{summaries[0].run}.json"
    assert read_results(run)[0].raw.tolist() == summaries[0].raw.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "not a result"), ('{"benchmarks": []}', "not a result"),
     ('{"context": {}, "benchmarks": [{}]}', "damaged"),
     ('{"machine_info": {}, "benchmarks": [{"stats": {}}]}', "damaged"),
     ('{"version": "1.0", "benchmarks": [{}]}', "damaged"),
     ('{"version": "1.0", "benchmarks": [{"runs": [{"values": ["x"]}]}]}', "damaged"),
     ('{"version": "1.0", "benchmarks": [{"runs": [{"values": [NaN]}]}]}', "damaged")],
)  # fmt: skip
def test_other_files_are_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        read_results(path)
    assert str(path) in str(refused.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_results(tmp_path / "absent.json")
    with pytest.raises(ConfigError, match="tool must be"):
        write_results(path, [], "asv")
