"""What is read around and during a call: counters, samples of the system, the GPU."""

from __future__ import annotations

import contextlib
import gc
import logging
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optcore.profiler.data import SystemSample

__all__ = ["THREAD_NAME", "CollectorTime", "Counters", "Gpu", "SystemSampler"]

THREAD_NAME = "optcore-profiler"
_MB = float(1 << 20)
_log = logging.getLogger("optcore.profiler")


@dataclass(frozen=True)
class Counters:
    """Running totals of the process; differences of two are what a call took."""

    wall: float
    cpu: float
    minor_faults: int
    major_faults: int
    voluntary: int
    involuntary: int
    peak_mb: float
    rss_mb: float | None
    io: tuple[int, int] | None
    """bytes that the process read and wrote, files, pipes and sockets together"""
    collections: int

    @classmethod
    def now(cls, memory: bool, io: bool) -> Counters:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return cls(
            wall=time.perf_counter(),
            cpu=time.process_time(),
            minor_faults=usage.ru_minflt,
            major_faults=usage.ru_majflt,
            voluntary=usage.ru_nvcsw,
            involuntary=usage.ru_nivcsw,
            peak_mb=usage.ru_maxrss / (_MB if sys.platform == "darwin" else 1024.0),
            rss_mb=_resident_mb() if memory else None,
            io=_transferred() if io else None,
            collections=sum(int(g["collections"]) for g in gc.get_stats()),
        )


def _resident_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / _MB


def _transferred() -> tuple[int, int] | None:
    import psutil

    try:
        counters = psutil.Process().io_counters()
    except (AttributeError, OSError, psutil.Error):  # not on this system, or not allowed
        return None
    # read_chars counts what the page cache served too; the program waited for it all the same
    return (
        int(getattr(counters, "read_chars", counters.read_bytes)),
        int(getattr(counters, "write_chars", counters.write_bytes)),
    )


class CollectorTime:
    """Time that the garbage collector took while this was installed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._start = time.perf_counter()
        elif self._start:
            self.seconds += time.perf_counter() - self._start

    def __enter__(self) -> CollectorTime:
        gc.callbacks.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(self)


class Gpu:
    """Load and memory of the first GPU by NVML; `reason` says why there is none."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._handle: Any = None
        try:
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        except ImportError:
            self.reason = "GPU not measured: nvidia-ml-py is missing (pip install 'optcore[gpu]')"
        except Exception as error:  # whatever a driver says: a profiler goes on without it
            self.reason = f"GPU not measured: {error}"
        if self.reason:
            _log.debug(self.reason)

    def look(self) -> tuple[float, float] | None:
        """Percent and MB in use, or None."""
        if self._handle is None:
            return None
        try:
            load = float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
            memory = float(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used) / _MB
        except self._nvml.NVMLError as error:
            self.reason, self._handle = f"GPU lost during the call: {error}", None
            return None
        return load, memory


class SystemSampler:
    """CPU, resident size and GPU every so many seconds, on a thread of its own.

    Keeps at most 4096 samples: beyond, every second one is dropped and the interval doubles.
    """

    def __init__(
        self,
        interval: float,
        gpu: Gpu | None,
        duration: float | None = None,
        told: Callable[[float], object] | None = None,
    ) -> None:
        self.samples: list[SystemSample] = []
        self.thread_names: dict[int, str] = {}
        self.cost = 0.0
        self._interval, self._gpu, self._duration, self._told = interval, gpu, duration, told
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._process.cpu_percent()
        self._start = time.perf_counter()
        self._note_threads()
        self._thread.start()

    def stop(self) -> None:
        self._note_threads()
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            now = time.perf_counter() - self._start
            if self._duration is not None and now > self._duration:
                return
            begin = time.thread_time()
            self._look(now)
            if self._told is not None:
                self._told(now)
            self.cost += time.thread_time() - begin

    def _look(self, now: float) -> None:
        self._note_threads()
        gpu = self._gpu.look() if self._gpu is not None else None
        self.samples.append(
            SystemSample(
                time=now,
                cpu_percent=float(self._process.cpu_percent()),
                rss_mb=_statm_mb(),
                gpu_percent=gpu[0] if gpu else None,
                gpu_memory_mb=gpu[1] if gpu else None,
            )
        )
        if len(self.samples) > 4096:
            self.samples = self.samples[::2]
            self._interval *= 2

    def _note_threads(self) -> None:
        for thread in threading.enumerate():
            if thread.ident is not None:
                self.thread_names[thread.ident] = thread.name


def _statm_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return _resident_mb()
    return pages * resource.getpagesize() / _MB
