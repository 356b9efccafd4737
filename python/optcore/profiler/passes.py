"""Passes that slow the program, hence asked for and marked: exact lines, allocations."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from sysconfig import get_path
from types import CodeType
from typing import Any

from optcore.errors import MissingDependency
from optcore.profiler.config import ProfilerConfig
from optcore.profiler.data import Allocation, LineTime

__all__ = ["CUT", "OWN_FILES", "Pass", "call", "open_pass"]

_MB = float(1 << 20)
_FRAMES = 6
_LIBRARIES = tuple({p for name in ("stdlib", "purelib", "platlib") if (p := get_path(name))})


def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The frame below which a sampled stack is the profiled function's."""
    return function(*args, **kwargs)


CUT: frozenset[CodeType] = frozenset({call.__code__})
OWN_FILES = frozenset(str(p) for p in Path(__file__).parent.glob("*.py"))


class Pass:
    """No tracing: the call runs at its own speed."""

    instrumented = False
    exact = False
    notes: tuple[str, ...] = ()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def lines(self) -> tuple[LineTime, ...]:
        return ()

    def allocations(self) -> tuple[Allocation, ...]:
        return ()


class LinePass(Pass):
    """Exact line times of the function by line_profiler; functions that it calls are not traced."""

    instrumented = True
    exact = True
    notes = ("lines were traced one by one: the times compare with each other only",)

    def __init__(self) -> None:
        try:
            from line_profiler import LineProfiler
        except ImportError as missing:
            raise MissingDependency(
                "line_backend='trace' needs line_profiler: pip install 'optcore[profile]'"
            ) from missing
        self.profiler = LineProfiler()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        target = inspect.unwrap(function)
        if not inspect.isfunction(target) and not inspect.ismethod(target):
            return function  # native: there are no lines
        wrapped: Callable[..., Any] = self.profiler(target)
        return wrapped

    def lines(self) -> tuple[LineTime, ...]:
        stats = self.profiler.get_stats()
        rows = [
            LineTime(file, line, name, time * stats.unit, hits=hits)
            for (file, _, name), timed in stats.timings.items()
            for line, hits, time in timed
        ]
        return tuple(sorted(rows, key=lambda row: -row.seconds))


class AllocationPass(Pass):
    """What is still held at the end of the call, from tracemalloc.

    It is charged to the innermost line outside installed packages and the standard library, within
    a few frames: np.ones is not what leaks, who called it is.
    """

    instrumented = True
    notes = ("allocations were traced: the call took several times as long as it would alone",)

    def __init__(self) -> None:
        self._rows: tuple[Allocation, ...] = ()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any, **kwargs: Any) -> Any:
            was_on = tracemalloc.is_tracing()
            if not was_on:
                tracemalloc.start(_FRAMES)
            before = tracemalloc.take_snapshot()
            try:
                return function(*args, **kwargs)
            finally:
                after = tracemalloc.take_snapshot()
                if not was_on:
                    tracemalloc.stop()
                self._rows = _growth(before, after)

        return traced

    def allocations(self) -> tuple[Allocation, ...]:
        return self._rows


def _growth(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot) -> tuple[Allocation, ...]:
    hidden = OWN_FILES | {tracemalloc.__file__}
    totals: dict[tuple[str, int], list[int]] = {}
    for d in after.compare_to(before, "traceback"):
        frames = [(f.filename, f.lineno) for f in reversed(d.traceback)]  # the innermost first
        if frames[0][0] in hidden:
            continue
        users = (f for f in frames if not f[0].startswith((*_LIBRARIES, "<")))
        total = totals.setdefault(next(users, frames[0]), [0, 0])
        total[0] += d.size_diff
        total[1] += d.count_diff
    rows = [Allocation(*at, size / _MB, count) for at, (size, count) in totals.items() if size > 0]
    return tuple(sorted(rows, key=lambda row: -row.megabytes)[:100])


def open_pass(config: ProfilerConfig) -> Pass:
    """The pass that the settings ask for; one at a time, lines first."""
    if config.enable_line_profiling and config.line_backend == "trace":
        return LinePass()
    if config.enable_memory_profiling and config.memory_backend == "tracemalloc":
        return AllocationPass()
    return Pass()
