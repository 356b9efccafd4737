"""Passes that slow the program, hence asked for and marked: exact lines, allocations."""

from __future__ import annotations

import inspect
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
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
_PACKAGES = ("/site-packages/", "/dist-packages/")  # also a user's, and those below an environment


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


class MemrayPass(Pass):
    """As :class:`AllocationPass`, from memray: native allocations count too, at a tenth of the
    cost."""

    instrumented = True
    notes = ("allocations were traced by memray: the call took longer than it would alone",)

    def __init__(self) -> None:
        try:
            import memray
        except ImportError as missing:
            raise MissingDependency(
                "memory_backend='memray' needs memray: pip install 'optcore[profile]'"
            ) from missing
        self._memray = memray
        self._rows: tuple[Allocation, ...] = ()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any, **kwargs: Any) -> Any:
            with tempfile.TemporaryDirectory(prefix="optcore-memray-") as folder:
                file = f"{folder}/allocations"
                try:
                    with self._memray.Tracker(file):
                        return function(*args, **kwargs)
                finally:
                    with self._memray.FileReader(file) as reader:
                        self._rows = _charged(
                            ([(f[1], f[2]) for f in r.stack_trace()], r.size, r.n_allocations)
                            for r in reader.get_leaked_allocation_records()
                        )

        return traced

    def allocations(self) -> tuple[Allocation, ...]:
        return self._rows


def _growth(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot) -> tuple[Allocation, ...]:
    return _charged(
        ([(f.filename, f.lineno) for f in reversed(d.traceback)], d.size_diff, d.count_diff)
        for d in after.compare_to(before, "traceback")
    )


def _is_library(file: str) -> bool:
    path = file.replace("\\", "/")
    return file.startswith((*_LIBRARIES, "<")) or any(part in path for part in _PACKAGES)


def _charged(
    records: Iterable[tuple[list[tuple[str, int]], int, int]],
) -> tuple[Allocation, ...]:
    """Records of (stack with the innermost frame first, bytes, blocks) by the user's line."""
    hidden = OWN_FILES | {tracemalloc.__file__}
    totals: dict[tuple[str, int], list[int]] = {}
    for frames, size, count in records:
        if not frames or frames[0][0] in hidden:
            continue
        users = (f for f in frames[:_FRAMES] if not _is_library(f[0]))
        total = totals.setdefault(next(users, frames[0]), [0, 0])
        total[0] += size
        total[1] += count
    rows = [Allocation(*at, size / _MB, count) for at, (size, count) in totals.items() if size > 0]
    return tuple(sorted(rows, key=lambda row: -row.megabytes)[:100])


def open_pass(config: ProfilerConfig) -> Pass:
    """The pass that the settings ask for; one at a time, lines first."""
    if config.enable_line_profiling and config.line_backend == "trace":
        return LinePass()
    if config.enable_memory_profiling and config.memory_backend == "tracemalloc":
        return AllocationPass()
    if config.enable_memory_profiling and config.memory_backend == "memray":
        return MemrayPass()
    return Pass()
