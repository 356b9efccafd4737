"""Loops, schedules and latencies against what was planted."""

from __future__ import annotations

import asyncio
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
from optcore.scalability_analyzer.shard import Shard, Timetable, arrivals

sys.path.insert(0, str(Path(__file__).parent))
import targets

CONFIG = ScalabilityConfig(ramp_up_time=0.0, load_test_duration=0.5, max_workers=2)


def run(function: Any, scenario: dict[str, Any], **target: Any) -> ScenarioResult:
    analyzer = ScalabilityAnalyzer(CONFIG)
    return analyzer.run_scenario(
        FunctionTarget(function, **target), Scenario.from_dict(scenario, CONFIG)
    )


def assert_littles_law(seen: ScenarioResult) -> None:
    """Users = throughput x time of a round, but for what begins or ends outside the measured time:
    of each user a call at either end."""
    users, duration = seen.users, seen.scenario.duration
    think = seen.scenario.think_time
    unmeasured = 2 * (seen.response.max + think) / duration + users / seen.response.count + 0.005
    assert seen.little_ratio is not None
    assert 1 / seen.little_ratio == pytest.approx(1.0, abs=unmeasured)
    if not think:
        assert seen.concurrency == pytest.approx(users, abs=users * unmeasured)


def quantile(values: Any, q: float) -> float:
    """As HdrHistogram counts: the smallest that a share q does not exceed."""
    return float(np.quantile(values, q, method="inverted_cdf"))


def test_an_open_loop_shows_the_stalls_of_its_server_and_a_closed_one_hides_them() -> None:
    server = targets.Stalling(stall=0.5, period=2.0)
    given = {"arrival_rate": 400, "arrival": "constant", "duration": 4.0, "concurrent_users": 256}
    scenario = Scenario.from_dict(given, CONFIG)
    shard = Shard(FunctionTarget(server, input_factory=lambda i: (i,)), scenario, seed=0)
    shard.start()
    table = Timetable.starting(time.monotonic_ns() + 50_000_000, scenario)
    opened = ScenarioResult.of(shard.run(table), scenario, 1600, 1)
    assert (opened.response.count, len(server.ended)) == (1600, 1600)
    due = (table.begin + arrivals(scenario, 0)) * 1e-9
    planted = np.array([server.left(at) for at in due])  # a call waits no less
    measured = np.array([server.ended[i] for i in range(1600)]) - due  # by the server's own clock
    for q in (0.9, 0.95, 0.99):
        assert opened.response.quantile(q) >= quantile(planted, q) > 0.2
        assert opened.response.quantile(q) == pytest.approx(quantile(measured, q), rel=0.05)

    server = targets.Stalling(stall=0.5, period=2.0)
    timed = targets.Timed(lambda i: (server(i), time.sleep(1e-3)))
    closed = run(timed, {"concurrent_users": 1, "duration": 4.0}, input_factory=lambda i: (i,))
    stalls = np.array(timed.seconds) > 0.25
    assert closed.response.max >= max(timed.seconds[:-1])
    # of the 800 calls that were due in stalls of an open loop, one a stall is left
    assert 1 <= stalls.sum() <= 3
    assert closed.response.count <= len(timed.seconds)


def test_a_queue_before_too_few_workers_is_part_of_the_latency() -> None:
    # one worker of 20 ms or more, 100 calls a second due: the k-th waits k (20 - 10) ms or more
    server = targets.Timed(lambda: targets.pause(0.02))
    late = run(
        server, {"arrival_rate": 100, "arrival": "constant", "concurrent_users": 1, "duration": 1.0}
    )
    assert late.service.p50 == pytest.approx(quantile(server.seconds, 0.5), rel=0.05)
    assert late.service.p50 >= 0.02
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
    assert_littles_law(seen)
    assert seen.throughput <= 4 / 1e-3
    assert not seen.generator_bound
    server = targets.Timed(targets.sleep_ms)
    thinking = run(server, {"concurrent_users": 2, "duration": 0.5, "think_time": 0.02})
    assert_littles_law(thinking)
    assert thinking.throughput <= 1.05 * 2 / 0.02
    assert thinking.service.p50 == pytest.approx(quantile(server.seconds, 0.5), rel=0.1)


def test_the_ramp_is_left_out() -> None:
    begin, slow = time.monotonic(), 0.4
    calls: list[bool] = []

    def cold() -> None:
        calls.append(time.monotonic() - begin < slow)
        targets.pause(0.05 if calls[-1] else 0.001)

    seen = run(cold, {"concurrent_users": 2, "duration": 0.5, "ramp_up": 0.5})
    assert any(calls)
    assert 0 < seen.response.count <= calls.count(False)
    # a cold call may end in the measured time, of each user one
    assert seen.throughput * 0.5 <= calls.count(False) + 2


@pytest.mark.parametrize("executor", ["thread", "process", "async"])
@pytest.mark.parametrize("rate", [None, 200.0])
def test_every_executor_counts_the_same(executor: str, rate: float | None) -> None:
    function = targets.wait_ms if executor == "async" else targets.sleep_ms
    scenario: dict[str, Any] = {"concurrent_users": 4, "duration": 0.5, "executor": executor}
    if rate is not None:
        scenario |= {"arrival_rate": rate, "arrival": "constant"}
    seen = run(function, scenario)
    if rate is None:
        assert 0 < seen.throughput <= 4000
        assert_littles_law(seen)
    else:
        assert seen.offered_rate == pytest.approx(rate, rel=0.02)
        assert seen.response.count == 100
        assert seen.start_lag.count == 100
    assert seen.response.p50 >= 1e-3
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
    lasted: list[float] = []

    async def forever() -> None:
        start = time.monotonic()
        try:
            await asyncio.Event().wait()
        finally:
            lasted.append(time.monotonic() - start)

    seen = run(forever, {"concurrent_users": 3, "duration": 0.3, "timeout": 0.05})  # and ends
    assert seen.timeouts == seen.response.count == len(lasted) >= 3
    assert seen.response.p50 >= 0.05
    assert seen.response.p50 == pytest.approx(quantile(lasted, 0.5), rel=0.1)


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(OptcoreError, match="exit code 7"):
        run(targets.dying, {"concurrent_users": 2, "duration": 0.2, "executor": "process"})
    seen = run(targets.wait_ms, {"concurrent_users": 2, "duration": 0.1, "executor": "process"})
    assert seen.scenario.executor == "process", "coroutines do not lose their processes"
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
    assert result.response.p50 < 2e-3, "what making them takes is counted"
    for user in range(3):
        mine = [i for i in seen if i % 3 == user]
        assert mine == list(range(user, user + 3 * len(mine), 3))


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
    patience = time.monotonic_ns() + 60_000_000_000
    run_ = runtime.LoadRun(
        measured=time.monotonic_ns(), end=patience, slots=1, timeout=1 << 62, on_error=print
    )
    ticks = []

    def tick() -> None:
        while len(ticks) < 10 and not run_.stopped:
            ticks.append(time.monotonic_ns())
            time.sleep(1e-3)
        run_.stop()

    thread = threading.Thread(target=tick)
    thread.start()
    run_.closed_loop(time.time, None, first=0, stride=1, begin=0, think=0)
    run_.stop()
    thread.join()
    assert len(ticks) == 10
    assert ticks[-1] < patience, "the other thread only ran once the loop had ended"
    assert run_.response.count > 10


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"concurrent_user": 3}, "did you mean concurrent_users"),
        ({"duration": 1}, "need concurrent_users"),
        ({"concurrent_users": 0}, "whole number"),
        ({"concurrent_users": 5000}, "max_users is 4096"),
        ({"concurrent_users": 1, "duration": 0}, "duration must be above 0"),
        ({"concurrent_users": 1, "duration": float("inf")}, "duration must be finite"),
        ({"arrival_rate": float("inf")}, "arrival_rate must be finite"),
        ({"arrival_rate": 1e12}, "more than 1e\\+08 calls"),
        ({"arrival_rate": -1.0}, "arrival_rate must be above 0"),
        ({"arrival_rate": 5, "think_time": 1}, "think_time belongs to a closed loop"),
        ({"concurrent_users": 1, "executor": "ray"}, "executor must be one of"),
        ({"concurrent_users": 1, "args": 3}, "args must be a tuple"),
    ],
)
def test_a_wrong_scenario_is_refused_by_name(scenario: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Scenario.from_dict(scenario, CONFIG)


def test_threads_that_cannot_all_be_started_leave_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Scarce(threading.Thread):
        def start(self) -> None:
            if self.name == "load-5":
                raise RuntimeError("can't start new thread")
            super().start()

    scenario = Scenario.from_dict({"concurrent_users": 9}, CONFIG)
    shard = Shard(FunctionTarget(targets.nothing), scenario, seed=0)
    with monkeypatch.context() as scarce:
        scarce.setattr("optcore.scalability_analyzer.shard.threading.Thread", Scarce)
        with pytest.raises(OptcoreError, match="5 of 9 users"):
            shard.start()
    assert not [t for t in threading.enumerate() if t.name.startswith("load-")]


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
