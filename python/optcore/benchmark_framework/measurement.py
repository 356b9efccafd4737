"""One measurement: in this process or in one of its own, alone or in turns with another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.statistics import BLOCK
from optcore.benchmark_framework.subject import Subject, subject_of
from optcore.benchmark_framework.timing import Sampler, Samples, quiet_collector
from optcore.errors import ConfigError

__all__ = ["Progress", "Request", "isolated", "measure", "measure_in_turns", "pinned", "turns"]

Progress = Callable[[float, str], object]
"""told the share done, 0 to 1, and a word on what is being done"""
_START_S = 60.0  # for a process to import what it needs, outside the timeout
_GRACE_S = 1.0


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
) -> Samples:
    """Warm up, then `num_iterations` samples, in this process."""
    sampler = _sampler(subject.call, config, setup)
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
    inner: int | None = None,
) -> Sampler:
    deadline = time.perf_counter_ns() + int(config.timeout_seconds * 1e9)
    return Sampler(call, setup=setup, deadline=deadline, inner=inner)


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


@dataclass(frozen=True)
class Request:
    """A benchmark as another process can be told it."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    setup: Callable[[], Any] | None
    policy: str
    config: dict[str, Any]


def isolated(request: Request, timeout: float) -> tuple[Samples, bool]:
    """Measure in a fresh process, ended at the timeout; whether it crashed comes second.

    Raises:
        ConfigError: the function cannot be imported by another process.
    """
    try:
        pickle.dumps(request)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"isolate=True needs a function and arguments that another process can import: {error}"
        ) from None
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, request), daemon=True)
    process.start()
    theirs.close()
    try:
        return _received(ours, process, timeout)
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
        ours.close()


def _received(connection: Connection, process: Any, timeout: float) -> tuple[Samples, bool]:
    try:
        if not connection.poll(_START_S):
            return _lost("the process did not start"), True
        connection.recv()  # it begins
        if not connection.poll(timeout + _GRACE_S):
            return Samples(attempted=1, late=1, timed_out=True), False
        answer = connection.recv()
    except EOFError:
        process.join(_START_S)
        code = process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return _lost(f"the process ended with {how}"), True
    if isinstance(answer, ConfigError):
        raise answer
    return answer, False


def _lost(reason: str) -> Samples:
    return Samples(attempted=1, errors=1, first_error=reason)


def _serve(connection: Connection, request: Request) -> None:
    """In the other process."""
    connection.send(None)
    config = BenchmarkConfig.from_dict(request.config)
    try:
        subject = subject_of(request.function, request.args, request.kwargs, request.policy)
        connection.send(measure(subject, config, request.setup))
    except ConfigError as error:
        connection.send(error)
