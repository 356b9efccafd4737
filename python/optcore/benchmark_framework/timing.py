"""Samples of calls: calibrated, warmed up, without the garbage collector, failures kept apart.

Standard library alone, and no other module of optcore: the file also runs inside the worker that
measures another commit, whatever is installed there.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

__all__ = [
    "SHORTEST_SAMPLE_NS",
    "Clock",
    "Sampler",
    "Samples",
    "nonfinite",
    "quiet_collector",
    "time_block",
    "timer_floor",
]

Clock = Callable[[], int]  # monotonic, ns

# A sample lasts at least this long, so that reading the clock (about 50 ns) is below 0.1 % of it.
SHORTEST_SAMPLE_NS = 50_000
_MOST_YOUNG = 200_000  # objects after which garbage is collected between samples
_SETTLED = 0.02  # relative change of the running median
_LONGEST_INNER = 10_000_000


def timer_floor(clock: Clock = time.perf_counter_ns, rounds: int = 1001) -> float:
    """Seconds that an empty sample takes: the median of a pair of clock readings."""
    return statistics.median(-clock() + clock() for _ in range(rounds)) * 1e-9


@contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage collection inside."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def time_block(call: Callable[[], Any], inner: int, clock: Clock) -> int:
    """Nanoseconds of `inner` calls in a row."""
    if inner == 1:
        start = clock()
        call()
        return clock() - start
    turns = repeat(None, inner)
    start = clock()
    for _ in turns:
        call()
    return clock() - start


def nonfinite(value: Any, depth: int = 3) -> bool:
    """Whether a result holds NaN or infinity: numbers, arrays, and containers of them."""
    if isinstance(value, float | complex):
        return not abs(value) < float("inf")
    if getattr(getattr(value, "dtype", None), "kind", None) in ("f", "c"):  # NumPy and its like
        return not bool((abs(value) < float("inf")).all())
    if depth and isinstance(value, dict):
        return any(nonfinite(entry, depth - 1) for entry in value.values())
    if depth and isinstance(value, list | tuple) and len(value) <= 10_000:
        return any(nonfinite(entry, depth - 1) for entry in value)
    return False


@dataclass
class Samples:
    """What was measured of one function."""

    seconds: list[float] = field(default_factory=list)
    """a call, of samples that raised nothing, in their order"""
    inner: int = 1
    """calls in a sample"""
    attempted: int = 0
    errors: int = 0
    first_error: str | None = None
    late: int = 0
    """samples that ended after the timeout"""
    timed_out: bool = False
    first_call: float | None = None
    """s of the very first call, before any warm-up"""
    nonfinite: bool = False
    warmup: int = 0

    def failed(self, error: BaseException) -> None:
        self.errors += 1
        if self.first_error is None:
            text = str(error)
            self.first_error = f"{type(error).__name__}: {text}" if text else type(error).__name__


class Sampler:
    """One function under the clock; a coroutine function is awaited in a loop of its own.

    Args:
        call: without arguments.
        setup: called untimed before each sample, which is then a single call.
        deadline: reading of the clock, ns, after which no sample is started.
        inner: calls in a sample; None: as many as last 50 us.
    """

    def __init__(
        self,
        call: Callable[[], Any],
        *,
        setup: Callable[[], Any] | None = None,
        deadline: int | None = None,
        inner: int | None = None,
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        self.samples = Samples(inner=inner or 1)
        self._call, self._setup, self._clock, self._deadline = call, setup, clock, deadline
        self._fixed = inner is not None or setup is not None
        target = getattr(call, "func", call)  # of a partial
        is_async = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(call)
        self._loop = asyncio.new_event_loop() if is_async else None

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def look(self) -> None:
        """One untimed call (its time is kept as `first_call`), whose result is looked at."""
        if self._setup is not None:
            self._setup()
        start = self._clock()
        try:
            result = self._once()
        except Exception as error:
            if self.samples.first_error is None:
                self.samples.failed(error)
                self.samples.errors -= 1  # no sample
            return
        if self.samples.first_call is None:
            self.samples.first_call = (self._clock() - start) * 1e-9
        self.samples.nonfinite = self.samples.nonfinite or nonfinite(result)

    def warm_up(self, least: int, most: int) -> None:
        """Calibrate, then sample without keeping until the running median settles.

        A fifth of the time until the deadline is the most that it takes.
        """
        if not self._fixed:
            self._calibrate()
        times: list[float] = []
        window = max(least, 5)
        now = self._clock()
        latest = None if self._deadline is None else now + (self._deadline - now) // 5
        while len(times) < most and (latest is None or self._clock() < latest):
            times.append(self._sample())
            if len(times) >= max(least, 1) and len(times) % window == 0:
                half = times[-window:], times[:-window] or times[: window // 2]
                recent, before = (statistics.median(part) for part in half)
                if abs(recent - before) <= _SETTLED * before:
                    break
        self.samples.warmup = len(times)

    def take(self, count: int) -> None:
        """Keep so many further samples, or fewer at the deadline."""
        kept = self.samples
        for _ in range(count):
            if self.over():
                kept.timed_out = True
                return
            kept.attempted += 1
            seconds = self._sample(count_errors=True)
            if self.over():
                kept.late += 1
                kept.timed_out = True
            if not math.isnan(seconds):
                kept.seconds.append(seconds)
            if gc.get_count()[0] > _MOST_YOUNG:
                gc.collect()

    def over(self) -> bool:
        return self._deadline is not None and self._clock() > self._deadline

    def _once(self) -> Any:
        if self._loop is None:
            return self._call()
        return self._loop.run_until_complete(self._call())

    def _block(self, inner: int) -> int:
        if self._loop is None:
            return time_block(self._call, inner, self._clock)

        async def awaited() -> int:
            start = self._clock()
            for _ in repeat(None, inner):
                await self._call()
            return self._clock() - start

        return self._loop.run_until_complete(awaited())

    def _sample(self, count_errors: bool = False) -> float:
        """Seconds a call; NaN when it raised."""
        if self._setup is not None:
            self._setup()
        try:
            return self._block(self.samples.inner) * 1e-9 / self.samples.inner
        except Exception as error:
            if count_errors:
                self.samples.failed(error)
            return float("nan")

    def _calibrate(self) -> None:
        inner = 1
        try:
            elapsed = self._block(1)
            elapsed = min(elapsed, self._block(1)) if elapsed < 1_000_000 else elapsed
            while elapsed < SHORTEST_SAMPLE_NS and inner < _LONGEST_INNER and not self.over():
                guess = 1.2 * inner * SHORTEST_SAMPLE_NS / max(elapsed, 1_000)
                inner = min(max(2 * inner, int(guess)), _LONGEST_INNER)
                elapsed = self._block(inner)
        except Exception:  # each sample will say so
            inner = 1
        self.samples.inner = inner
