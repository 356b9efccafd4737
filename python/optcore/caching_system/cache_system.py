"""The cache: memory first, then disk, then computation by one caller."""

from __future__ import annotations

import functools
import inspect
import math
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

from optcore._native import runtime
from optcore.caching_system.config import CacheConfig
from optcore.caching_system.frame import NotSerializable, encode
from optcore.caching_system.function import CachedFunction
from optcore.caching_system.keys import key_of
from optcore.caching_system.values import freeze, thaw, weight
from optcore.errors import ConfigError

__all__ = ["CacheLookup", "CacheSystem"]

_F = TypeVar("_F", bound=Callable[..., Any])
_MISS: Any = object()
_MB = 2**20


class CacheLookup(NamedTuple):
    """What a key holds; `found` is true for a stored None."""

    value: Any
    found: bool


class CacheSystem:
    """Memory and disk levels behind one set of calls; safe for threads, a context manager.

    Trouble with a level is a miss and a count in :meth:`get_statistics`, never an exception.
    """

    def __init__(self, config: CacheConfig | None = None) -> None:
        self.config = config or CacheConfig()
        self._memory = runtime.MemoryCache(
            int(self.config.max_memory_mb * _MB),
            self.config.max_entries,
            self.config.stampede_beta,
        )
        self._flights = runtime.SingleFlight()
        self._disk_tier: Any = None
        self._hits = self._misses = self._avoided = 0
        self._functions: weakref.WeakSet[CachedFunction] = weakref.WeakSet()
        if self.config.enable_distributed:
            raise ConfigError("enable_distributed: the Redis level is not built yet; use False")

    @property
    def _disk(self) -> Any:
        if self._disk_tier is None and self.config.enable_persistence:
            from optcore.caching_system.disk_tier import DiskTier

            self._disk_tier = DiskTier(self.config.cache_dir, int(self.config.max_disk_mb * _MB))
        return self._disk_tier

    def get(self, key: Any, default: Any = None) -> CacheLookup:
        """(value, found) of a key; arrays are read-only."""
        value, _ = self._find(key_of(key), disk=True)
        return CacheLookup(default, False) if value is _MISS else CacheLookup(value, True)

    def put(self, key: Any, value: Any, ttl: float | None = None) -> bool:
        """Store a value for `ttl` seconds; True when some level took it."""
        return self._store(key_of(key), value, self._ttl(ttl), cost=0.0, disk=True)

    def get_or_compute(
        self, key: Any, function: Callable[[], Any], ttl: float | None = None
    ) -> Any:
        """The value of a key, computed by one caller when it is absent."""
        return self.obtain(key_of(key), function, self._ttl(ttl), disk=True)

    def delete(self, key: Any) -> bool:
        return self._erase(key_of(key))

    def __contains__(self, key: Any) -> bool:
        return self._find(key_of(key), disk=True, count=False)[0] is not _MISS

    def clear(self, level: str | None = None) -> None:
        """Forget everything, or one level: "memory" or "disk"."""
        if level not in (None, "memory", "disk"):
            raise ConfigError(f"level must be 'memory', 'disk' or None, got {level!r}")
        if level in (None, "memory"):
            self._memory.clear()
        if level in (None, "disk") and self._disk is not None:
            self._disk.clear()

    def precompute(self, function: Callable[..., Any], inputs: Iterable[Any]) -> int:
        """Call a cached function on each input (a tuple is several arguments); how many."""
        count = 0
        for item in inputs:
            function(*(item if isinstance(item, tuple) else (item,)))
            count += 1
        return count

    @overload
    def cached(self, ttl: _F) -> CachedFunction: ...
    @overload
    def cached(
        self,
        ttl: float | None = None,
        *,
        key: Callable[..., Any] | None = None,
        version: str = "",
        persist: bool = True,
        adaptive: bool = False,
        ignore: Iterable[str] = (),
    ) -> Callable[[Callable[..., Any]], CachedFunction]: ...
    def cached(
        self,
        ttl: Any = None,
        *,
        key: Callable[..., Any] | None = None,
        version: str = "",
        persist: bool = True,
        adaptive: bool = False,
        ignore: Iterable[str] = (),
    ) -> Any:
        """Decorate a function: equal arguments are computed once.

        Args:
            ttl: seconds a value is valid; None: the configuration's.
            key: function of the same arguments that returns what stands for them.
            version: changes the key; a change of the source does so by itself.
            persist: also on disk.
            adaptive: step aside where the cache costs more than it saves.
            ignore: names of arguments that do not change the result.

        Attributes, globals and files that the function reads are not in the key.
        """
        if callable(ttl):
            return self.cached()(ttl)
        seconds = self._ttl(ttl)

        def decorate(function: Callable[..., Any]) -> CachedFunction:
            if inspect.iscoroutinefunction(function):
                raise TypeError(f"{function.__qualname__}: coroutines are not cached yet")
            wrapped = CachedFunction(
                self, function, seconds, key, version, persist, adaptive, frozenset(ignore)
            )
            functools.update_wrapper(wrapped, function)
            self._functions.add(wrapped)
            return wrapped

        return decorate

    def obtain(self, digest: bytes, compute: Callable[[], Any], ttl: float, *, disk: bool) -> Any:
        """The value of a fingerprint; on a miss one caller computes and the others wait."""
        value, due = self._find(digest, disk=False)
        if value is not _MISS and not due:
            return value
        stale = value
        ticket, leads = self._flights.join(digest)
        if not leads and ticket is not None:
            if stale is not _MISS:
                return stale  # somebody refreshes it
            if ticket.wait(self.config.lock_timeout):
                self._avoided += 1
                landed, error = ticket.result
                if error is not None:
                    raise error
                return thaw(landed)
            return compute()
        if ticket is None:  # the function called itself
            return compute()
        outcome: tuple[Any, BaseException | None] = (None, RuntimeError("computation abandoned"))
        try:
            if stale is _MISS:
                value, _ = self._find(digest, disk=disk, count=False)
                if value is not _MISS:
                    outcome = (freeze(value), None)
                    return value
            start = time.perf_counter()
            try:
                value = compute()
            except BaseException as error:
                outcome = (None, error)
                if stale is not _MISS and isinstance(error, Exception):
                    outcome = (freeze(stale), None)
                    return stale  # still valid; a later call tries again
                raise
            frozen = freeze(value)
            outcome = (frozen, None)
            cost = time.perf_counter() - start
            self._store(digest, value, ttl, cost=cost, disk=disk, frozen=frozen)
            return thaw(frozen)
        finally:
            self._flights.land(digest, ticket, outcome)

    def _ttl(self, ttl: float | None) -> float:
        seconds = self.config.default_ttl_seconds if ttl is None else ttl
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise ConfigError(f"ttl must be seconds above 0 or math.inf, got {ttl!r}")
        return float(seconds)

    def _find(self, digest: bytes, *, disk: bool, count: bool = True) -> tuple[Any, bool]:
        hit = self._memory.get(digest)
        if hit is not None:
            self._hits += count
            return thaw(hit[0]), hit[1]
        if disk and (tier := self._disk) is not None:
            value, expiry = tier.get(digest)
            if value is not tier.miss:
                left = math.inf if expiry is None else expiry - time.time()
                if left > 0:
                    frozen = freeze(value)
                    self._memory.put(digest, frozen, weight(frozen), left)
                    self._hits += count
                    return thaw(frozen), False
        self._misses += count
        return _MISS, False

    def _store(
        self,
        digest: bytes,
        value: Any,
        ttl: float,
        *,
        cost: float,
        disk: bool,
        frozen: Any = _MISS,
    ) -> bool:
        if frozen is _MISS:
            frozen = freeze(value)
        stored = self._memory.put(digest, frozen, weight(frozen), ttl, cost)
        if disk and (tier := self._disk) is not None and tier.enabled:
            try:
                stored |= tier.put(digest, encode(digest, value), ttl)
            except NotSerializable:
                tier.delete(digest)  # an older value of the key must not come back
        return stored

    def _erase(self, digest: bytes) -> bool:
        erased = self._memory.erase(digest)
        if (tier := self._disk) is not None:
            erased |= tier.delete(digest)
        return erased

    def get_statistics(self) -> dict[str, Any]:
        """Counts of each level and of all together, plain numbers; rates lie in [0, 1]."""
        memory = self._memory.counters()
        tier = self._disk
        total = self._hits + self._misses
        disk: dict[str, Any] = {"enabled": False, "keys": 0, "bytes": 0, "hits": 0, "misses": 0}
        if tier is not None:
            disk = {
                "enabled": tier.enabled,
                "keys": tier.keys(),
                "bytes": tier.bytes(),
                "hits": tier.hits,
                "misses": tier.misses,
                "errors": tier.errors,
            }
        return {
            "global": {
                "hit_rate": self._hits / total if total else 0.0,
                "hits": self._hits,
                "misses": self._misses,
                "stampedes_avoided": self._avoided,
                "refused_payloads": tier.refused if tier is not None else 0,
            },
            "memory": {"enabled": True, **memory},
            "disk": disk,
            "distributed": {"enabled": False, "keys": 0},
            "functions": {f.name: f.cache_info() for f in self._functions},
        }

    def close(self) -> None:
        if self._disk_tier is not None:
            self._disk_tier.close()

    def __enter__(self) -> CacheSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
