"""Turns, calibration and ratios under a clock that the test moves; no real time is measured."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from fake_clock import FakeClock
from harness import Case, Probe, Trial
from harness.runner import run_case
from harness.timing import calibrate, measure, rotation


def no_setup(_: Trial) -> None:
    raise AssertionError("not called here")


@pytest.mark.parametrize("call_ns", [3, 170, 41_000, 7_000_000])
def test_a_peer_planted_twice_as_slow_gives_a_ratio_of_two(call_ns: int) -> None:
    clock = FakeClock()

    def setup(trial: Trial) -> None:
        trial.contestant("optcore")(lambda: clock.work(call_ns))
        trial.contestant("twice")(lambda: clock.work(2 * call_ns))
        trial.contestant("thrice")(lambda: clock.work(3 * call_ns))
        trial.check(lambda answers: {"answers": len(answers)})

    row = run_case(Case("t/planted", setup, unit="ns"), {}, clock=clock)
    assert row["optcore"] == pytest.approx(call_ns)
    assert row["best_peer"] == "twice"
    assert row["ratio_to_best_peer"] == pytest.approx(2.0, rel=1e-9)
    assert row["ratio_interval"] == pytest.approx([2.0, 2.0], rel=1e-9)
    assert row["checks"] == {"agree": True, "answers": 3}


@pytest.mark.parametrize(("unit", "work", "ours"), [("per_s", 10.0, 1e8), ("gflop_s", 50.0, 0.5)])
def test_a_rate_is_better_when_it_is_higher(unit: str, work: float, ours: float) -> None:
    clock = FakeClock()

    def setup(trial: Trial) -> None:
        trial.contestant("optcore")(lambda: clock.work(100))
        trial.contestant("peer")(lambda: clock.work(400))
        trial.check(lambda _: {})

    row = run_case(Case("t/rate", setup, unit=unit, work=work), {}, clock=clock)
    assert row["optcore"] == pytest.approx(ours)
    assert row["ratio_to_best_peer"] == pytest.approx(4.0)


def test_turns_alternate_and_the_slow_sit_out_evenly() -> None:
    turns = list(rotation({"a": 8, "b": 8, "slow": 2}))
    assert Counter(turns) == {"a": 8, "b": 8, "slow": 2}
    fast = [name for name in turns if name != "slow"]
    assert all(set(fast[i : i + 2]) == {"a", "b"} for i in range(0, len(fast), 2))
    assert {"a", "b"} == {fast[0], fast[2]}, "everybody starts a round in turn"
    first, second = (i for i, name in enumerate(turns) if name == "slow")
    assert second - first > 4


def test_short_calls_are_repeated_and_long_ones_are_not() -> None:
    clock = FakeClock()
    case = Case("t/inner", no_setup)
    plan = calibrate(clock.work(40), case, 1e9, clock)
    assert plan.inner * 40 >= 50_000
    assert plan.call_ns == pytest.approx(40)
    assert calibrate(clock.work(60_000), case, 1e9, clock).inner == 1
    assert calibrate(clock.work(40), Case("t/one", no_setup, inner=1), 1e9, clock).inner == 1


def test_a_slow_contestant_gets_fewer_samples_but_never_below_three() -> None:
    clock = FakeClock()
    case = Case("t/budget", no_setup, samples=50, seconds=2.0)
    samples, _ = measure(case, {"fast": clock.work(10**6), "slow": clock.work(10**9)}, clock=clock)
    assert len(samples["fast"]) == 50
    assert len(samples["slow"]) == 3


def test_quick_takes_a_fifth() -> None:
    clock = FakeClock()
    samples, _ = measure(
        Case("t/quick", no_setup, samples=100), {"a": clock.work(10**5)}, quick=True, clock=clock
    )
    assert len(samples["a"]) == 20


def test_the_collector_is_off_in_samples_and_on_again_afterwards() -> None:
    clock = FakeClock()
    seen = []

    def call() -> None:
        clock.now += 100_000
        seen.append(gc.isenabled())

    assert gc.isenabled()
    measure(Case("t/gc", no_setup, samples=5), {"a": call}, clock=clock)
    assert gc.isenabled()
    assert seen[-5:] == [False] * 5


def test_settling_calls_are_not_timed_and_can_be_turned_off() -> None:
    clock = FakeClock()
    calls = []

    def call() -> None:
        calls.append(1)
        clock.now += 100_000

    def count(settle: bool) -> int:
        calls.clear()
        case = Case("t/settle", no_setup, samples=10, inner=1, settle=settle)
        measure(case, {"a": call}, clock=clock)
        return len(calls)

    assert count(True) - count(False) == 10


def test_a_probe_gives_its_samples_in_the_unit_of_the_case() -> None:
    clock = FakeClock()

    def setup(trial: Trial) -> None:
        trial.contestant("optcore")(lambda: Probe(lambda count: [1000.0] * count))
        trial.contestant("peer")(lambda: Probe(lambda count: [3000.0] * count))

    row = run_case(Case("t/probe", setup, unit="instructions", samples=8), {}, clock=clock)
    assert (row["optcore"], row["peers"]) == (1000.0, {"peer": 3000.0})
    assert row["ratio_to_best_peer"] == pytest.approx(3.0)
    assert row["samples"] == 8
