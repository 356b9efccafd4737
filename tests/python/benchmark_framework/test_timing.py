"""Samples under a clock that the test moves; no real time is measured."""

from __future__ import annotations

import asyncio
import gc
import math

import numpy as np
import pytest

from fake_clock import FakeClock
from optcore.benchmark_framework.measurement import turns
from optcore.benchmark_framework.timing import Sampler, nonfinite, quiet_collector, timer_floor


@pytest.mark.parametrize("call_ns", [3, 170, 41_000, 7_000_000])
def test_a_sample_is_the_time_of_one_call_and_lasts_long_enough(call_ns: int) -> None:
    clock = FakeClock()
    sampler = Sampler(clock.work(call_ns), clock=clock)
    sampler.warm_up(10, 100)
    sampler.take(20)
    assert sampler.samples.seconds == pytest.approx([call_ns * 1e-9] * 20)
    assert sampler.samples.inner * call_ns >= 50_000
    assert sampler.samples.inner == 1 or call_ns < 50_000
    assert sampler.samples.warmup == 10


def test_warm_up_lasts_until_the_median_settles() -> None:
    clock = FakeClock()
    cost = [10_000_000 // (k + 1) for k in range(60)]

    def warming() -> None:
        clock.now += cost.pop(0) if len(cost) > 1 else cost[0]

    sampler = Sampler(warming, clock=clock, inner=1)
    sampler.warm_up(10, 100)
    assert 60 < sampler.samples.warmup <= 100


def test_errors_are_counted_and_leave_no_sample() -> None:
    clock, calls = FakeClock(), []

    def sometimes() -> None:
        calls.append(1)
        clock.now += 100_000
        if len(calls) % 4 == 0:
            raise ValueError(f"call {len(calls)}")

    sampler = Sampler(sometimes, clock=clock, inner=1)
    sampler.take(100)
    assert (sampler.samples.attempted, sampler.samples.errors) == (100, 25)
    assert len(sampler.samples.seconds) == 75
    assert sampler.samples.first_error == "ValueError: call 4"


def test_no_sample_starts_after_the_deadline_and_one_across_it_is_late() -> None:
    clock = FakeClock()
    sampler = Sampler(clock.work(100), clock=clock, deadline=1050, inner=1)
    sampler.take(100)
    assert (sampler.samples.attempted, sampler.samples.late) == (11, 1)
    assert sampler.samples.timed_out


def test_warm_up_leaves_time_for_samples() -> None:
    clock = FakeClock()
    sampler = Sampler(clock.work(10), clock=clock, deadline=1000, inner=1)
    sampler.warm_up(50, 500)
    assert clock.now <= 210


def test_setup_is_not_timed_and_comes_before_every_single_call() -> None:
    clock, order = FakeClock(), []

    def prepare() -> None:
        clock.now += 10**6
        order.append("setup")

    def call() -> None:
        clock.now += 50
        order.append("call")

    sampler = Sampler(call, setup=prepare, clock=clock)
    sampler.warm_up(3, 3)
    sampler.take(4)
    assert sampler.samples.seconds == pytest.approx([50e-9] * 4)
    assert order == ["setup", "call"] * (len(order) // 2)


def test_a_coroutine_is_awaited() -> None:
    clock = FakeClock()

    async def call() -> None:
        await asyncio.sleep(0)
        clock.now += 20_000

    sampler = Sampler(call, clock=clock)
    sampler.look()
    sampler.warm_up(2, 2)
    sampler.take(5)
    sampler.close()
    assert sampler.samples.seconds == pytest.approx([20e-6] * 5)
    assert sampler.samples.inner >= 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, True), (1.0, False), (None, False), ("nan", False), (complex(0, math.inf), True),
        (np.float32("nan"), True), (np.array([1.0, np.inf]), True), (np.ones((3, 3)), False),
        (np.empty(0), False), (np.array(["x"]), False), ({"a": [1.0, (math.nan,)]}, True),
        ({"a": [1.0, (2,)]}, False), (10**400, False),
    ],
)  # fmt: skip
def test_nan_is_found_in_results(value: object, expected: bool) -> None:
    assert nonfinite(value) is expected


def test_the_collector_rests_inside_and_the_clock_has_a_floor() -> None:
    with quiet_collector(), quiet_collector():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert 0 < timer_floor() < 1e-3


def test_turns_alternate_and_share_who_is_first() -> None:
    order = list(turns(12))
    assert order == [(0, 5), (1, 5), (1, 5), (0, 5), (0, 2), (1, 2)]
