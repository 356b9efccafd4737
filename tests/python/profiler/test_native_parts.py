"""The native call wrapper and the stack sampler."""

from __future__ import annotations

import threading
import time

import pytest

from optcore._native import runtime


def test_a_profiled_function_is_the_function_and_is_counted() -> None:
    site = runtime.CallSite()

    class Thing:
        factor = 3

        def times(self, x: int, *, plus: int = 0) -> int:
            """Doc."""
            return self.factor * x + plus

        wrapped = runtime.profiled(times, site)

    assert Thing().wrapped(2, plus=1) == 7
    assert Thing.wrapped.__doc__ == runtime.profiled.__doc__ or Thing.wrapped.__wrapped__.__doc__
    site.enabled = False
    assert Thing().wrapped(2) == 6
    assert site.histogram.count == 1

    fail = runtime.profiled(lambda: 1 / 0, errors := runtime.CallSite())
    with pytest.raises(ZeroDivisionError):
        fail()
    assert errors.errors == 1


def test_nested_calls_are_charged_to_the_one_around_them() -> None:
    inner, outer = runtime.CallSite(), runtime.CallSite()
    nap = runtime.profiled(lambda: time.sleep(0.01), inner)
    slow: list[int] = []
    outer.slow_ns = 5_000_000
    runtime.profiled(lambda: nap(), outer, slow.append)()
    assert outer.children_ns == inner.total_ns
    assert outer.total_ns >= inner.total_ns >= 9_000_000
    assert len(slow) == 1


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def spin_and_sleep() -> tuple[float, float, float]:
    """Seconds that the sampler ran, that it saw this thread, and that it saw it asleep."""
    sampler = runtime.StackSampler(0.005)
    sampler.start()
    spin(0.3)
    time.sleep(0.2)
    sampler.stop()
    total = dict.fromkeys(runtime.activities, 0.0)
    for thread, _, nodes in sampler.result():
        if thread != threading.get_ident():
            continue  # the test runner has threads of its own
        for *_, ns in nodes:
            for name, n in zip(runtime.activities, ns, strict=True):
                total[name] += n * 1e-9
    return sampler.elapsed, sum(total.values()), total["sleep"]


def test_the_sampler_tells_sleep_from_work() -> None:
    for _ in range(3):  # a sampler that other programs starve sees too little: look again
        elapsed, seen, asleep = spin_and_sleep()
        if 0.1 < asleep < 0.6 * elapsed:
            break
    assert seen == pytest.approx(elapsed, rel=0.2)
    assert 0.1 < asleep < 0.6 * elapsed
