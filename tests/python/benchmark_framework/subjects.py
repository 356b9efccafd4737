"""Functions that a benchmark in another process can import."""

from __future__ import annotations

import os
import time


def quick() -> int:
    return sum(range(200))


def sleeper(seconds: float = 60.0) -> None:
    time.sleep(seconds)


def crasher() -> None:
    os.abort()


def process() -> int:
    return os.getpid()
