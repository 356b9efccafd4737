"""No collection, no page fault: what a control loop needs around itself."""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from optcore.errors import OptcoreError

__all__ = ["RealtimeReport", "realtime"]

_MCL_CURRENT, _MCL_FUTURE = 1, 2


@dataclass
class RealtimeReport:
    """What happened inside; filled in at the end."""

    locked: bool = False
    minor_faults: int = 0
    major_faults: int = 0
    collections: int = 0


def _counters() -> tuple[int, int, int]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    collections = sum(int(generation["collections"]) for generation in gc.get_stats())
    return usage.ru_minflt, usage.ru_majflt, collections


@contextmanager
def realtime(*, lock_memory: bool = False) -> Iterator[RealtimeReport]:
    """Collect once, move all objects out of the collector's sight, switch it off; undo at the end.

    Nothing is collected inside, so loops that make reference cycles grow. Contexts may be nested:
    the outermost restores.

    Args:
        lock_memory: also keep all memory of the process resident (mlockall).

    Raises:
        OptcoreError: the memory cannot be locked; the limit is `ulimit -l`.
    """
    global _depth  # noqa: PLW0603
    report = RealtimeReport()
    if lock_memory:
        _lock_all()
        report.locked = True
    was_enabled = gc.isenabled()
    outermost = _depth == 0
    _depth += 1
    if outermost:
        gc.collect()
        gc.freeze()
    gc.disable()
    before = _counters()
    try:
        yield report
    finally:
        after = _counters()
        report.minor_faults, report.major_faults, report.collections = (
            b - a for a, b in zip(before, after, strict=True)
        )
        _depth -= 1
        if outermost:
            gc.unfreeze()
        if was_enabled:
            gc.enable()
        if report.locked:
            ctypes.CDLL(None).munlockall()


_depth = 0


def _lock_all() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
        raise OptcoreError(
            f"memory cannot be locked (error {ctypes.get_errno()}): limit {limit} bytes (ulimit -l)"
        )
