"""Configurations from an application's flat settings, as the manual's BASE_CONFIG.

PROD_CONFIG = {**BASE_CONFIG, "enable_distributed_cache": True, "cache_size_mb": 5000}
settings = optcore.config.from_dict(PROD_CONFIG)
cache = CacheSystem(settings.cache) if settings.enable_caching else None
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optcore.caching_system.config import CacheConfig
from optcore.errors import ConfigError

__all__ = ["Settings", "from_dict"]


@dataclass(frozen=True)
class Settings:
    """What the flat keys say; all that is left out has its default."""

    enable_profiling: bool
    enable_caching: bool
    cache: CacheConfig


def from_dict(values: Mapping[str, Any]) -> Settings:
    """Read `enable_profiling`, `enable_caching`, and CacheConfig's fields under their own names or
    as `cache_size_mb` and `enable_distributed_cache`.

    Raises:
        ConfigError: no mapping of names; a key is unknown (the nearest known one is named), or a
            value out of range.
    """
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"need a mapping of names to values, got {values!r}")
    given = dict(values)
    profiling = given.pop("enable_profiling", False)
    caching = given.pop("enable_caching", True)
    for name, value in (("enable_profiling", profiling), ("enable_caching", caching)):
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be True or False, got {value!r}")
    return Settings(profiling, caching, CacheConfig.from_dict(given))
