"""What is looked at after the timing, in further calls, so that looking costs no sample."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.subject import Subject
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.benchmark_framework.timing import Sampler

__all__ = ["peak_growth", "profile_calls", "with_passes"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_PROFILE_S = 0.25
_SHOWN = 15


def peak_growth(call: Callable[[], Any]) -> int | None:
    """Resident bytes that one call adds at its peak (Linux: VmHWM reset through clear_refs).

    Inputs and what earlier calls left resident are not counted; what the allocator kept from them
    is given back first where the C library can. None: this system does not tell.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR.write_text("5")
        before = _kilobytes("VmRSS")
    except (OSError, KeyError):
        return None
    call()
    return 1024 * max(_kilobytes("VmHWM") - before, 0)


def _kilobytes(key: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


def profile_calls(call: Callable[[], Any], seconds: float = _PROFILE_S) -> list[dict[str, Any]]:
    """Functions by own time, in calls repeated for so long (one at least), by stack sampling."""
    from optcore.profiler import ProfilerConfig, SystemProfiler

    config = ProfilerConfig(
        enable_gpu_profiling=False, enable_io_profiling=False, line_interval=0.002
    )
    sampler = Sampler(call, inner=1)

    def repeated() -> None:
        end = time.perf_counter() + seconds
        while True:
            sampler.take(1)
            if time.perf_counter() > end:
                return

    try:
        _, data = SystemProfiler(config).profile_function(repeated)
    finally:
        sampler.close()
    own = str(Path(__file__).parent)
    functions = sorted(
        (f for f in data.functions if not f.file.startswith(own)),
        key=lambda f: (-f.self_seconds, -f.total_seconds),
    )
    total = sum(f.self_seconds for f in functions) or 1.0
    return [
        {
            "function": f.function,
            "file": f.file,
            "line": f.line,
            "share": f.self_seconds / total,
            "total_share": min(f.total_seconds / total, 1.0),
            "native_share": f.native / total,
        }
        for f in functions[:_SHOWN]
    ]


def with_passes(
    summary: BenchmarkSummary,
    subject: Subject,
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None,
    seconds_left: float,
) -> BenchmarkSummary:
    """Memory and profile of further calls, where the timeout leaves time for them."""

    def call() -> Any:
        if setup is not None:
            setup()
        return subject.call()

    if seconds_left < 2 * summary.max_time:
        note = "no time was left for the memory and profile passes"
        return dataclasses.replace(summary, notes=(*summary.notes, note))
    changes: dict[str, Any] = {}
    if config.enable_memory_tracking and not _is_async(subject.call):
        if setup is not None:
            setup()
        grown = peak_growth(subject.call)
        changes["memory_peak_mb"] = None if grown is None else grown / 2**20
    if config.enable_profiling:
        target = subject.call if _is_async(subject.call) else call
        changes["profile"] = tuple(profile_calls(target))
    return dataclasses.replace(summary, **changes)


def _is_async(call: Callable[[], Any]) -> bool:
    return inspect.iscoroutinefunction(getattr(call, "func", call))
