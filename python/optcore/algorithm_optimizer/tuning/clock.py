"""Timing in turns, under a budget."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

__all__ = ["Budget", "race"]


class Budget:
    """Seconds that may still be spent."""

    def __init__(self, seconds: float) -> None:
        self.start = time.perf_counter()
        self.seconds = seconds

    @property
    def spent(self) -> float:
        return time.perf_counter() - self.start

    @property
    def left(self) -> float:
        return self.seconds - self.spent


def race(
    contenders: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    least: int = 3,
    most: int = 200,
    warm: bool = True,
    quantile: float = 0.25,
) -> dict[str, float]:
    """Time of a call of each, s: a low quantile of calls in turns, which meet the same
    disturbances and mostly escape them.

    Args:
        contenders: name and call.
        seconds: to spend; each has `least` turns whatever they take.
        least, most: turns.
        warm: one untimed turn first.
        quantile: of the times; 0 is the shortest, which disturbances move least.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    collecting = gc.isenabled()
    gc.disable()
    try:
        if warm:
            for call in contenders.values():
                call()
        begin = time.perf_counter()
        for turn in range(most):
            if turn >= least and time.perf_counter() - begin > seconds:
                break
            for name, call in contenders.items():
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    finally:
        if collecting:
            gc.enable()
    return {name: sorted(taken)[int(quantile * len(taken))] for name, taken in times.items()}
