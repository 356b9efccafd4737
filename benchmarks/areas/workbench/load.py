"""How fast a load generator can call, and how late it starts what is due."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from harness import Absent, Case, Probe, Trial
from harness.agreement import Disagreement

__all__ = ["cases"]

_SECONDS = 0.5
_RATE = 10_000

# A user of locust is a greenlet that fires an event for each call; this is its documented way to
# load something that is not HTTP. In a process of its own, since it patches the standard library.
_LOCUST = """
import gevent.monkey
gevent.monkey.patch_all()
import sys, time, gevent
from locust import User, constant, task
from locust.env import Environment

class Caller(User):
    wait_time = constant(0)

    @task
    def call(self):
        for _ in range(1000):
            start = time.perf_counter()
            nothing()
            self.environment.events.request.fire(
                request_type="call", name="nothing", exception=None, response_length=0,
                response_time=(time.perf_counter() - start) * 1000, context={})

def nothing():
    pass

environment = Environment(user_classes=[Caller])
runner = environment.create_local_runner()
runner.start(1, spawn_rate=100)
gevent.sleep(0.5)
before, start = environment.stats.total.num_requests, time.perf_counter()
gevent.sleep(float(sys.argv[1]))
print((environment.stats.total.num_requests - before) / (time.perf_counter() - start))
runner.quit()
"""


def nothing() -> None:
    """What is called: the generator's own cost is all there is."""


def load(given: Mapping[str, Any]) -> Callable[[], Any]:
    """What runs a scenario that calls nothing, and returns its result."""
    from optcore.scalability_analyzer import (
        FunctionTarget,
        ScalabilityAnalyzer,
        ScalabilityConfig,
        Scenario,
    )

    config = ScalabilityConfig(ramp_up_time=0.1)
    analyzer, scenario = ScalabilityAnalyzer(config), Scenario.from_dict(given, config)
    return lambda: analyzer.run_scenario(FunctionTarget(nothing), scenario)


def closed_loop(trial: Trial, users: int) -> None:
    """Calls per second of a function that does nothing, in one process, every latency kept."""

    @trial.contestant("optcore")
    def _() -> Probe:
        run = load({"concurrent_users": users, "duration": _SECONDS})

        def once() -> float:
            return float(run().throughput)

        return Probe(lambda count: [once() for _ in range(count)], once)

    @trial.contestant("python-loop")
    def _() -> Probe:
        def once() -> float:
            """What one writes first: one user, a list of latencies."""
            clock, latencies = time.perf_counter_ns, []
            begin = before = clock()
            end = begin + int(_SECONDS * 1e9)
            while before < end:
                nothing()
                now = clock()
                latencies.append(now - before)
                before = now
            return len(latencies) / ((before - begin) * 1e-9)

        return Probe(lambda count: [once() for _ in range(count)], once)

    @trial.contestant("locust")
    def _() -> Probe:
        if importlib.util.find_spec("locust") is None:
            raise Absent("not installed (pip install locust)")

        def once() -> float:
            command = [sys.executable, "-W", "ignore", "-c", _LOCUST, str(_SECONDS)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Absent(done.stderr.strip().splitlines()[-1])
            return float(done.stdout.splitlines()[-1])

        return Probe(lambda count: [once() for _ in range(count)], once)

    trial.check(lambda answers: {name: round(float(rate)) for name, rate in answers.items()})


@contextmanager
def undisturbed(trial: Trial, spin: bool) -> Iterator[None]:
    """Real-time priority, where it is allowed: other programs do not delay the starts.

    Not for a thread that spins: the kernel takes 5 % of each second from those.
    """
    if spin:
        yield
        return
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        trial.note("priority", "ordinary: real-time priority is not allowed here")
    else:
        trial.note("priority", "real-time, all contestants")
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))


def start_lag(trial: Trial, spin: bool) -> None:
    """How long after it was due a call starts, at 10 000 a second: p99 of 2 s."""
    seconds = 2.0

    @trial.contestant("optcore")
    def _() -> Probe:
        run = load({
            "arrival_rate": _RATE, "arrival": "constant", "duration": seconds, "spin": spin,
            "concurrent_users": 1 if spin else 4,
        })  # fmt: skip

        def once() -> float:
            with undisturbed(trial, spin):
                return 1e6 * float(run().start_lag.p99)

        def answer() -> float:
            return float(run().throughput)

        return Probe(lambda count: [once() for _ in range(count)], answer)

    @trial.contestant("python-sleep")
    def _() -> Probe:
        def lags() -> np.ndarray[Any, Any]:
            clock = time.monotonic
            begin, found = clock() + 0.05, []
            for i in range(int(_RATE * seconds)):
                due = begin + i / _RATE
                left = due - clock()
                if spin:
                    while clock() < due:
                        pass
                elif left > 0:
                    time.sleep(left)
                found.append(clock() - due)
                nothing()
            return np.array(found)

        def once() -> float:
            with undisturbed(trial, spin):
                return 1e6 * float(np.quantile(lags(), 0.99))

        return Probe(lambda count: [once() for _ in range(count)], lambda: float(_RATE))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        rate = float(answers["optcore"])
        if abs(rate / _RATE - 1) > 0.02:
            raise Disagreement(f"{rate:.0f} of {_RATE} calls a second were made", ["optcore"])
        return {"calls_per_s": round(rate)}


def cases() -> list[Case]:
    return [
        Case("workbench/closed_loop", lambda t: closed_loop(t, 1), "per_s", "no-op calls",
             samples=8),
        Case("workbench/open_loop_lag", lambda t: start_lag(t, False), "us", "p99 at 10 k/s",
             samples=4),
        Case("workbench/open_loop_lag_spin", lambda t: start_lag(t, True), "us", "p99 at 10 k/s",
             samples=4),
    ]  # fmt: skip
