"""A whole benchmark in a process of its own, which is ended at the timeout."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.measurement import Measured, measured
from optcore.benchmark_framework.subject import subject_of
from optcore.benchmark_framework.timing import Samples
from optcore.errors import ConfigError

__all__ = ["Request", "isolated"]

_START_S = 60.0  # for a process to import what it needs, outside the timeout
_GRACE_S = 1.0


@dataclass(frozen=True)
class Request:
    """A benchmark as another process can be told it."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    setup: Callable[[], Any] | None
    policy: str
    config: dict[str, Any]
    timing_only: bool = False
    """without what comes after the samples"""


def isolated(request: Request, timeout: float) -> Measured:
    """Measure in a fresh process, ended at the timeout.

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
    process = context.Process(target=_serve, args=(theirs, request, timeout), daemon=True)
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


def _received(connection: Connection, process: Any, timeout: float) -> Measured:
    parts: dict[str, Any] = {}
    begin, lost = time.monotonic(), ""
    try:
        if not connection.poll(_START_S):
            return Measured(_lost("the process did not start"), crashed=True)
        connection.recv()
        begin = time.monotonic()
        end = begin + timeout + _GRACE_S
        while "end" not in parts:
            if not connection.poll(max(end - time.monotonic(), 0.0)):
                lost = "the timeout came"
                break
            name, value = connection.recv()
            if name == "error":
                raise value
            parts[name] = value
    except EOFError:
        process.join(_START_S)
        code = process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        lost = f"the process ended with {how}"
        if "samples" not in parts:
            return Measured(_lost(lost), crashed=True)
    parts.pop("end", None)
    parts.setdefault("samples", Samples(attempted=1, late=1, timed_out=True))
    found = Measured(**parts, seconds=time.monotonic() - begin)
    if lost and not found.samples.timed_out:
        note = f"{lost} after the timing, in the further calls"
        found = replace(found, further=replace(found.further, notes=(*found.further.notes, note)))
    return found


def _lost(reason: str) -> Samples:
    return Samples(attempted=1, errors=1, first_error=reason)


def _serve(connection: Connection, request: Request, timeout: float) -> None:
    """In the other process."""
    connection.send(None)  # it begins
    config = BenchmarkConfig.from_dict(request.config)
    try:
        subject = subject_of(request.function, request.args, request.kwargs, request.policy)
        parts = measured(
            subject, config, request.setup, seconds=timeout, timing_only=request.timing_only
        )
        for part in parts:
            connection.send(part)
        connection.send(("end", None))
    except ConfigError as error:
        connection.send(("error", error))
