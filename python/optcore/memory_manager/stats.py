"""What the memory manager reports; MB = 2^20 bytes, a figure that was not measured is None."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LeakReport", "MemoryOptimizationResult", "MemoryStats", "Outstanding"]


@dataclass(frozen=True)
class MemoryStats:
    """Memory of the process and of the pool, now."""

    rss_mb: float
    memory_peak_mb: float
    """high-water mark of the process"""
    vms_mb: float
    available_mb: float
    percent: float
    """of the machine's memory, in use by all"""
    pool_idle_mb: float
    pool_in_use_mb: float
    pool_hits: int
    pool_misses: int
    outstanding: int
    """arrays handed out and not returned"""
    leaked: int
    """arrays that died without being returned; their memory was reclaimed"""
    escaped: int
    """arrays returned while a view lived on; recycled when it dies"""
    ignored: int
    """returns of what was not out: twice, foreign, a view"""
    gc_counts: tuple[int, int, int]
    gpu_mb: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class MemoryOptimizationResult:
    """What :meth:`MemoryManager.optimize_memory` achieved."""

    freed_mb: float
    collected_objects: int
    pool_trimmed_mb: float
    heap_trimmed: bool
    duration_s: float
    before: MemoryStats
    after: MemoryStats


@dataclass(frozen=True)
class Outstanding:
    """Pooled arrays that one line asked for and nobody returned."""

    file: str
    line: int
    arrays: int
    megabytes: float


@dataclass
class LeakReport:
    """Filled in when the ``track()`` block ends."""

    outstanding: tuple[Outstanding, ...] = ()
    rss_growth_mb: float = 0.0
    rss_slope_mb_per_s: float | None = None
    rss_slope_interval: tuple[float, float] | None = None
    """90 % interval of the slope"""
    allocations: tuple[Outstanding, ...] = ()
    """growth by line, when asked for with ``allocations=True``"""

    @property
    def suspects(self) -> tuple[Outstanding, ...]:
        """All lines, largest first."""
        rows = {(row.file, row.line): row for row in (*self.allocations, *self.outstanding)}
        return tuple(sorted(rows.values(), key=lambda row: -row.megabytes))
