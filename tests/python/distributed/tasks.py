"""Tasks that workers import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np


def simulate(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    time.sleep(0.02)
    return {"seed": seed, "path": random.normal(size=(50, 2)).cumsum(axis=0)}


def counted(item: tuple[str, int]) -> int:
    """Leaves a mark, so that the test knows how often it ran."""
    folder, number = item
    with (Path(folder) / f"{number}.ran").open("a") as file:
        file.write("x")
    if number < 0:
        raise ValueError(f"no {number}")
    return number * number


def deadly(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
