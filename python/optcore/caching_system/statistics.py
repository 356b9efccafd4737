"""What the levels did, as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optcore._native import runtime
    from optcore.caching_system.levels import Levels

__all__ = ["statistics"]


def statistics(levels: Levels, functions: dict[str, Any]) -> dict[str, Any]:
    """The nested dict of :meth:`CacheSystem.get_statistics`.

    With `enable_statistics` off all counters are 0; keys and bytes are still right.
    """
    disk, redis = levels.disk, levels.redis
    memory = levels.memory.counters()
    hits = levels.hits + memory.pop("served")
    total = hits + levels.misses
    off = not levels.config.enable_statistics
    refused = (disk.refused if disk else 0) + (redis.refused if redis else 0)
    report: dict[str, Any] = {
        "global": {
            "hit_rate": hits / total if total else 0.0,
            "hits": hits,
            "misses": levels.misses,
            "stampedes_avoided": levels.avoided,
            "negative_hits": levels.negative,
            "refused_payloads": refused,
        },
        "memory": {"errors": 0, **memory, "latency_us": _latency(levels.memory.latency)},
        "disk": _level(disk, ("evictions", "expirations")),
        "distributed": {
            **_level(redis, ("skipped",)),
            "circuit_open": redis.circuit_open if redis else False,
        },
        "functions": functions,
    }
    for name in ("global", "memory", "disk", "distributed"):
        if off:
            report[name] = {
                key: value if key in ("keys", "bytes", "circuit_open") else _zero(value)
                for key, value in report[name].items()
            }
    report["memory"] = {"enabled": True, **report["memory"]}
    report["disk"] = {
        "enabled": disk.enabled if disk else False,
        "keys": disk.keys() if disk else 0,
        "bytes": disk.bytes() if disk else 0,
        **report["disk"],
    }
    # Redis is shared by many: what is ours there is not known without visiting all of it.
    size = None if redis is not None else 0
    report["distributed"] = {
        "enabled": redis is not None,
        "keys": size,
        "bytes": size,
        **report["distributed"],
    }
    return report


def _level(tier: Any, more: tuple[str, ...]) -> dict[str, Any]:
    names = ("hits", "misses", "evictions", "expirations", "errors", *more)
    counts: dict[str, Any] = {name: getattr(tier, name, 0) for name in dict.fromkeys(names)}
    counts["latency_us"] = _latency(tier.latency if tier is not None else None)
    return counts


def _latency(histogram: runtime.Histogram | None) -> dict[str, float | None]:
    """p50 and p99 of the look-ups that found something, us."""
    if histogram is None or histogram.count == 0:
        return {"p50": None, "p99": None}
    return {"p50": histogram.quantile(0.5) / 1e3, "p99": histogram.quantile(0.99) / 1e3}


def _zero(value: Any) -> Any:
    if isinstance(value, dict):
        return dict.fromkeys(value)
    return 0.0 if isinstance(value, float) else 0
