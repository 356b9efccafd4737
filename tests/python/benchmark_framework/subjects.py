"""Functions that a benchmark in another process can import."""

from __future__ import annotations

import functools
import os
import time


def quick() -> int:
    return sum(range(200))


def sleeper(seconds: float = 60.0) -> None:
    time.sleep(seconds)


def crasher() -> None:
    os.abort()


def hungry() -> int:
    held = bytearray(32 << 20)
    return sum(range(20_000)) + len(held)


@functools.cache
def cached() -> float:
    time.sleep(1e-3)
    return 1.0


_left = iter(range(40))


def dies_after_40_calls() -> None:
    if next(_left, None) is None:
        os.abort()


def process() -> int:
    return os.getpid()
