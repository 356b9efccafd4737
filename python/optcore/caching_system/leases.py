"""Leases: one computation of a key among several processes, and among several machines.

A lease that its holder never gives back ends by itself: the kernel frees a dead process's file
lock, and Redis forgets a lease after its time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FileLease", "Lease", "pauses"]


class Lease(ABC):
    """Held by one at a time. Calls may come from several threads: a coroutine may be cancelled
    while a thread acquires for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False

    def try_acquire(self) -> bool:
        """True when the caller should compute: it holds the lease, or there can be none."""
        with self._lock:
            return self._over or self._acquire()

    def release(self) -> None:
        """Give it back for good; it cannot be acquired any more."""
        with self._lock:
            self._over = True
            self._free()

    @abstractmethod
    def _acquire(self) -> bool: ...

    @abstractmethod
    def _free(self) -> None: ...


class FileLease(Lease):
    """The lock of one file under `directory`; the file goes with the lease."""

    def __init__(self, directory: Path, key: bytes) -> None:
        super().__init__()
        self._path = directory / f"{key.hex()}.lease"
        self._handle = -1

    def _acquire(self) -> bool:
        while True:
            try:
                handle = os.open(
                    self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
                )
            except OSError:
                return True  # nowhere to put it: better twice than never
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            except OSError:
                os.close(handle)
                return True
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(handle), os.stat(self._path)):
                    self._handle = handle
                    return True
            os.close(handle)  # its last holder removed the file in between

    def _free(self) -> None:
        if self._handle < 0:
            return
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os.close(self._handle)
        self._handle = -1


def pauses(patience: float) -> Iterator[float]:
    """How long to sleep between attempts, 1 ms at first and 20 ms later, until `patience` ends."""
    until = time.monotonic() + patience
    pause = 0.001
    while (left := until - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(1.5 * pause, 0.02)
