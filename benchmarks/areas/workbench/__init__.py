"""workbench: what the Python tools around the kernels cost, beside their peers."""

from __future__ import annotations

from areas.workbench import cache, load, memory, profiler
from harness import Case

__all__ = ["cases"]


def cases() -> list[Case]:
    return [*profiler.cases(), *memory.cases(), *cache.cases(), *load.cases()]
