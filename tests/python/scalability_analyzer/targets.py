"""Targets that a load test in other processes can import."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable

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


class Timed:
    """A function, and how long each of its calls took by a clock of its own."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.seconds: list[float] = []

    def __call__(self, *args: object) -> None:
        start = time.perf_counter()
        try:
            self.function(*args)
        finally:
            self.seconds.append(time.perf_counter() - start)


class Stalling:
    """A server that answers at once, but for `stall` s at the start of every `period` s.

    `ended` holds when it was done with each call.
    """

    def __init__(self, stall: float, period: float) -> None:
        self.stall, self.period, self.begin = stall, period, time.monotonic()
        self.ended: dict[int, float] = {}

    def left(self, now: float) -> float:
        """s that the stall of this moment lasts on."""
        return max(self.stall - (now - self.begin) % self.period, 0.0)

    def __call__(self, i: int) -> None:
        time.sleep(self.left(time.monotonic()))
        self.ended[i] = time.monotonic()


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
