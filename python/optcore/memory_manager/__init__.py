"""Memory manager: pooled arrays, mapped files, leak tracking, and quiet control loops."""

from __future__ import annotations

from optcore.memory_manager.circular import CircularBuffer
from optcore.memory_manager.config import MemoryConfig
from optcore.memory_manager.manager import MemoryManager
from optcore.memory_manager.parked import ParkedArray
from optcore.memory_manager.realtime import RealtimeReport, realtime
from optcore.memory_manager.stats import LeakReport, MemoryOptimizationResult, MemoryStats

__all__ = [
    "CircularBuffer",
    "LeakReport",
    "MemoryConfig",
    "MemoryManager",
    "MemoryOptimizationResult",
    "MemoryStats",
    "ParkedArray",
    "RealtimeReport",
    "realtime",
]
