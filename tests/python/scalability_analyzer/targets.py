"""Targets that a load test in other processes can import."""

from __future__ import annotations

import asyncio
import os
import threading
import time

_LOCK = threading.Lock()


def nothing() -> None:
    pass


def with_arguments(a: int, *, b: int) -> int:
    return a + b


def sleep_ms() -> None:
    time.sleep(1e-3)


def pause(seconds: float) -> None:
    time.sleep(seconds)


async def wait_ms() -> None:
    await asyncio.sleep(1e-3)


def failing() -> None:
    raise ValueError("planted")


def late() -> None:
    raise TimeoutError


def dying() -> None:
    os._exit(7)


def spinning() -> int:
    return sum(range(20_000))


def locked() -> None:
    with _LOCK:
        time.sleep(2e-3)


class Stalling:
    """A server that answers at once, but for `stall` s at the start of every `period` s."""

    def __init__(self, stall: float, period: float) -> None:
        self.stall, self.period, self.begin = stall, period, time.monotonic()

    def __call__(self) -> None:
        phase = (time.monotonic() - self.begin) % self.period
        if phase < self.stall:
            time.sleep(self.stall - phase)


def marked(folder: str, i: int) -> None:
    """Leaves behind who made call i."""
    with open(os.path.join(folder, str(i)), "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


class Marking:
    """Arguments of `marked`, which other processes can make too."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, i: int) -> tuple[str, int]:
        return self.folder, i
