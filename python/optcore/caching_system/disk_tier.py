"""The disk level: diskcache's index and bounds, our own bytes.

Nothing is ever unpickled: rows hold frames (frame.py) or the name of a file that holds one; any
other row is refused. Files are written under a temporary name and renamed; large ones are mapped.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import re
import secrets
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import diskcache

from optcore.caching_system.frame import BadFrame, decode

__all__ = ["MISS", "DiskTier", "RefusedPayload"]

MISS: Any = object()
_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}\.frame")
_RAW, _BINARY = 1, 2
_MAP_BYTES = 1 << 20
_PAUSE_S = 60.0


class RefusedPayload(BadFrame):
    """A row that this cache would never have written."""


class RawDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys and values are bytes; no pickle is read or written, no name leaves the folder."""

    def put(self, key: Any) -> tuple[Any, bool]:
        if type(key) is not bytes:
            raise RefusedPayload("keys are bytes")
        return sqlite3.Binary(key), True

    def get(self, key: Any, raw: Any) -> bytes:
        if not raw or not isinstance(key, bytes | memoryview):
            raise RefusedPayload("a key that is not bytes")
        return bytes(key)

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, str | None, Any]:
        if len(value) < self.min_file_size:
            return 0, _RAW, None, sqlite3.Binary(value)
        token = secrets.token_hex(16)
        name = f"{token[:2]}/{token[2:]}.frame"
        target = Path(self._directory, name)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        partial = target.with_suffix(".part")
        try:
            with open(partial, "xb") as file:
                file.write(value)
            partial.rename(target)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        return len(value), _BINARY, name, None

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes | memoryview:
        if mode == _RAW and isinstance(value, bytes):
            return value
        if mode != _BINARY or not isinstance(filename, str) or not _FILE.fullmatch(filename):
            raise RefusedPayload("a row of a kind this cache never writes")
        handle = os.open(Path(self._directory, filename), os.O_RDONLY | os.O_NOFOLLOW)
        try:
            size = os.fstat(handle).st_size
            if size >= _MAP_BYTES:
                return memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
            with open(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)

    def remove(self, file_path: Any) -> None:
        if isinstance(file_path, str) and _FILE.fullmatch(file_path):
            with contextlib.suppress(OSError):
                Path(self._directory, file_path).unlink()


class DiskTier:
    """Every trouble is a miss, a count, and never an exception."""

    def __init__(self, directory: str | Path, max_bytes: int) -> None:
        self.directory = Path(directory).resolve()
        self.hits = self.misses = self.errors = self.refused = 0
        self._max_bytes = max_bytes
        self._paused_until = 0.0
        self._moved_aside = False
        self._lock = threading.Lock()
        self._cache: Any = self._open()

    @property
    def enabled(self) -> bool:
        return self._cache is not None

    def _open(self) -> Any:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return diskcache.Cache(
                str(self.directory),
                timeout=5,
                disk=RawDisk,
                statistics=0,
                tag_index=0,
                eviction_policy="least-recently-stored",
                size_limit=self._max_bytes,
                cull_limit=2,
                disk_min_file_size=32 * 1024,
                disk_pickle_protocol=0,
            )
        except (sqlite3.Error, OSError, diskcache.Timeout, KeyError, TypeError) as error:
            self.errors += 1
            if isinstance(error, sqlite3.DatabaseError) and not self._moved_aside:
                self._moved_aside = True
                for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
                    with contextlib.suppress(OSError):
                        path = self.directory / name
                        path.rename(f"{path}.broken-{time.time_ns()}")
                return self._open()
            return None

    miss = MISS

    def get(self, key: bytes) -> tuple[Any, float | None]:
        """(value or MISS, wall time of its expiry or None); a damaged entry is removed."""
        if self._cache is None:
            return MISS, None
        try:
            found, expiry = self._cache.get(key, default=MISS, expire_time=True)
            if found is MISS:
                self.misses += 1
                return MISS, None
            value = decode(key, found)
        except BadFrame as bad:
            self.errors += 1
            self.refused += isinstance(bad, RefusedPayload)
            self.delete(key)
            self.misses += 1
            return MISS, None
        except (sqlite3.Error, OSError, diskcache.Timeout, ValueError, TypeError, AttributeError):
            self.errors += 1
            self.misses += 1
            return MISS, None
        self.hits += 1
        return value, expiry

    def put(self, key: bytes, frame: bytes, ttl: float) -> bool:
        if self._cache is None or time.monotonic() < self._paused_until:
            return False
        expire = None if math.isinf(ttl) else ttl
        for attempt in range(2):
            try:
                return bool(self._cache.set(key, frame, expire=expire))
            except (sqlite3.Error, OSError, diskcache.Timeout):  # noqa: PERF203
                self.errors += 1
                if attempt == 0:
                    with contextlib.suppress(sqlite3.Error, OSError, diskcache.Timeout):
                        self._cache.cull()
        self._paused_until = time.monotonic() + _PAUSE_S
        return False

    def delete(self, key: bytes) -> bool:
        if self._cache is None:
            return False
        try:
            return bool(self._cache.delete(key))
        except (sqlite3.Error, OSError, diskcache.Timeout):
            self.errors += 1
            return False

    def clear(self) -> None:
        if self._cache is not None:
            with contextlib.suppress(sqlite3.Error, OSError, diskcache.Timeout):
                self._cache.clear()

    def keys(self) -> int:
        try:
            return len(self._cache) if self._cache is not None else 0
        except (sqlite3.Error, OSError):
            return 0

    def bytes(self) -> int:
        try:
            return int(self._cache.volume()) if self._cache is not None else 0
        except (sqlite3.Error, OSError):
            return 0

    def verify(self) -> tuple[int, int]:
        """(whole entries, damaged ones); the damaged are removed."""
        whole = damaged = 0
        if self._cache is None:
            return 0, 0
        rows = self._cache._sql("SELECT key FROM Cache").fetchall()
        for (key,) in rows:
            before = self.errors
            if isinstance(key, bytes) and self.get(key)[0] is not MISS:
                whole += 1
            elif self.errors > before or not isinstance(key, bytes):
                damaged += 1
        return whole, damaged

    def close(self) -> None:
        if self._cache is not None:
            self._cache.close()
