"""Loops, schedules and latencies against what was planted."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore._native import runtime
from optcore.errors import ConfigError, OptcoreError
from optcore.scalability_analyzer import (
    FunctionTarget,
    ScalabilityAnalyzer,
    ScalabilityConfig,
    Scenario,
    ScenarioResult,
)
from optcore.scalability_analyzer.shard import arrivals

sys.path.insert(0, str(Path(__file__).parent))
import targets

CONFIG = ScalabilityConfig(ramp_up_time=0.0, load_test_duration=0.5, max_workers=2)


def run(function: Any, scenario: dict[str, Any], **target: Any) -> ScenarioResult:
    analyzer = ScalabilityAnalyzer(CONFIG)
    return analyzer.run_scenario(
        FunctionTarget(function, **target), Scenario.from_dict(scenario, CONFIG)
    )


def stalled_quantile(q: float, stall: float, period: float) -> float:
    """Of the wait of arrivals that are uniform in time: a share stall / period waits, uniformly."""
    above = (1 - q) * period  # of a period that waits longer
    return max(stall - above, 0.0)


def test_an_open_loop_shows_the_stalls_of_its_server_and_a_closed_one_hides_them() -> None:
    stall, period, duration = 0.5, 2.0, 4.0
    truth = stalled_quantile(0.99, stall, period)
    server = targets.Stalling(stall, period)
    opened = run(
        server,
        {"arrival_rate": 400, "arrival": "constant", "duration": duration,
         "concurrent_users": 256},
    )  # fmt: skip
    assert opened.response.p99 == pytest.approx(truth, rel=0.05)
    assert opened.response.quantile(0.9) == pytest.approx(
        stalled_quantile(0.9, stall, period), rel=0.05
    )
    assert opened.offered_rate == pytest.approx(400, rel=0.01)
    closed = run(
        lambda: (server(), time.sleep(1e-3)), {"concurrent_users": 1, "duration": duration}
    )
    assert closed.response.p99 < 0.1 * truth
    assert closed.response.max > 0.5 * stall


def test_a_queue_before_too_few_workers_is_part_of_the_latency() -> None:
    # one worker of 20 ms, 100 calls a second due: the k-th waits k (20 - 10) ms
    late = run(
        lambda: targets.pause(0.02),
        {"arrival_rate": 100, "arrival": "constant", "concurrent_users": 1, "duration": 1.0},
    )
    assert 0.02 <= late.service.p50 < 0.04
    assert late.response.p50 > 0.9 * (0.02 + 0.5 * 100 * 0.01)
    assert late.saturated
    assert late.generator_bound
    assert any("worker-bound" in note for note in late.notes)
    assert late.start_lag.p99 > 0.5


def test_calls_that_never_start_are_counted_with_the_wait_so_far() -> None:
    stuck = run(
        lambda: targets.pause(0.5),
        {"arrival_rate": 20, "arrival": "constant", "concurrent_users": 1, "duration": 1.0},
    )
    assert stuck.unstarted > 0
    assert stuck.response.count == 20
    assert stuck.response.max > 1.0


def test_a_closed_loop_obeys_littles_law() -> None:
    seen = run(targets.sleep_ms, {"concurrent_users": 4, "duration": 0.5})
    assert seen.little_ratio == pytest.approx(1.0, abs=0.05)
    assert seen.throughput <= 4 / 1e-3
    assert seen.concurrency == pytest.approx(4, abs=0.4)
    assert not seen.generator_bound
    thinking = run(targets.nothing, {"concurrent_users": 2, "duration": 0.5, "think_time": 0.01})
    assert 0.5 * 2 / 0.01 < thinking.throughput <= 1.05 * 2 / 0.01
    assert thinking.service.p50 < 0.005


def test_the_ramp_is_left_out() -> None:
    begin, slow = time.monotonic(), 0.4

    def cold() -> None:
        targets.pause(0.05 if time.monotonic() - begin < slow else 0.001)

    seen = run(cold, {"concurrent_users": 2, "duration": 0.5, "ramp_up": 0.5})
    assert seen.response.p90 < 0.04  # every call of the ramp's first part took 50 ms
    assert seen.throughput > 2 / 0.04


@pytest.mark.parametrize("executor", ["thread", "process", "async"])
@pytest.mark.parametrize("rate", [None, 200.0])
def test_every_executor_counts_the_same(executor: str, rate: float | None) -> None:
    function = targets.wait_ms if executor == "async" else targets.sleep_ms
    scenario: dict[str, Any] = {"concurrent_users": 4, "duration": 0.5, "executor": executor}
    if rate is not None:
        scenario |= {"arrival_rate": rate, "arrival": "constant"}
    seen = run(function, scenario)
    if rate is None:
        assert 400 < seen.throughput <= 4000
        assert seen.little_ratio == pytest.approx(1.0, abs=0.2)
    else:
        assert seen.offered_rate == pytest.approx(rate, rel=0.02)
        assert seen.response.count == 100
        assert seen.start_lag.count == 100
    assert 1e-3 <= seen.response.p50 < 0.05
    assert seen.errors == 0
    assert seen.heat.sum() == seen.response.count - seen.unstarted


def test_errors_and_timeouts_are_counted_apart() -> None:
    seen = run(targets.failing, {"concurrent_users": 2, "duration": 0.1})
    assert seen.errors > 0
    assert seen.throughput == 0
    assert seen.response.count == 0
    assert seen.error_types == {"ValueError": seen.errors}
    assert seen.first_error == "ValueError: planted"
    assert seen.error_rate == 1.0
    late = run(targets.late, {"concurrent_users": 1, "duration": 0.1})
    assert late.timeouts == late.response.count > 0
    assert late.errors == 0
    slow = run(targets.sleep_ms, {"concurrent_users": 1, "duration": 0.1, "timeout": 5e-4})
    assert slow.timeouts == slow.response.count > 0


def test_a_coroutine_is_cancelled_at_its_timeout() -> None:
    async def forever() -> None:
        await __import__("asyncio").sleep(60)

    start = time.monotonic()
    seen = run(forever, {"concurrent_users": 3, "duration": 0.3, "timeout": 0.05})
    assert time.monotonic() - start < 5
    assert seen.timeouts == seen.response.count > 6
    assert seen.response.p50 == pytest.approx(0.05, rel=0.4)


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(OptcoreError, match="exit code 7"):
        run(targets.dying, {"concurrent_users": 2, "duration": 0.2, "executor": "process"})
    with pytest.raises(ConfigError, match="cannot be sent to another process"):
        run(lambda: None, {"concurrent_users": 2, "executor": "process"})


def test_inputs_are_made_outside_the_measured_time_and_each_once() -> None:
    seen: list[int] = []
    lock = threading.Lock()

    def make(i: int) -> tuple[int]:
        targets.pause(2e-3)
        with lock:
            seen.append(i)
        return (i,)

    result = run(
        lambda i: None, {"concurrent_users": 3, "duration": 0.3}, input_factory=make
    )  # fmt: skip
    assert len(seen) == len(set(seen)) > 20
    assert result.response.p50 < 1e-3
    assert sorted(seen)[:10] == list(range(10))


def test_keyword_arguments_and_those_of_a_scenario_reach_the_function() -> None:
    got = []

    def function(a: int, *, b: int) -> None:
        got.append((a, b))

    run(function, {"concurrent_users": 1, "duration": 0.02, "args": (5,)}, kwargs={"b": 2})
    assert set(got) == {(5, 2)}


def test_a_keyboard_interrupt_ends_the_test_in_the_callers_thread() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, {"concurrent_users": 2, "duration": 30.0})


@pytest.mark.parametrize("ramp", [0.0, 2.0])
def test_poisson_arrivals_have_the_rate_asked_for_and_exponential_gaps(ramp: float) -> None:
    scenario = Scenario(8, 20.0, ramp_up=ramp, arrival_rate=500.0)
    due = arrivals(scenario, seed=3) * 1e-9
    assert (np.diff(due) >= 0).all()
    flat = due[due >= ramp]
    assert len(flat) == pytest.approx(500 * 20, abs=4 * np.sqrt(500 * 20))
    gaps = np.diff(flat)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert len(due) - len(flat) == pytest.approx(500 * ramp / 2, abs=4 * np.sqrt(500 * 2 / 2))
    assert np.array_equal(due, arrivals(scenario, seed=3) * 1e-9)
    assert not np.array_equal(due[:100], arrivals(scenario, seed=4)[:100] * 1e-9)


def test_constant_arrivals_are_equally_spaced_and_rise_over_the_ramp() -> None:
    due = arrivals(Scenario(8, 1.0, ramp_up=1.0, arrival_rate=100.0, arrival="constant"), 0) * 1e-9
    assert len(due) == 150
    assert np.diff(due[due >= 1.0]) == pytest.approx(0.01, abs=1e-6)
    assert (np.diff(due[due < 1.0]) > 0.0099).all()


def test_the_native_loop_shares_the_interpreter_with_native_functions() -> None:
    """min() never gives the lock up by itself; another thread must still get to run."""
    run_ = runtime.LoadRun(
        measured=time.monotonic_ns(), end=time.monotonic_ns() + 300_000_000, slots=1,
        timeout=1 << 62, on_error=print,
    )  # fmt: skip
    ticks = []

    def tick() -> None:
        while not run_.stopped:
            ticks.append(time.monotonic())
            time.sleep(1e-3)

    thread = threading.Thread(target=tick)
    thread.start()
    run_.closed_loop(time.time, None, first=0, stride=1, begin=0, think=0)
    run_.stop()
    thread.join()
    assert len(ticks) > 10
    assert run_.response.count > 10_000


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"concurrent_user": 3}, "did you mean concurrent_users"),
        ({"duration": 1}, "need concurrent_users"),
        ({"concurrent_users": 0}, "whole number"),
        ({"concurrent_users": 5000}, "max_users is 4096"),
        ({"concurrent_users": 1, "duration": 0}, "duration must be above 0"),
        ({"arrival_rate": -1.0}, "arrival_rate must be above 0"),
        ({"arrival_rate": 5, "think_time": 1}, "think_time belongs to a closed loop"),
        ({"concurrent_users": 1, "executor": "ray"}, "executor must be one of"),
        ({"concurrent_users": 1, "args": 3}, "args must be a tuple"),
    ],
)
def test_a_wrong_scenario_is_refused_by_name(scenario: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Scenario.from_dict(scenario, CONFIG)


def test_a_missing_argument_is_named_before_anything_runs() -> None:
    analyzer = ScalabilityAnalyzer(CONFIG)
    with pytest.raises(ConfigError, match="missing a required argument: 'a'"):
        analyzer.run_comprehensive_analysis(targets.with_arguments, [{"concurrent_users": 1}])
    with pytest.raises(ConfigError, match="need a target_function or endpoints"):
        analyzer.run_comprehensive_analysis()
    with pytest.raises(ConfigError, match="enable_distributed_testing"):
        run(targets.nothing, {"concurrent_users": 1, "executor": "dask"})
    with pytest.raises(ConfigError, match="coroutine function"):
        run(targets.nothing, {"concurrent_users": 1, "executor": "async"})
