"""One process' part of a load test: its users as threads around the native loops, or as tasks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore._native import runtime
from optcore.errors import OptcoreError
from optcore.scalability_analyzer.counts import LoadCounts
from optcore.scalability_analyzer.scenario import Scenario
from optcore.scalability_analyzer.target import Opened, Target

__all__ = ["SLOTS", "Shard", "Timetable", "arrivals"]

SLOTS = 60
"""of time, in the heat map"""
_S = 1_000_000_000
_SPIN_NS = 200_000
_FOREVER = 1 << 62


def arrivals(scenario: Scenario, seed: int) -> NDArray[np.int64]:
    """Due times of an open loop, ns from its begin; the rate rises linearly over the ramp."""
    rate, ramp = scenario.arrival_rate or 0.0, scenario.ramp_up
    expected = rate * (ramp / 2 + scenario.duration)
    if scenario.arrival == "constant":
        mass = np.arange(int(np.ceil(expected)), dtype=np.float64)
    else:
        random = np.random.default_rng(seed)
        mass = np.empty(0)
        while not mass.size or mass[-1] < expected:
            more = random.exponential(size=int(expected + 6 * np.sqrt(expected)) + 16)
            mass = np.concatenate([mass, (mass[-1] if mass.size else 0.0) + np.cumsum(more)])
        mass = mass[mass < expected]
    in_ramp = rate * ramp / 2
    flat = ramp + (mass - in_ramp) / rate
    times = np.where(mass < in_ramp, np.sqrt(2 * ramp * mass / rate), flat) if ramp else flat
    return (times * _S).astype(np.int64)


@dataclass(frozen=True)
class Timetable:
    """ns of time.monotonic_ns, which all processes of a machine share."""

    begin: int
    measured: int
    end: int

    @classmethod
    def starting(cls, begin: int, scenario: Scenario) -> Timetable:
        measured = begin + int(scenario.ramp_up * _S)
        return cls(begin, measured, measured + int(scenario.duration * _S))

    @property
    def give_up(self) -> int:
        """When calls that are still waiting for a worker are counted as not started."""
        return self.end + max(_S, (self.end - self.measured) // 10)


class Shard:
    """Users `number`, `number + of`, ... of a scenario, in this process.

    :meth:`start` brings the threads up, :meth:`run` lets them go and returns what they counted.
    """

    def __init__(
        self, target: Target, scenario: Scenario, seed: int, number: int = 0, of: int = 1
    ) -> None:
        self.scenario = scenario
        self._target, self._number, self._of = target, number, of
        self._users = len(range(number, scenario.concurrent_users, of))
        self._due = arrivals(scenario, seed)[number::of] if scenario.is_open else None
        self._error_types: Counter[str] = Counter()
        self._first_error: str | None = None
        self._fatal: BaseException | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        self._opened = self._target.open(self.scenario.args, self._users, self.scenario.timeout)
        self._go = threading.Event()
        self._run: runtime.LoadRun | None = None
        self._threads = [
            threading.Thread(target=self._user, args=(user,), name=f"load-{user}", daemon=True)
            for user in range(1 if self._opened.is_async else self._users)
        ]
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:  # the system has no more
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self.abandon()
            raise OptcoreError(
                f"{len(self._threads)} of {self._users} users started: {error}"
            ) from None

    def run(self, table: Timetable) -> LoadCounts:
        """Let the users go; blocks until the last call has ended."""
        timeout = self.scenario.timeout
        self._table = table
        self._run = runtime.LoadRun(
            measured=table.measured,
            end=table.end,
            slots=SLOTS,
            timeout=int(timeout * _S) if timeout < _FOREVER / _S else _FOREVER,
            on_error=self._note,
        )
        self._go.set()
        try:
            _sleep_until(table.measured, self._run)
            cpu = time.process_time()
            _sleep_until(table.end, self._run)
            cpu = time.process_time() - cpu
            memory = _resident_mb()
        except BaseException:
            self._run.stop()
            raise
        finally:
            for thread in self._threads:
                thread.join()
            if not self._opened.is_async:
                self._opened.close()
        if self._fatal is not None:
            raise self._fatal
        return LoadCounts.of(self._run, self._error_types, self._first_error, cpu, memory)

    def abandon(self) -> None:
        """End the threads of a shard that is not run, and close its target."""
        self._go.set()
        for thread in self._threads:
            thread.join()
        if not self._opened.is_async:
            self._opened.close()

    def _note(self, error: Exception) -> None:
        with self._lock:
            self._error_types[type(error).__name__] += 1
            if self._first_error is None:
                self._first_error = f"{type(error).__name__}: {error}"

    def _user(self, user: int) -> None:
        self._go.wait()
        if (run := self._run) is None:
            return
        try:
            if self._opened.is_async:
                from optcore.scalability_analyzer.tasks import run_tasks

                run_tasks(self._opened, self.scenario, self._table, self._users, self._due, run,
                          self._note, self._number, self._of)  # fmt: skip
            else:
                self._loop(user, run, self._opened)
        except BaseException as error:  # told by run(), in the caller's thread
            self._fatal = error
            run.stop()

    def _loop(self, user: int, run: runtime.LoadRun, opened: Opened) -> None:
        scenario, table = self.scenario, self._table
        number, of, inputs = self._number, self._of, opened.inputs
        if self._due is not None:
            make = inputs if inputs is None or of == 1 else lambda i: inputs(number + of * i)
            run.open_loop(
                opened.function, make, self._due, begin=table.begin,
                spin=_SPIN_NS if scenario.spin else 0, give_up=table.give_up,
            )  # fmt: skip
            return
        whole = number + of * user  # among the users of all shards
        stagger = (table.measured - table.begin) * whole // scenario.concurrent_users
        run.closed_loop(
            opened.function, inputs, first=whole, stride=scenario.concurrent_users,
            begin=table.begin + stagger, think=int(scenario.think_time * _S),
        )  # fmt: skip


def _sleep_until(due: int, run: runtime.LoadRun) -> None:
    while (left := due - time.monotonic_ns()) > 0 and not run.stopped:
        time.sleep(min(left, _S // 10) / _S)


def _resident_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / (1 << 20)
