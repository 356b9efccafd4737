"""The three levels behind one another: memory, disk, Redis."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optcore._native import runtime
from optcore.caching_system.config import CacheConfig
from optcore.caching_system.frame import Decoded, NotSerializable, encode
from optcore.caching_system.leases import FileLease, Lease
from optcore.caching_system.tags import Stamps, TagSlots
from optcore.caching_system.values import Copy, Failure, Tagged, freeze, weight
from optcore.errors import ConfigError

if TYPE_CHECKING:
    from optcore.caching_system.disk_tier import DiskTier
    from optcore.caching_system.redis_tier import RedisTier

__all__ = ["LEVELS", "MISS", "Levels", "Plan", "checked_ttl"]

LEVELS = ("memory", "disk", "distributed")
MISS: Any = object()
_MB = 2**20
_log = logging.getLogger("optcore.caching_system")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one function's values are kept."""

    ttl: float
    levels: frozenset[str] = frozenset(LEVELS)
    tags: tuple[str, ...] = ()
    copy: Copy = "readonly"
    lock: bool = True
    negative_ttl: float = 0.0
    negative_errors: tuple[type[Exception], ...] = ()


class Levels:
    """Finds in the fastest level that has a key, stores in all that a plan names."""

    def __init__(self, config: CacheConfig) -> None:
        self.config = config
        self.memory = runtime.MemoryCache(
            int(config.max_memory_mb * _MB), config.max_entries, config.stampede_beta
        )
        self.hits = self.misses = self.avoided = self.negative = 0
        self._disk: DiskTier | None = None
        self._redis: RedisTier | None = None
        self._slots: TagSlots | None = None
        self._opening = threading.RLock()
        self._cleaned = time.monotonic()
        if config.enable_distributed:
            from optcore.caching_system.redis_tier import RedisTier

            self._redis = RedisTier(config, self.tags)

    @property
    def disk(self) -> DiskTier | None:
        """Opened on first use."""
        if self._disk is None and self.config.enable_persistence:
            from optcore.caching_system.disk_tier import DiskTier

            with self._opening:
                if self._disk is None:
                    self._disk = DiskTier(self.config.cache_dir, int(self.config.max_disk_mb * _MB))
        return self._disk

    @property
    def redis(self) -> RedisTier | None:
        return self._redis

    @property
    def tags(self) -> TagSlots:
        if self._slots is None:
            with self._opening:
                if self._slots is None:
                    disk = self.disk
                    shared = disk is not None and disk.enabled
                    self._slots = TagSlots(disk.directory if disk and shared else None)
        return self._slots

    def find(self, digest: bytes) -> tuple[Any, bool]:
        """(stored value or MISS, whether it is due for early refresh), from memory."""
        hit: tuple[Any, bool] | None = self.memory.get(digest)
        return (MISS, False) if hit is None else self.checked(digest, hit)

    def checked(self, digest: bytes, hit: tuple[Any, bool]) -> tuple[Any, bool]:
        """What memory has, or (MISS, False) where its tags have changed."""
        if type(hit[0]) is Tagged and not self.tags.valid(hit[0].stamps):
            self.memory.erase(digest)
            return MISS, False
        return hit

    def find_below(self, digest: bytes, plan: Plan) -> Any:
        """The stored value or MISS, from disk or Redis; what is found goes into memory."""
        found: Decoded | None = None
        if (disk := self.disk_of(plan)) is not None:
            found = disk.get(digest)
            if found is not None and not self._valid(found.stamps):
                found = None
        if found is None and (redis := self.redis_of(plan)) is not None:
            found = redis.get(digest)
        return MISS if found is None else self.keep(digest, found, plan)

    def _valid(self, stamps: Stamps) -> bool:
        """Of what the disk had, by what all hosts know, or by what is known here without Redis."""
        if not stamps:
            return True
        if self._redis is not None:
            self._redis.synced()
        return self.tags.valid(stamps)

    def keep(self, digest: bytes, found: Decoded, plan: Plan) -> Any:
        """Take what a lower level had into memory."""
        stored = freeze(found.value)
        if found.stamps:
            stored = Tagged(stored, found.stamps)
        if (left := found.left()) > 0 and "memory" in plan.levels:
            self.memory.put(digest, stored, weight(stored), left)
        return stored

    def store(
        self,
        digest: bytes,
        value: Any,
        plan: Plan,
        *,
        cost: float = 0.0,
        stamps: Stamps = (),
        later: list[tuple[bytes, bytes, float]] | None = None,
    ) -> tuple[Any, bool]:
        """(stored form, whether some level took it).

        Args:
            stamps: of the tags, from before the computation.
            later: takes what Redis should get, where the caller sends it.
        """
        try:
            stored = freeze(value, plan.copy)
            size = weight(stored)
        except RecursionError as error:
            self.erase(digest)
            _log.debug("nested too deep to be kept: %s", error)
            return value, False
        if stamps:
            stored = Tagged(stored, stamps)
        taken = False
        if "memory" in plan.levels:
            taken = self.memory.put(digest, stored, size, plan.ttl, cost)
        disk, redis = self.disk_of(plan), self.redis_of(plan)
        if disk is not None or redis is not None:
            try:
                packs = self.config.enable_compression
                frame = encode(digest, value, plan.ttl, stamps, pack=packs)
            except NotSerializable as error:
                self.erase(digest, memory=False)  # an older value of the key must not come back
                _log.debug("kept in memory only: %s", error)
            else:
                if disk is not None:
                    taken |= disk.put(digest, frame, plan.ttl)
                if redis is not None and later is not None:
                    later.append((digest, frame, plan.ttl))
                elif redis is not None:
                    taken |= redis.put(digest, frame, plan.ttl)
        self._clean()
        return stored, taken

    def store_failure(
        self, digest: bytes, error: Exception, plan: Plan, stamps: Stamps = ()
    ) -> None:
        """Keep an exception in memory, if it can be copied."""
        with contextlib.suppress(Exception):
            kept: Any = Failure(error)
            kept = Tagged(kept, stamps) if stamps else kept
            self.memory.put(digest, kept, 1024, plan.negative_ttl)

    def erase(self, digest: bytes, *, memory: bool = True) -> bool:
        erased = memory and self.memory.erase(digest)
        if (disk := self.disk) is not None:
            erased |= disk.delete(digest)
        if self._redis is not None:
            erased |= self._redis.delete(digest)
        return erased

    def get_many(self, digests: Iterable[bytes], plan: Plan) -> dict[bytes, Any]:
        """Stored values by key; Redis is asked once for all that are missing above it."""
        found: dict[bytes, Any] = {}
        missing: list[bytes] = []
        for digest in dict.fromkeys(digests):
            stored, _ = self.find(digest)
            if stored is MISS and (disk := self.disk_of(plan)) is not None:
                entry = disk.get(digest)
                if entry is not None and self._valid(entry.stamps):
                    stored = self.keep(digest, entry, plan)
            if stored is MISS:
                missing.append(digest)
            else:
                found[digest] = stored
        if missing and (redis := self.redis_of(plan)) is not None:
            for digest, entry in redis.get_many(missing).items():
                found[digest] = self.keep(digest, entry, plan)
        return found

    def put_many(self, values: Mapping[bytes, Any], plan: Plan, stamps: Stamps) -> int:
        """How many some level took; Redis gets all in one round trip."""
        frames: list[tuple[bytes, bytes, float]] = []
        taken = {
            digest: self.store(digest, value, plan, stamps=stamps, later=frames)[1]
            for digest, value in values.items()
        }
        if frames and (redis := self.redis_of(plan)) is not None:
            for (digest, _, _), stored in zip(frames, redis.put_many(frames), strict=True):
                taken[digest] |= stored
        return sum(taken.values())

    def leases(self, digest: bytes, plan: Plan) -> Iterator[Lease]:
        """What to hold while computing, so that other processes and hosts wait."""
        if (disk := self.disk_of(plan)) is not None:
            yield FileLease(disk.directory, digest)
        if (redis := self.redis_of(plan)) is not None:
            yield redis.lease(digest, max(self.config.lock_timeout, 1.0))

    def invalidate(self, tag: str) -> None:
        slot, number = self.tags.invalidate(tag)
        if self._redis is not None:
            self._redis.announce(slot, number)

    def stamps(self, tags: Iterable[str]) -> Stamps:
        if self._redis is not None:
            self._redis.listen()
        return self.tags.stamps(tags)

    def clear(self, level: str | None) -> None:
        if level not in (None, *LEVELS):
            raise ConfigError(f"level must be None or one of {', '.join(LEVELS)}; got {level!r}")
        if level in (None, "memory"):
            self.memory.clear()
        if level in (None, "disk") and self.disk is not None:
            self.disk.clear()
        if level in (None, "distributed") and self._redis is not None:
            self._redis.clear()

    def renew(self) -> None:
        """In a forked child: what is in memory stays, connections and locks are made anew."""
        self._opening = threading.RLock()
        if self._redis is not None:
            self._redis.renew()
        if self._disk is not None:
            self._disk.renew()

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()
        if self._redis is not None:
            self._redis.close()

    def disk_of(self, plan: Plan) -> DiskTier | None:
        return self.disk if "disk" in plan.levels else None

    def redis_of(self, plan: Plan) -> RedisTier | None:
        return self._redis if "distributed" in plan.levels else None

    def _clean(self) -> None:
        """Entries expire when they are met; now and then the rest goes too, without a thread."""
        now = time.monotonic()
        if now - self._cleaned >= self.config.background_cleanup_interval:
            self._cleaned = now
            self.memory.expire()
            if self._disk is not None:
                self._disk.expire()


def checked_ttl(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigError(f"ttl must be seconds above 0 or math.inf, got {seconds!r}")
    return math.inf if math.isinf(seconds) else float(seconds)
