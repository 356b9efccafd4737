"""Settings of the memory manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optcore._config import Config, bounded

__all__ = ["MemoryConfig"]


@dataclass(frozen=True, slots=True)
class MemoryConfig(Config):
    """What :class:`MemoryManager` keeps and watches; MB = 2^20 bytes."""

    enable_pooling: bool = True
    """off: the same calls, memory from and to the system each time"""
    pool_max_size: int = bounded(1000, low=0)
    """idle buffers kept, over all sizes"""
    enable_monitoring: bool = True
    """watch the resident size in a daemon thread, from :meth:`MemoryManager.start_monitor` on"""
    monitoring_interval: float = bounded(1.0, low=1e-3)
    """s"""
    gc_threshold_mb: float = bounded(1000.0, low=0)
    """resident size at which the monitor calls ``optimize_memory``"""
    enable_compression: bool = True
    """compress parked arrays"""
    use_memory_mapping: bool = True
    """off: files are read into memory"""
    cache_size_limit_mb: float = bounded(500.0, low=0)
    """bytes the pool may hold idle"""
    enable_weak_references: bool = True
    """reclaim and count arrays that die without being returned"""
    preallocation_size: int = bounded(100, low=0)
    """buffers made by :meth:`MemoryManager.preallocate`"""
    huge_pages: Literal["advise", "never"] = "advise"
    lock_memory: bool = False
    """keep pooled memory resident (mlock)"""
    prefault: bool = False
    """touch new memory at once instead of at first use"""
    poison: bool = False
    """hand arrays out full of NaN: finds reads before writes, in tests"""
