"""One measurement in this process: alone, or in turns with another."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.passes import Further, further_calls
from optcore.benchmark_framework.statistics import BLOCK
from optcore.benchmark_framework.subject import Subject
from optcore.benchmark_framework.summary import outcome_of
from optcore.benchmark_framework.timing import Sampler, Samples, quiet_collector
from optcore.errors import ConfigError

__all__ = ["Measured", "Progress", "measure", "measure_in_turns", "measured", "pinned", "turns"]

Progress = Callable[[float, str], object]
"""told the share done, 0 to 1, and a word on what is being done"""


@contextlib.contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Stay on one processor inside."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    if cpu not in before:
        raise ConfigError(f"pin_cpu must be one of {sorted(before)}, got {cpu}")
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(
    subject: Subject,
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None = None,
    progress: Progress | None = None,
    seconds: float | None = None,
) -> Samples:
    """Warm up, then `num_iterations` samples, or fewer after `seconds` (None: the timeout)."""
    sampler = _sampler(subject.call, config, setup, seconds)
    try:
        with pinned(config.pin_cpu), quiet_collector():
            sampler.look()
            sampler.warm_up(config.warmup_iterations, 10 * config.warmup_iterations)
            _take(sampler, config.num_iterations, progress)
        if not sampler.over():
            sampler.look()
    finally:
        sampler.close()
    return sampler.samples


@dataclass(frozen=True)
class Measured:
    """One benchmark: its samples, and what came after them."""

    samples: Samples
    cold: Samples | None = None
    """with the cache emptied before each call"""
    further: Further = field(default_factory=Further)
    crashed: bool = False
    seconds: float = 0.0
    """how long it took altogether"""


def measured(
    subject: Subject,
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None = None,
    progress: Progress | None = None,
    *,
    seconds: float,
    timing_only: bool = False,
) -> Iterator[tuple[str, Any]]:
    """Fields of :class:`Measured`, each once it is known, so that a crash loses no more.

    Args:
        seconds: for all of it.
        timing_only: the samples alone.
    """
    end = time.monotonic() + seconds
    samples = measure(subject, config, setup, progress, seconds)
    yield "samples", samples
    if timing_only:
        return
    if subject.cache == "cold_and_hit":
        clear = subject.clear
        assert clear is not None

        def emptied() -> None:
            clear()
            if setup is not None:
                setup()

        yield "cold", measure(subject, config, emptied, progress, end - time.monotonic())
    if outcome_of(samples, config) in ("ok", "not_finite"):
        longest = max(samples.seconds)
        yield "further", further_calls(subject, config, setup, longest, end - time.monotonic())


def _take(sampler: Sampler, count: int, progress: Progress | None) -> None:
    step = max(1, count // 20) if progress is not None else count
    for done in range(0, count, step):
        sampler.take(min(step, count - done))
        if progress is not None:
            progress(min(done + step, count) / count, "timing")
        if sampler.samples.timed_out:
            return


def _sampler(
    call: Callable[[], Any],
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None,
    seconds: float | None = None,
) -> Sampler:
    limit = config.timeout_seconds if seconds is None else seconds
    deadline = time.perf_counter_ns() + int(limit * 1e9)
    return Sampler(call, setup=setup, deadline=deadline)


def turns(count: int) -> Iterator[tuple[int, int]]:
    """(who, samples) of two contestants in blocks: A B, B A, A B ... so that order is shared."""
    for number, done in enumerate(range(0, count, BLOCK)):
        size = min(BLOCK, count - done)
        for who in (0, 1) if number % 2 == 0 else (1, 0):
            yield who, size


def measure_in_turns(
    subjects: tuple[Subject, Subject],
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None = None,
    progress: Progress | None = None,
) -> tuple[Samples, Samples]:
    """Samples of two functions, alternating in blocks; both with the same calls in a sample."""
    pair = [_sampler(subject.call, config, setup) for subject in subjects]
    try:
        with pinned(config.pin_cpu), quiet_collector():
            for sampler in pair:
                sampler.look()
                sampler.warm_up(config.warmup_iterations, 10 * config.warmup_iterations)
            common = max(sampler.samples.inner for sampler in pair)
            for sampler in pair:
                sampler.samples.inner = common
            done = 0
            for who, size in turns(config.num_iterations):
                pair[who].take(size)
                done += size
                if progress is not None:
                    progress(done / (2 * config.num_iterations), "in turns")
        for sampler in pair:
            if not sampler.over():
                sampler.look()
    finally:
        for sampler in pair:
            sampler.close()
    return pair[0].samples, pair[1].samples
