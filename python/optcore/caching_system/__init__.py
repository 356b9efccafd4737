"""Caching of repeated computations in memory and on disk; nothing that is read back is run."""

from __future__ import annotations

from typing import Any

from optcore.caching_system.cache_system import CacheLookup, CacheSystem
from optcore.caching_system.config import CacheConfig

__all__ = ["CacheConfig", "CacheLookup", "CacheSystem"]


def __getattr__(name: str) -> Any:
    """`cache`: one shared CacheSystem, made on first use."""
    if name == "cache":
        shared = globals()["cache"] = CacheSystem()
        return shared
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
