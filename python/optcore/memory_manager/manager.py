"""Pooled arrays, mapped files, and what the memory of the process is at."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from optcore._native import runtime
from optcore.memory_manager.circular import CircularBuffer
from optcore.memory_manager.config import MemoryConfig
from optcore.memory_manager.mapped import Advice, Mode, map_array
from optcore.memory_manager.parked import ParkedArray
from optcore.memory_manager.realtime import realtime
from optcore.memory_manager.stats import (
    LeakReport,
    MemoryOptimizationResult,
    MemoryStats,
    Outstanding,
)

__all__ = ["MemoryManager"]

_MB = float(1 << 20)


class MemoryManager:
    """Arrays that cost no page fault, and a look at the memory of the process.

    ``temporary_array(shape, dtype=float64, *, order="C", fill=None)`` is a context manager;
    ``get_numpy_array`` takes the same arguments and ``return_numpy_array`` takes its array back.
    Content is undefined unless `fill` is given. Once returned, an array reads NaN (-1 in integers)
    and refuses writes. While a view of it lives, its memory is not handed out again.

    Pooling pays beside ``np.zeros``, for arrays past the allocator's mapping threshold, with huge
    pages and locked memory; it does not beat a repeated ``np.empty`` of a few MB.

    Args:
        config: a :class:`MemoryConfig`; default settings when absent.
    """

    def __init__(self, config: MemoryConfig | None = None) -> None:
        self.config = config if config is not None else MemoryConfig()
        self._pool = runtime.ArrayPool(
            max_idle=self.config.pool_max_size,
            max_idle_bytes=int(self.config.cache_size_limit_mb * _MB),
            huge_pages=self.config.huge_pages == "advise",
            lock=self.config.lock_memory,
            prefault=self.config.prefault,
            poison=self.config.poison,
            pooling=self.config.enable_pooling,
            reclaim=self.config.enable_weak_references,
        )
        # Bound natively: a Python method around them would cost as much as the array.
        self.temporary_array = self._pool.temporary
        self.get_numpy_array = self._pool.get
        self.return_numpy_array = self._pool.give_back
        self.realtime = realtime
        self._monitor: _Monitor | None = None
        self._finalizer: Callable[[], object] = lambda: None

    def preallocate(self, shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> int:
        """Have `preallocation_size` idle arrays of this kind; returns how many the limits allow."""
        arrays = [self.get_numpy_array(shape, dtype) for _ in range(self.config.preallocation_size)]
        before = self._pool.statistics()["idle_blocks"]
        while arrays:
            self.return_numpy_array(arrays.pop())
        return self._pool.statistics()["idle_blocks"] - before

    def create_circular_buffer(
        self, size: int, item_shape: int | tuple[int, ...] = (), dtype: DTypeLike = np.float64
    ) -> CircularBuffer:
        """The newest `size` items of a stream; see :class:`CircularBuffer`."""
        return CircularBuffer(size, item_shape, dtype)

    def create_memory_mapped_array(
        self,
        path: str | Path,
        shape: int | tuple[int | None, ...] | None = None,
        mode: Mode = "r",
        dtype: DTypeLike | None = None,
        *,
        advice: Advice = "normal",
    ) -> NDArray[Any]:
        """Map an array in a file.

        Args:
            path: a .npy file, told by its first bytes, or raw numbers.
            shape: one extent may be None or -1. Must agree with a .npy header.
            mode: "r", "r+", "c" (changes stay in memory) or "w+" (a new file of `shape`).
            dtype: of a raw file (float64); must agree with a .npy header.
            advice: how it will be read: "sequential", "random", "willneed".

        Raises:
            ShapeError: shape or dtype do not fit the file.
            ConfigError: the file is missing, cut short or holds Python objects.
        """
        return map_array(
            path, shape, mode, dtype, advice=advice, use_mapping=self.config.use_memory_mapping
        )

    def park(self, array: NDArray[Any]) -> ParkedArray:
        """A compressed copy of an array that is not needed for a while."""
        return ParkedArray(array, self.config.enable_compression)

    def get_memory_stats(self) -> MemoryStats:
        """Memory of the process and of the pool; about 40 us. The first call starts the monitor."""
        import psutil

        self.start_monitor()
        process, machine = psutil.Process().memory_info(), psutil.virtual_memory()
        pool = self._pool.statistics()
        return MemoryStats(
            rss_mb=process.rss / _MB,
            memory_peak_mb=_peak_mb(),
            vms_mb=process.vms / _MB,
            available_mb=machine.available / _MB,
            percent=machine.percent,
            pool_idle_mb=pool["idle_bytes"] / _MB,
            pool_in_use_mb=pool["outstanding_bytes"] / _MB,
            pool_hits=pool["hits"],
            pool_misses=pool["misses"],
            outstanding=pool["outstanding"],
            leaked=pool["leaked"],
            escaped=pool["escaped"],
            ignored=pool["ignored"],
            gc_counts=gc.get_count(),
            gpu_mb=None,
        )

    def optimize_memory(self) -> MemoryOptimizationResult:
        """Collect, give idle buffers and the heap's free pages back. Not in a control loop."""
        start = time.perf_counter()
        before = self.get_memory_stats()
        collected = gc.collect()
        trimmed = self._pool.trim() / _MB
        heap = False
        with contextlib.suppress(AttributeError, OSError):  # only glibc has it
            heap = ctypes.CDLL(None).malloc_trim(0) == 1
        after = self.get_memory_stats()
        return MemoryOptimizationResult(
            freed_mb=before.rss_mb - after.rss_mb,
            collected_objects=collected,
            pool_trimmed_mb=trimmed,
            heap_trimmed=heap,
            duration_s=time.perf_counter() - start,
            before=before,
            after=after,
        )

    @contextmanager
    def track(self, *, allocations: bool = False, interval: float = 0.05) -> Iterator[LeakReport]:
        """Find what a block does not give back; the report is filled in at its end.

        Args:
            allocations: also compare all of Python's allocations by line (tracemalloc: slows the
                block about 15 times).
            interval: s between two looks at the resident size.
        """
        import psutil

        report, process = LeakReport(), psutil.Process()
        known = Counter(self._live())
        self._pool.track(True)
        sizes: list[tuple[float, float]] = []
        monitor = _Monitor(
            interval, lambda: sizes.append((time.monotonic(), process.memory_info().rss / _MB))
        )
        trace = _Trace() if allocations else None
        monitor.look()
        try:
            yield report
        finally:
            monitor.close()
            monitor.look()
            report.outstanding = _by_line(Counter(self._live()) - known)
            if trace is not None:
                report.allocations = trace.close()
            self._pool.track(False)
            report.rss_growth_mb = sizes[-1][1] - sizes[0][1]
            report.rss_slope_mb_per_s, report.rss_slope_interval = _slope(sizes)

    def _live(self) -> list[tuple[int, str | None, int]]:
        return self._pool.live()

    def start_monitor(self) -> None:
        """Watch the resident size; beyond ``gc_threshold_mb`` call :meth:`optimize_memory`."""
        if self._monitor is not None or not self.config.enable_monitoring:
            return
        manager = weakref.ref(self)

        def look() -> None:
            if (one := manager()) is not None and (
                one.get_memory_stats().rss_mb > one.config.gc_threshold_mb
            ):
                one.optimize_memory()

        self._monitor = _Monitor(self.config.monitoring_interval, look)
        self._finalizer = weakref.finalize(self, self._monitor.close)

    def close(self) -> None:
        """Stop the monitor and give idle buffers back; arrays that are out stay good."""
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        self._pool.trim()

    def __enter__(self) -> MemoryManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Monitor:
    """Calls a function every so many seconds on a daemon thread."""

    def __init__(self, interval: float, look: Callable[[], object]) -> None:
        self.look = look
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._stop, interval, look), name="optcore-memory", daemon=True
        )
        self._thread.start()

    @staticmethod
    def _run(stop: threading.Event, interval: float, look: Callable[[], object]) -> None:
        while not stop.wait(interval):
            look()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()


class _Trace:
    """tracemalloc before and after; leaves it as it was."""

    def __init__(self) -> None:
        import tracemalloc

        self._was_on = tracemalloc.is_tracing()
        if not self._was_on:
            tracemalloc.start(1)
        gc.collect()
        self._before = tracemalloc.take_snapshot()

    def close(self) -> tuple[Outstanding, ...]:
        import tracemalloc

        gc.collect()
        after = tracemalloc.take_snapshot()
        if not self._was_on:
            tracemalloc.stop()
        rows = [
            Outstanding(d.traceback[0].filename, d.traceback[0].lineno, d.count_diff,
                        d.size_diff / _MB)
            for d in after.compare_to(self._before, "lineno")
            if d.size_diff > 0 and d.traceback[0].filename != tracemalloc.__file__
        ]  # fmt: skip
        return tuple(sorted(rows, key=lambda row: -row.megabytes)[:20])


def _by_line(live: Counter[tuple[int, str | None, int]]) -> tuple[Outstanding, ...]:
    totals: dict[tuple[str, int], list[float]] = {}
    for (size, file, line), count in live.items():
        row = totals.setdefault((file or "?", line), [0, 0.0])
        row[0] += count
        row[1] += count * size / _MB
    rows = [Outstanding(file, line, int(n), mb) for (file, line), (n, mb) in totals.items()]
    return tuple(sorted(rows, key=lambda row: -row.megabytes))


def _slope(
    sizes: list[tuple[float, float]],
) -> tuple[float | None, tuple[float, float] | None]:
    """Least-squares slope in MB/s with its 90 % interval; None below five points."""
    if len(sizes) < 5:
        return None, None
    t, y = np.array(sizes).T
    t = t - t.mean()
    spread = float(t @ t)
    if spread == 0:
        return None, None
    slope = float(t @ y) / spread
    residual = y - y.mean() - slope * t
    half = 1.645 * float(np.sqrt(residual @ residual / max(len(y) - 2, 1) / spread))
    return slope, (slope - half, slope + half)


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak / 1024.0
