"""SystemProfiler: the manual's calls, the decorator on every kind of function, all reports."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from optcore.errors import ConfigError, MissingDependency
from optcore.profiler import ProfilerConfig, ProfilingData, SystemProfiler, speedup

QUIET = ProfilerConfig(enable_gpu_profiling=False, line_interval=0.002)


def busy(seconds: float = 0.15) -> str:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return "done"


@pytest.fixture(scope="module")
def data() -> ProfilingData:
    _, found = SystemProfiler(QUIET).profile_function(busy, 0.3)
    assert isinstance(found, ProfilingData)
    return found


def test_an_outcome_is_a_pair_and_answers_for_its_figures() -> None:
    outcome = SystemProfiler(QUIET).profile_function(busy, seconds=0.1)
    result, data = outcome
    assert result == "done"
    assert outcome.execution_time == data.metrics.execution_time == outcome.metrics.execution_time
    assert 0.1 <= data.metrics.execution_time < 5
    assert data.functions[0].function == "busy"
    assert data.metrics.memory_before_mb > 1
    assert data.metrics.gpu_utilization is None
    assert not data.instrumented


def test_threads_that_only_wait_do_not_fill_the_tables() -> None:
    end = threading.Event()

    def idle_thread() -> None:
        end.wait()

    waiting = threading.Thread(target=idle_thread, name="idler")
    waiting.start()
    try:
        _, found = SystemProfiler(QUIET).profile_function(busy, 0.2)
    finally:
        end.set()
        waiting.join()
    assert not any("idle_thread" in f.function for f in found.functions)
    assert any("only waited" in note and "idler" in note for note in found.notes)
    assert "idler" in found.stacks


def test_an_exception_passes_and_the_data_is_kept() -> None:
    profiler = SystemProfiler(QUIET)
    with pytest.raises(ZeroDivisionError):
        profiler.profile_function(lambda: 1 / 0)
    assert profiler.last is not None
    assert any("too short to sample" in note for note in profiler.last.notes)


def test_a_block_is_profiled() -> None:
    with SystemProfiler(QUIET) as profiler:
        busy(0.1)
    assert profiler.last is not None
    assert profiler.last.metrics.execution_time >= 0.1


def test_every_kind_of_function_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    profiler = SystemProfiler(ProfilerConfig(cpu_time_threshold_ms=5))

    @profiler.profile_decorator()
    def plain(x: int) -> int:
        """Doc."""
        return x + 1

    @profiler.profile_decorator("named")
    async def waits() -> int:
        await asyncio.sleep(0.01)
        return 7

    @profiler.profile_decorator
    def yields() -> Iterator[int]:
        yield from range(3)

    class Thing:
        @profiler.profile_decorator("method")
        def call(self, x: int) -> tuple[object, int]:
            return self, x

    assert (plain(1), plain.__name__, plain.__doc__) == (2, "plain", "Doc.")
    with caplog.at_level(logging.INFO, "optcore.profiler"):
        assert asyncio.run(waits()) == 7
        assert list(yields()) == [0, 1, 2]
        thing = Thing()
        assert thing.call(3) == (thing, 3)
        profiler.flush()
        profiler.flush()
    counts = {name.rpartition(".")[2]: s.histogram.count for name, s in profiler.sites.items()}
    assert counts == {"plain": 1, "named": 1, "yields": 1, "method": 1}
    lines = [r.getMessage() for r in caplog.records]
    assert len([line for line in lines if line.startswith("named took")]) == 1  # 10 ms over 5
    assert len([line for line in lines if "1 calls" in line]) == 4  # one each, once
    profiler.enabled = False
    plain(1)
    assert "plain" in profiler.report()
    assert (
        profiler.sites[next(n for n in counts_names(profiler) if "plain" in n)].histogram.count == 1
    )


def counts_names(profiler: SystemProfiler) -> list[str]:
    return list(profiler.sites)


def test_every_report_says_the_same(data: ProfilingData) -> None:
    profiler = SystemProfiler(QUIET)
    assert "busy" in profiler.generate_report(data)
    assert "python-bound" in profiler.generate_report(data)
    loaded = json.loads(profiler.generate_report(data, "json"))
    assert loaded["profiles"][0]["functions"][0]["function"] == "busy"
    rows = list(csv.DictReader(io.StringIO(profiler.generate_report(data, "csv"))))
    own = sum(float(r["seconds"]) for r in rows if r["kind"] == "function")
    collapsed = profiler.generate_report(data, "collapsed").splitlines()
    micro = sum(int(line.rpartition(" ")[2]) for line in collapsed if line.startswith("MainThread"))
    scope = json.loads(profiler.generate_report(data, "speedscope"))
    seen = next(p for p in scope["profiles"] if p["name"] == "MainThread")
    assert own == pytest.approx(0.3, rel=0.3)
    assert micro * 1e-6 == pytest.approx(seen["endValue"], abs=0.01)
    assert all(i < len(scope["shared"]["frames"]) for s in seen["samples"] for i in s)
    with pytest.raises(ConfigError, match="format"):
        profiler.generate_report(data, "pdf")


def test_the_page_needs_no_other_host(data: ProfilingData) -> None:
    page = SystemProfiler(QUIET).generate_report(data, "html")
    assert page.startswith("<!DOCTYPE html>")
    hosts = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert hosts <= {"http://www.w3.org/2000/svg"}  # a name, not an address that is asked
    assert "src=" not in page
    assert "time, s" in page
    assert "CPU, % of a core" in page


def test_exact_lines_are_a_marked_pass() -> None:
    pytest.importorskip("line_profiler", reason="optcore[test] brings it")
    profiler = SystemProfiler(QUIET.replace(line_backend="trace"))

    def three(n: int) -> int:
        total = 0
        for i in range(n):
            total += i
        return total

    outcome = profiler.profile_function(three, 1000)
    assert outcome.result == 499500
    assert outcome.data.instrumented
    assert 1000 in {line.hits for line in outcome.data.lines}
    with pytest.warns(UserWarning, match="traced"):
        speedup(outcome, SystemProfiler(QUIET).profile_function(three, 10))


def test_a_missing_tracer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "line_profiler", None)
    with pytest.raises(MissingDependency, match="pip install"):
        SystemProfiler(QUIET.replace(line_backend="trace")).profile_function(busy, 0.0)


def test_the_settings_of_the_manual_are_taken() -> None:
    config = ProfilerConfig(
        sampling_interval=1, enable_line_profiling=False, enable_memory_profiling=False
    )
    _, data = SystemProfiler(config).profile_function(busy, 0.01)
    assert data.lines == ()
    assert data.metrics.memory_before_mb is None
    with pytest.raises(ConfigError, match="sampling_interval"):
        ProfilerConfig(sampling_interval=0)


def test_progress_is_told() -> None:
    told: list[float] = []
    SystemProfiler(QUIET.replace(sampling_interval=0.02), told.append).profile_function(busy, 0.2)
    assert told == sorted(told)
    assert told


def test_memray_charges_native_allocations_to_the_line_that_asked() -> None:
    pytest.importorskip("memray", reason="memray is for Linux and macOS")
    kept: list[object] = []

    def leak() -> None:
        for _ in range(16):
            kept[:] = [*kept, np.ones(131_072)]  # 1 MB: this line

    profiler = SystemProfiler(ProfilerConfig(memory_backend="memray"))
    data = profiler.profile_function(leak).data
    assert data.instrumented
    top = data.allocations[0]
    assert top.file == __file__
    assert "this line" in Path(__file__).read_text().splitlines()[top.line - 1]
    assert top.megabytes == pytest.approx(16, abs=0.5)
    assert top.count >= 16
