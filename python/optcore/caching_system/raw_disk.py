"""diskcache's storage without pickle: rows hold bytes, or the name of a file that holds them."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Any

import diskcache

from optcore.caching_system.frame import BadFrame

__all__ = ["RawDisk", "RefusedPayload", "sweep"]

_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}\.frame")
_RAW, _BINARY = 1, 2
_MAP_BYTES = 1 << 20
_STALE_S = 600.0


class RefusedPayload(BadFrame):
    """A row that this cache would never have written."""


class RawDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys and values are bytes; no pickle is read or written, no name leaves the folder."""

    def __init__(self, directory: str, **options: Any) -> None:
        super().__init__(directory, **options)
        self._whole: dict[str, tuple[int, ...]] = {}

    def put(self, key: Any) -> tuple[Any, bool]:
        if type(key) is not bytes:
            raise RefusedPayload("keys are bytes")
        return sqlite3.Binary(key), True

    def get(self, key: Any, raw: Any) -> bytes:
        if not raw or not isinstance(key, bytes | memoryview):
            raise RefusedPayload("a key that is not bytes")
        return bytes(key)

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, str | None, Any]:
        """As diskcache asks for it; a file appears under its name only when it is whole."""
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
        return self.load(mode, filename, value)[0]

    def load(self, mode: Any, filename: Any, value: Any) -> tuple[bytes | memoryview, bool]:
        """(frame, whether it must be verified). Files of 1 MB and more are mapped, and verified
        when this process first meets them or they have changed since."""
        if mode == _RAW and isinstance(value, bytes):
            return value, True
        if mode != _BINARY or not isinstance(filename, str) or not _FILE.fullmatch(filename):
            raise RefusedPayload("a row of a kind this cache never writes")
        handle = os.open(f"{self._directory}/{filename}", os.O_RDONLY | os.O_NOFOLLOW)
        try:
            stat = os.fstat(handle)
            if stat.st_size < _MAP_BYTES:
                with open(handle, "rb", closefd=False) as file:
                    return file.read(), True
            view = memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
            signature = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            return view, self._whole.get(filename) != signature
        finally:
            os.close(handle)

    def note_whole(self, filename: Any) -> None:
        """Remember that a large file was verified as it is now."""
        if len(self._whole) >= 4096:
            self._whole.clear()
        with contextlib.suppress(OSError):
            stat = os.stat(f"{self._directory}/{filename}")
            if stat.st_size >= _MAP_BYTES:
                self._whole[filename] = (
                    stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns,
                )  # fmt: skip

    def remove(self, file_path: Any) -> None:
        if isinstance(file_path, str) and _FILE.fullmatch(file_path):
            self._whole.pop(file_path, None)
            with contextlib.suppress(OSError):
                Path(self._directory, file_path).unlink()


def sweep(directory: Path, *, orphans: bool) -> None:
    """Remove what writers that died left behind; `orphans`: also values that no index knows."""
    before = time.time() - _STALE_S
    for path in directory.glob("[0-9a-f][0-9a-f]/*"):
        with contextlib.suppress(OSError):
            stale = path.suffix == ".part" and path.stat().st_mtime < before
            if stale or (orphans and path.suffix == ".frame"):
                path.unlink()
