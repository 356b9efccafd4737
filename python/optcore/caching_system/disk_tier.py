"""The disk level: diskcache's index, our own bytes, least recently used out first.

Nothing is ever unpickled (raw_disk.py), every frame is checked (frame.py), and every trouble is a
miss, a count, and never an exception. A value that is mapped must not be truncated by other
programs while it is in use: the operating system would stop the reader.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import diskcache

from optcore._native import runtime
from optcore.caching_system.frame import BadFrame, Decoded, decode
from optcore.caching_system.raw_disk import RawDisk, RefusedPayload, sweep

__all__ = ["DiskTier"]

_PAUSE_S = 60.0
_TOUCH_EVERY_S = 5.0
_TOUCHES = 4096
_BUSY_S = 1.0
_TROUBLE = (sqlite3.Error, OSError, diskcache.Timeout)
_FIND = (
    "SELECT mode, filename, value, store_time FROM Cache WHERE key = ? AND raw = 1"
    " AND (expire_time IS NULL OR expire_time > ?)"
)
_DROP = "DELETE FROM Cache WHERE key = ? AND filename IS ? AND store_time IS ?"


class DiskTier:
    """Frames by key in `directory`, index and values together at most `max_bytes` large.

    An older value whose replacement or removal failed is refused by this process until one of them
    succeeds; other processes may still find it.
    """

    def __init__(self, directory: str | Path, max_bytes: int) -> None:
        self.directory = Path(directory).resolve()
        self.hits = self.misses = self.errors = self.refused = 0
        self.evictions = self.expirations = 0
        self.latency = runtime.Histogram()
        self._max_bytes = max_bytes
        self._paused_until = 0.0
        self._moved_aside = False
        self._cache: Any = None
        self._outdated: set[bytes] = set()  # keys; what the index has of them is older
        self.renew()
        self._open()

    def renew(self) -> None:
        """In a forked child; diskcache opens a new connection by itself."""
        self._lock = threading.Lock()
        self._local = threading.local()
        self._touched: dict[bytes, float] = {}
        self._touched_at = time.time()

    @property
    def enabled(self) -> bool:
        return self._cache is not None

    def _open(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sweep(self.directory, orphans=not (self.directory / "cache.db").exists())
            self._cache = diskcache.Cache(
                str(self.directory),
                timeout=_BUSY_S,
                disk=RawDisk,
                statistics=0,
                tag_index=0,
                eviction_policy="least-recently-used",
                size_limit=self._max_bytes,
                cull_limit=0,  # _shrink() does it, one entry at a time
                disk_min_file_size=32 * 1024,
                disk_pickle_protocol=0,
            )
        except (*_TROUBLE, KeyError, TypeError) as error:
            self._failed(error, None)

    def _failed(self, error: BaseException, cache: Any) -> None:
        """Count; an index that is no database is moved aside once, the second time is the end.

        `cache` is the index that failed: where another took its place, that one is well.
        """
        self.errors += 1
        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
        )
        if not broken and not isinstance(error, KeyError | TypeError):
            return
        with self._lock:
            if self._cache is not cache:
                return
            self._cache = None
            if cache is not None:
                with contextlib.suppress(*_TROUBLE):
                    cache.close()
            if self._moved_aside:
                return
            self._moved_aside = True
            for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
                with contextlib.suppress(OSError):
                    path = self.directory / name
                    path.rename(f"{path}.broken-{time.time_ns()}")
        self._open()

    def get(self, key: bytes) -> Decoded | None:
        """What a key holds; a damaged entry is removed."""
        cache = self._cache
        if cache is None:
            return None
        if key in self._outdated:
            self.misses += 1
            return None
        start = time.perf_counter_ns()
        now = time.time()
        row = None
        try:
            row = self._connection(cache).execute(_FIND, (key, now)).fetchone()
            if row is None:
                self.misses += 1
                return None
            try:
                frame, verify = cache.disk.load(*row[:3])
            except FileNotFoundError:  # a writer replaced it in between
                row = self._connection(cache).execute(_FIND, (key, now)).fetchone() or row
                frame, verify = cache.disk.load(*row[:3])
            found = decode(key, frame, verify=verify)
            if verify and row[1] is not None:
                cache.disk.note_whole(row[1])
        except (BadFrame, FileNotFoundError) as bad:
            self.errors += isinstance(bad, BadFrame)
            self.refused += isinstance(bad, RefusedPayload)
            self.misses += 1
            self._drop(cache, key, row)
            return None
        except (*_TROUBLE, ValueError, TypeError) as error:
            self.misses += 1
            self._failed(error, cache)
            return None
        self.hits += 1
        self._touched[key] = now
        if abs(now - self._touched_at) > _TOUCH_EVERY_S or len(self._touched) >= _TOUCHES:
            self._write_touches()
        self.latency.record(time.perf_counter_ns() - start)
        return found

    def _drop(self, cache: Any, key: bytes, row: Any) -> None:
        """Remove a damaged row, and not the one that a writer put in its place."""
        with contextlib.suppress(*_TROUBLE):
            cache._sql(_DROP, (key, row[1], row[3]))
            cache.disk.remove(row[1])

    def _connection(self, cache: Any) -> Any:
        """This thread's connection; diskcache looks for it longer than it takes to use it."""
        known = getattr(self._local, "known", None)
        if known is None or known[0] is not cache:
            known = self._local.known = (cache, cache._con)
        return known[1]

    def put(self, key: bytes, frame: bytes, ttl: float) -> bool:
        """Whether it was stored; where not, an older value of the key is gone or refused."""
        cache = self._cache
        if cache is None:
            return False
        if len(frame) > self._max_bytes or time.monotonic() < self._paused_until:
            self.delete(key)
            return False
        expire = None if math.isinf(ttl) else ttl
        for attempt in range(2):
            try:
                stored = bool(cache.set(key, frame, expire=expire))
                self._outdated.discard(key)
                self._shrink()
                return stored
            except diskcache.Timeout:  # noqa: PERF203
                self.errors += 1  # busy: the older one cannot be deleted either
                self._outdate(cache, key)
                return False
            except (sqlite3.Error, OSError) as error:
                self._failed(error, cache)
                if self._cache is not cache:
                    return False
                if attempt == 0:
                    self._evict(len(frame))
        self._paused_until = time.monotonic() + _PAUSE_S
        self.delete(key)
        return False

    def _outdate(self, cache: Any, *keys: bytes) -> None:
        """Refuse what the index has of some keys, or of all."""
        chosen = f" WHERE key IN ({','.join('?' * len(keys))})" if keys else ""
        try:
            rows = cache._sql(f"SELECT key FROM Cache{chosen}", keys).fetchall()
        except _TROUBLE:
            rows = [(key,) for key in keys]
        self._outdated.update(key for (key,) in rows)

    def _write_touches(self) -> None:
        """Tell the index what was used; evictions and other processes go by it."""
        with self._lock:
            touched, self._touched = self._touched, {}
            self._touched_at = time.time()
        if touched and self._cache is not None:
            with contextlib.suppress(*_TROUBLE), self._cache.transact():
                for key, at in touched.items():
                    self._cache._sql("UPDATE Cache SET access_time = ? WHERE key = ?", (at, key))

    def _shrink(self) -> None:
        excess = self.bytes() - self._max_bytes
        if excess > 0:
            self._write_touches()
            self.expire()
            while (excess := self.bytes() - self._max_bytes) > 0 and self._evict(excess):
                pass

    def _evict(self, size: int) -> int:
        """Remove the least recently used entries until `size` bytes are free; how many went."""
        freed = gone = 0
        with contextlib.suppress(*_TROUBLE):
            while freed < size:
                row = self._cache._sql(
                    "SELECT rowid, filename, size + coalesce(length(value), 0) FROM Cache"
                    " ORDER BY access_time LIMIT 1"
                ).fetchone()
                if row is None:
                    break
                self._cache._sql("DELETE FROM Cache WHERE rowid = ?", (row[0],))
                self._cache.disk.remove(row[1])
                freed += row[2] + 256
                gone += 1
        self.evictions += gone
        return gone

    def expire(self) -> None:
        """Remove what is no longer valid."""
        if self._cache is not None:
            with contextlib.suppress(*_TROUBLE):
                self.expirations += self._cache.expire()

    def delete(self, key: bytes) -> bool:
        cache = self._cache
        if cache is None:
            return False
        try:
            deleted = bool(cache.delete(key))
        except _TROUBLE as error:
            self._failed(error, cache)
            self._outdate(cache, key)
            return False
        self._outdated.discard(key)
        return deleted

    def clear(self) -> None:
        cache = self._cache
        if cache is None:
            return
        try:
            cache.clear()
        except _TROUBLE as error:
            self._failed(error, cache)
            self._outdate(cache)
        else:
            self._outdated.clear()

    def keys(self) -> int:
        try:
            return len(self._cache) if self._cache is not None else 0
        except _TROUBLE:
            return 0

    def bytes(self) -> int:
        try:
            return int(self._cache.volume()) if self._cache is not None else 0
        except _TROUBLE:
            return 0

    def verify(self) -> tuple[int, int]:
        """(whole entries, damaged ones); the damaged are removed."""
        whole = damaged = 0
        if self._cache is None:
            return 0, 0
        self._cache.disk._whole.clear()
        for (key,) in self._cache._sql("SELECT key FROM Cache").fetchall():
            before = self.errors
            if isinstance(key, bytes) and self.get(key) is not None:
                whole += 1
            elif self.errors > before or not isinstance(key, bytes):
                damaged += 1
        return whole, damaged

    def close(self) -> None:
        if self._cache is not None:
            self._write_touches()
            self._local = threading.local()
            with contextlib.suppress(*_TROUBLE):
                self._cache.close()
