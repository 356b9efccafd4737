"""What is looked at after the timing, in further calls, so that looking costs no sample."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.subject import Subject
from optcore.benchmark_framework.timing import Sampler

__all__ = ["Further", "further_calls", "peak_growth", "profile_calls"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_PROFILE_S = 0.25
_SHOWN = 15


@dataclass(frozen=True)
class Further:
    """What further calls showed; the fields are :class:`BenchmarkSummary`'s."""

    memory_peak_mb: float | None = None
    profile: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


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


def further_calls(
    subject: Subject,
    config: BenchmarkConfig,
    setup: Callable[[], Any] | None,
    longest: float,
    seconds_left: float,
) -> Further:
    """Memory and profile of further calls, where the timeout leaves time for them.

    Args:
        longest: s of the longest call so far.
        seconds_left: until the timeout.
    """
    if not (config.enable_memory_tracking or config.enable_profiling):
        return Further()
    if seconds_left < 2 * longest:
        return Further(notes=("no time was left for the memory and profile passes",))

    def call() -> Any:
        if setup is not None:
            setup()
        return subject.call()

    is_async, grown, notes = _is_async(subject.call), None, []
    profile: tuple[dict[str, Any], ...] = ()
    if config.enable_memory_tracking and not is_async:
        if setup is not None:
            setup()
        try:
            grown = peak_growth(subject.call)
        except Exception as error:
            notes.append(f"the call for the memory raised {type(error).__name__}: {error}")
    if config.enable_profiling:
        profile = tuple(profile_calls(subject.call if is_async else call))
    return Further(None if grown is None else grown / 2**20, profile, tuple(notes))


def _is_async(call: Callable[[], Any]) -> bool:
    return inspect.iscoroutinefunction(getattr(call, "func", call))
