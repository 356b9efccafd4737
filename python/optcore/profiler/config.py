"""Settings of the profiler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optcore._config import Config, bounded

__all__ = ["ProfilerConfig"]


@dataclass(frozen=True, slots=True)
class ProfilerConfig(Config):
    """What :class:`SystemProfiler` looks at; MB = 2^20 bytes."""

    enable_line_profiling: bool = True
    """sample the stacks, or trace lines: see `line_backend`"""
    enable_memory_profiling: bool = True
    """resident size, peak and page faults around the call"""
    enable_gpu_profiling: bool = True
    """load and memory of the first GPU, where NVML is there"""
    enable_io_profiling: bool = True
    """bytes read and written"""
    sampling_interval: float = bounded(0.1, low=1e-3)
    """s between two looks at the system; not the line sampler's"""
    memory_threshold_mb: float = bounded(100.0, low=0)
    """growth of the peak that is a bottleneck"""
    cpu_threshold_percent: float = bounded(80.0, low=0)
    """load of the process that is a bottleneck"""
    profile_duration: float | None = bounded(None, low=0, open_low=True)
    """s after which sampling stops; None: the whole call"""
    line_backend: Literal["sampling", "trace"] = "sampling"
    line_interval: float = bounded(0.01, low=1e-4, high=60)
    """s between two stack samples"""
    memory_backend: Literal["rss", "tracemalloc", "memray"] = "rss"
    """what the process holds, or a pass that names the lines that keep memory"""
    cpu_time_threshold_ms: float = bounded(10.0, low=0)
    """own time per call that is a bottleneck"""
    max_history: int = bounded(10000, low=1)
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
