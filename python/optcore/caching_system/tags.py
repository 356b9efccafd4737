"""Tags: groups of entries that can be made invalid at once, in all processes and levels.

A tag is one of 4096 slots that each hold a number. An entry remembers the numbers of its tags from
before it was computed and is valid while they have not changed, so that invalidating a tag is one
write, however many entries carry it. Two tags may share a slot: then both become invalid together.

Slots lie in a mapped file that the processes of a machine share. Numbers only grow (a time, or one
more than the last), so copies in several places are merged by taking the larger.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from optcore._native import runtime

__all__ = ["SLOTS", "Stamps", "TagSlots"]

SLOTS = 4096
_LIMIT = 2**62  #: no time in ns is as large
Stamps = tuple[tuple[int, int], ...]  #: (slot, number) of each tag


class TagSlots:
    """The numbers of all tags; in `directory`/tags.bin where that can be written, else private."""

    def __init__(self, directory: Path | None = None) -> None:
        self._numbers: Any = np.zeros(SLOTS, np.int64)
        if directory is not None:
            with contextlib.suppress(OSError, ValueError):
                self._numbers = _mapped(directory / "tags.bin")

    @staticmethod
    def slot(tag: str) -> int:
        if not isinstance(tag, str) or not tag:
            raise TypeError(f"a tag must be a string with letters in it, got {tag!r}")
        return int.from_bytes(runtime.checksum(tag.encode())[:8], "little") % SLOTS

    def stamps(self, tags: Iterable[str]) -> Stamps:
        """What an entry with these tags must remember, taken before it is computed."""
        if isinstance(tags, str):
            raise TypeError(f"tags must be several strings, got the one string {tags!r}")
        return tuple((slot, int(self._numbers[slot])) for slot in sorted(set(map(self.slot, tags))))

    def valid(self, stamps: Stamps) -> bool:
        numbers = self._numbers
        return all(slot < SLOTS and numbers[slot] == number for slot, number in stamps)

    def invalidate(self, tag: str) -> tuple[int, int]:
        """Make all entries of a tag invalid; (slot, its new number)."""
        slot = self.slot(tag)
        number = max(time.time_ns(), int(self._numbers[slot]) + 1)
        self._numbers[slot] = number
        return slot, number

    def merge(self, slot: int, number: int) -> None:
        """Take over a number from elsewhere if it is newer."""
        if 0 <= slot < SLOTS and self._numbers[slot] < number < _LIMIT:
            self._numbers[slot] = number

    def used(self) -> dict[int, int]:
        """All slots that were ever invalidated, with their numbers."""
        return {int(slot): int(self._numbers[slot]) for slot in np.flatnonzero(self._numbers)}


def _mapped(path: Path) -> Any:
    """The numbers in a file; where it is damaged, all entries become invalid rather than valid."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "r+b") as file:
        size = os.fstat(handle).st_size
        if size > SLOTS * 8:
            os.ftruncate(handle, SLOTS * 8)
        # a hole that a full disk cannot fill would end the process (SIGBUS) at its first use
        os.posix_fallocate(handle, 0, SLOTS * 8)
        numbers = np.memmap(file, np.int64, "r+", shape=(SLOTS,)).view(np.ndarray)
    damaged = (numbers < 0) | (numbers >= _LIMIT)
    if size not in (0, SLOTS * 8):
        damaged[:] = True
    numbers[damaged] = time.time_ns()
    return numbers
