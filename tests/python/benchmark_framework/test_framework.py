"""BenchmarkFramework: the manual's calls, failures told as what they are, baselines, timelines."""

from __future__ import annotations

import functools
import json
import math
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import subjects

from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework, BenchmarkSummary
from optcore.benchmark_framework.exchange.common import from_samples
from optcore.caching_system import CacheConfig, CacheSystem
from optcore.errors import ConfigError


def config(folder: Path, **changes: object) -> BenchmarkConfig:
    quick = {
        "num_iterations": 20, "warmup_iterations": 2, "bootstrap_samples": 100,
        "enable_profiling": False, "enable_memory_tracking": False, "timeout_seconds": 30,
    }  # fmt: skip
    return BenchmarkConfig.from_dict({**quick, "output_directory": str(folder), **changes})


@pytest.fixture
def framework(tmp_path: Path) -> BenchmarkFramework:
    return BenchmarkFramework(config(tmp_path))


def work() -> float:
    return float(np.dot(np.arange(100.0), np.arange(100.0)))


def raising() -> None:
    raise IndexError("list index out of range")


def test_the_manuals_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    your_function = work
    framework = BenchmarkFramework()

    # Set baseline
    baseline = framework.benchmark(your_function, name="Core Function")
    framework.set_baseline("Core Function", baseline)

    # Check for regressions
    current = framework.benchmark(your_function, name="Core Function")
    if current.regression_detected:
        print("Performance regression detected!")

    assert baseline.regression_status == "no_baseline"
    assert not baseline.regression_detected
    assert current.regression_status in ("ok", "inconclusive", "improvement", "regression")
    assert current.baseline is not None
    assert current.baseline["run"] == baseline.run
    assert current.success_rate == 1.0
    assert 0 < current.min_time <= current.median_time <= current.max_time
    assert current.mean_time < 0.01
    assert current.raw.size == current.iterations == 100
    assert (tmp_path / "benchmark_results" / "runs" / f"{current.run}.npz").is_file()


def test_defaults_are_the_manuals() -> None:
    c = BenchmarkConfig()
    assert (c.num_iterations, c.warmup_iterations, c.timeout_seconds) == (100, 10, 300.0)
    assert c.enable_profiling
    assert c.enable_memory_tracking
    assert c.enable_regression_testing
    assert (c.baseline_tolerance_percent, c.statistical_significance_level) == (10.0, 0.05)
    assert c.output_directory == "benchmark_results"
    assert not c.enable_parallel_benchmarks
    assert c.enable_visualization
    assert c.save_raw_data
    positional = BenchmarkConfig(50, 5, 60)
    assert (positional.num_iterations, positional.timeout_seconds) == (50, 60.0)


def test_a_fresh_framework_finds_the_baseline_and_a_planted_slowdown(tmp_path: Path) -> None:
    first = BenchmarkFramework(config(tmp_path))
    first.set_baseline("f", first.benchmark(lambda: sum(range(2000)), name="f"))
    found = BenchmarkFramework(config(tmp_path)).benchmark(lambda: sum(range(40_000)), name="f")
    assert found.regression_status == "regression"
    assert found.regression_detected
    assert found.regression_ratio is not None
    assert found.regression_ratio > 3
    assert found.effect_size is not None
    assert found.effect_size > 0.9
    assert first.list_baselines() == ["f"]
    assert first.delete_baseline("f")
    assert not first.delete_baseline("f")
    assert first.get_baseline("f") is None


def test_another_machine_and_another_way_of_measuring_are_not_comparable(
    framework: BenchmarkFramework, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework.set_baseline("f", framework.benchmark(work, name="f"))
    from optcore.benchmark_framework import environment

    real = environment._fixed()
    with monkeypatch.context() as patched:
        patched.setattr(environment, "_fixed", lambda: {**real, "cpu": "another"})
        found = framework.benchmark(work, name="f")
    assert found.regression_status == "not_comparable"
    assert "cpu: another, not" in found.regression_reason
    assert not found.regression_detected


def test_one_that_always_raises_says_so(framework: BenchmarkFramework) -> None:
    found = framework.benchmark(raising, name="raises")
    assert (found.outcome, found.errors, found.success_rate) == ("raised", 20, 0.0)
    assert found.first_error == "IndexError: list index out of range"
    assert math.isnan(found.mean_time)
    assert not found.mean_time < 0.01
    assert found.regression_status == "failed"
    with pytest.raises(ConfigError, match="raised"):
        framework.set_baseline("raises", found)


def test_one_that_sometimes_raises_keeps_its_good_times(framework: BenchmarkFramework) -> None:
    calls = iter(range(10**9))

    def flaky() -> None:
        time.sleep(1e-4)
        if next(calls) % 2:
            raise OSError

    found = framework.benchmark(flaky)
    assert found.outcome == "raised"
    assert 0.2 < found.success_rate < 0.8
    assert found.mean_time > 1e-4


def test_nan_is_a_failure_unless_it_is_expected(framework: BenchmarkFramework) -> None:
    found = framework.benchmark(lambda: np.array([1.0, np.nan]), name="nan")
    assert (found.outcome, found.regression_status) == ("not_finite", "failed")
    assert found.mean_time > 0
    fine = framework.benchmark(lambda: math.inf, name="inf", allow_nonfinite=True)
    assert fine.outcome == "ok"
    assert any("NaN or infinity" in note for note in fine.notes)


def test_the_timeout_ends_it_between_samples(framework: BenchmarkFramework) -> None:
    found = framework.benchmark(
        subjects.sleeper, args=(0.05,), timeout_seconds=2, num_iterations=1000
    )
    assert found.outcome == "timed_out"
    assert 0 < found.iterations < 100
    assert found.success_rate < 1
    assert found.mean_time > 0.05


def test_isolated_the_timeout_is_hard_and_a_crash_is_told(framework: BenchmarkFramework) -> None:
    start = time.monotonic()
    found = framework.benchmark(subjects.sleeper, isolate=True, timeout_seconds=1)
    assert time.monotonic() - start < 30
    assert (found.outcome, found.success_rate) == ("timed_out", 0.0)
    crashed = framework.benchmark(subjects.crasher, isolate=True)
    assert crashed.outcome == "crashed"
    assert "signal 6" in str(crashed.first_error)
    fine = framework.benchmark(subjects.quick, isolate=True)
    assert fine.outcome == "ok"
    assert fine.raw.size == 20
    with pytest.raises(ConfigError, match="another process can import"):
        framework.benchmark(lambda: 1, isolate=True)


def test_isolated_the_passes_and_the_cold_calls_come_from_the_other_process(
    tmp_path: Path,
) -> None:
    framework = BenchmarkFramework(
        config(tmp_path, isolate=True, enable_profiling=True, enable_memory_tracking=True)
    )
    found = framework.benchmark(subjects.hungry, num_iterations=5)
    assert found.memory_peak_mb == pytest.approx(32, abs=4)
    assert any(row["function"].endswith("hungry") for row in found.profile)
    both = framework.benchmark(subjects.cached, cache_policy="cold_and_hit", num_iterations=5)
    assert both.cold is not None
    assert both.cold.median_time > 1e-3 > both.median_time
    assert subjects.cached.cache_info().currsize == 0, "it was called here"


def test_a_crash_in_the_passes_keeps_the_samples(tmp_path: Path) -> None:
    framework = BenchmarkFramework(
        config(tmp_path, isolate=True, enable_profiling=True, warmup_iterations=0)
    )
    calls = {"setup": subjects.quick, "num_iterations": 20}  # one call a sample
    found = framework.benchmark(subjects.dies_after_40_calls, **calls)
    assert (found.outcome, found.raw.size, found.profile) == ("ok", 20, ())
    assert any("signal 6 after the timing" in note for note in found.notes)


def test_a_call_that_raises_in_the_passes_is_told_and_the_run_kept(tmp_path: Path) -> None:
    framework = BenchmarkFramework(
        config(tmp_path, enable_memory_tracking=True, warmup_iterations=0)
    )
    left = iter(range(22))  # a look before, the samples, a look after

    def runs_out() -> int:
        return next(left)

    found = framework.benchmark(runs_out, setup=lambda: None, name="runs out")
    assert (found.outcome, found.raw.size, found.memory_peak_mb) == ("ok", 20, None)
    assert any("StopIteration" in note for note in found.notes)
    assert len(framework.timeline("runs out")) == 1


def test_a_cache_that_cannot_be_emptied_is_named(framework: BenchmarkFramework) -> None:
    def known() -> int:
        return 1

    known.__optcore_cached__ = True  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="cannot be emptied"):
        framework.benchmark(known, cache_policy="cold_and_hit")


def test_parallel_benchmarks_are_marked(tmp_path: Path) -> None:
    framework = BenchmarkFramework(config(tmp_path, enable_parallel_benchmarks=True, max_workers=2))
    found = framework.benchmark_all({"a": subjects.quick, "b": subjects.quick})
    assert {s.regression_status for s in found.values()} == {"not_comparable"}
    alone = BenchmarkFramework(config(tmp_path)).benchmark_all({"a": subjects.quick})
    assert alone["a"].regression_status == "no_baseline"


def test_a_cached_function_is_called_past_its_cache(
    framework: BenchmarkFramework, tmp_path: Path
) -> None:
    calls = []

    def slow(x: int) -> int:
        calls.append(x)
        time.sleep(1e-3)
        return x

    with CacheSystem(CacheConfig(enable_persistence=False, cache_dir=str(tmp_path))) as cache:
        ours = cache.cached(ttl=60, ignore=("calls",))(slow)
        found = framework.benchmark(ours, args=(1,))
        assert found.cache == "bypassed"
        assert found.median_time > 1e-3
        hits = framework.benchmark(ours, args=(1,), cache_policy="as_is")
        assert (hits.cache, hits.outcome) == ("as_is", "ok")
        assert hits.median_time < 1e-4
        both = framework.benchmark(ours, args=(1,), cache_policy="cold_and_hit")
        assert both.cold is not None
        assert both.cold.median_time > 1e-3 > both.median_time
    theirs = functools.lru_cache(slow)
    assert framework.benchmark(theirs, args=(2,)).cache == "bypassed"
    assert len(calls) > 60
    framework.set_baseline("x", found)
    other = framework.benchmark(ours, args=(1,), name="x", cache_policy="as_is")
    assert other.regression_status == "not_comparable"


def test_a_cached_method_is_called_past_its_cache_with_its_object(
    framework: BenchmarkFramework,
) -> None:
    class Model:
        @functools.cache  # noqa: B019
        def predict(self, x: int) -> int:
            time.sleep(1e-4)
            return x

    found = framework.benchmark(Model().predict, args=(3,))
    assert (found.cache, found.outcome) == ("bypassed", "ok")
    assert found.median_time > 1e-4


def test_a_hidden_cache_is_suspected(framework: BenchmarkFramework) -> None:
    known: dict[int, int] = {}

    def sneaky() -> int:
        if 1 not in known:
            time.sleep(0.05)
            known[1] = 1
        return known[1]

    assert any("does it cache" in note for note in framework.benchmark(sneaky).notes)


def test_a_busy_machine_is_told_by_all_its_processors() -> None:
    for load, busy in ((1.5, False), (2.5, True)):
        machine = {"load": load, "cores": 1, "processors": 2}
        notes = from_samples("f", [1e-3] * 9, machine).notes
        assert any("was busy" in note for note in notes) == busy


def test_a_missing_argument_is_named(framework: BenchmarkFramework) -> None:
    with pytest.raises(ConfigError, match=r"'seconds_missing'.*args="):
        framework.benchmark(lambda seconds_missing: seconds_missing)
    with pytest.raises(ConfigError, match="num_iterations"):
        framework.benchmark(work, num_iterations=0)
    with pytest.raises(ConfigError, match="did you mean num_iterations"):
        framework.benchmark(work, num_iteration=3)
    with pytest.raises(ConfigError, match="callable"):
        framework.benchmark(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cache_policy"):
        framework.benchmark(work, cache_policy="never")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="pin_cpu"):
        framework.benchmark(work, pin_cpu=100_000)


def test_passes_come_after_the_timing(tmp_path: Path) -> None:
    framework = BenchmarkFramework(
        config(tmp_path, enable_profiling=True, enable_memory_tracking=True)
    )

    def hungry() -> int:
        held = np.ones(4 << 20)  # 32 MB
        return sum(range(20_000)) + held.size

    found = framework.benchmark(hungry, num_iterations=5)
    assert found.memory_peak_mb == pytest.approx(32, abs=4)
    assert found.raw.size == 5
    assert any(
        row["function"].endswith("hungry") and row["total_share"] > 0.5 for row in found.profile
    )


def test_comparisons_of_functions_and_of_results(framework: BenchmarkFramework) -> None:
    fast, slow = functools.partial(sum, range(3000)), functools.partial(sum, range(30_000))
    found = framework.compare(fast, slow, name="sums", num_iterations=50)
    assert found.status == "regression"
    assert found.ratio is not None
    assert found.ratio > 2
    assert found.verdict.interleaved
    assert found.before.calls_per_sample == found.after.calls_per_sample
    back = framework.compare(slow, fast, interleave=False)
    assert back.status == "improvement"
    a = framework.benchmark(fast, name="fast")
    b = framework.benchmark(slow, name="slow")
    assert framework.compare(a, b).status == "regression"
    assert framework.compare("fast", b.run).status == "regression"
    failed = framework.compare(fast, raising)
    assert (failed.status, failed.ratio) == ("failed", None)
    with pytest.raises(ConfigError, match="one of each"):
        framework.compare(fast, a)
    with pytest.raises(ConfigError, match="neither a run"):
        framework.compare("nothing", a)


def test_timelines_hold_runs_of_this_machine_in_order(framework: BenchmarkFramework) -> None:
    runs = [framework.benchmark(work, name="w").run for _ in range(3)]
    line = framework.timeline("w")
    assert [point["run"] for point in line.points] == runs
    assert line.changes == []
    assert framework.timeline("w", machine="other").left_out == 3
    json.dumps(line.to_dict())


def test_damaged_files_are_named_and_a_damaged_line_costs_one_point(
    framework: BenchmarkFramework,
) -> None:
    summary = framework.benchmark(work, name="w")
    framework.set_baseline("w", summary)
    (path,) = framework.store.folder.glob("history/*.jsonl")
    path.write_text("{half a li\n" + path.read_text())
    with pytest.warns(UserWarning, match="1 damaged"):
        assert len(framework.timeline("w")) == 1
    (path,) = framework.store.folder.glob("baselines/*/*.json")
    path.write_text("{}")
    with pytest.raises(ConfigError, match="not a result of optcore"):
        framework.benchmark(work, name="w")


def test_a_line_that_a_killed_writer_left_takes_no_other_with_it(
    framework: BenchmarkFramework,
) -> None:
    for _ in range(2):
        framework.benchmark(work, name="w")
    (path,) = framework.store.folder.glob("history/*.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert framework.store.names() == ["w"]
    after = framework.benchmark(work, name="w")
    with pytest.warns(UserWarning, match="1 damaged"):
        points = framework.store.history("w")
    assert len(points) == 2
    assert points[-1]["run"] == after.run


def test_a_history_keeps_its_limit(tmp_path: Path) -> None:
    framework = BenchmarkFramework(config(tmp_path, history_limit=5))
    summary = framework.benchmark(work, name="w")
    for _ in range(9):
        framework.record([summary])
    assert len(framework.timeline("w")) == 5
    (path,) = framework.store.folder.glob("history/*.jsonl")
    assert len(path.read_text().splitlines()) <= 6


def test_names_that_look_alike_as_files_stay_apart(framework: BenchmarkFramework) -> None:
    for name in ("a/b", "a_b", "../a", ""):
        framework.benchmark(work, name=name)
        assert len(framework.timeline(name)) == 1


def test_a_summary_survives_the_disk(framework: BenchmarkFramework) -> None:
    summary = framework.benchmark(work)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = framework.store.load(summary.run)
    assert back == summary
    assert (back.raw == summary.raw).all()
    failed = framework.benchmark(raising, name="bad")
    assert math.isnan(BenchmarkSummary.from_dict(failed.to_dict()).mean_time)
