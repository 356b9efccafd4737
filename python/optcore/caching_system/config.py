"""What a cache may use and for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from optcore._config import Config, bounded
from optcore.errors import ConfigError

__all__ = ["CacheConfig"]

_MOST_MB = 1e12  # as bytes it still fits 64 bits
_MOST_S = 1e6


@dataclass(frozen=True, slots=True)
class CacheConfig(Config):
    """Limits in MB (2^20 bytes) and seconds; `default_ttl_seconds=math.inf` keeps for ever.

    `enable_compression`: values of 16 kB to 1 MB are deflated on disk and in Redis where a sample
    of them shrinks by a fifth. `redis_timeout`: one wait; it bounds the size of values too, which
    are not sent to Redis where a line of 64 MB/s needs more than five such times.
    """

    aliases: ClassVar[Mapping[str, str]] = {
        "cache_size_mb": "max_memory_mb",
        "enable_distributed_cache": "enable_distributed",
    }

    max_memory_mb: float = bounded(1000.0, low=0.0, high=_MOST_MB)
    max_disk_mb: float = bounded(5000.0, low=0.0, high=_MOST_MB)
    default_ttl_seconds: float = bounded(3600, low=0.0, high=math.inf, open_low=True)
    enable_persistence: bool = True
    enable_compression: bool = True
    enable_statistics: bool = True
    cache_dir: str = "cache"
    enable_distributed: bool = False
    redis_host: str = "localhost"
    redis_port: int = bounded(6379, low=1, high=65535)
    redis_db: int = bounded(0, low=0, high=2**31 - 1)
    precompute_batch_size: int = bounded(100, low=1, high=10**6)
    background_cleanup_interval: int = bounded(300, low=1)
    max_entries: int = bounded(100000, low=1, high=10**12)
    signing_key: str | None = None
    redis_url: str | None = None
    redis_timeout: float = bounded(0.05, low=0.0, high=3600.0, open_low=True)
    redis_retry_after: float = bounded(5.0, low=0.0, high=_MOST_S, open_low=True)
    redis_prefix: str = "optcore"
    stampede_beta: float = bounded(1.0, low=0.0)
    lock_timeout: float = bounded(30.0, low=0.0, high=_MOST_S)

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if self.signing_key == "":
            raise ConfigError("signing_key must not be empty; None: frames are not signed")
