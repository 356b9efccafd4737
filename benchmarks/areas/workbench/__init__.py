"""workbench: what the profiler, the memory manager and the cache cost, beside their peers."""

from __future__ import annotations

from importlib import import_module

from harness import Case

_PARTS = ("profiler", "memory")


def cases() -> list[Case]:
    return [case for part in _PARTS for case in import_module(f"{__name__}.{part}").cases()]
