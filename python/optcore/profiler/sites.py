"""Timing of coroutines and generators: from the first step to the last."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator
from typing import Any

from optcore._native import runtime

__all__ = ["async_wrapper", "generator_wrapper"]


class _Timed:
    """Records a length into a site when the block ends; errors are counted."""

    __slots__ = ("site", "slow", "start")

    def __init__(self, site: runtime.CallSite, slow: Callable[[int], object]) -> None:
        self.site, self.slow = site, slow

    def __enter__(self) -> None:
        self.start = time.perf_counter_ns()

    def __exit__(self, kind: object, *_: object) -> None:
        elapsed = time.perf_counter_ns() - self.start
        self.site.record(elapsed)
        if kind is not None and kind is not GeneratorExit:
            self.site.count_error()
        elif elapsed > self.site.slow_ns:
            self.slow(elapsed)


def async_wrapper(
    function: Callable[..., Any], site: runtime.CallSite, slow: Callable[[int], object]
) -> Callable[..., Any]:
    """A coroutine function whose awaiting is timed, waiting included."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not site.enabled:
            return await function(*args, **kwargs)
        with _Timed(site, slow):
            return await function(*args, **kwargs)

    return wrapper


def generator_wrapper(
    function: Callable[..., Any], site: runtime.CallSite, slow: Callable[[int], object]
) -> Callable[..., Any]:
    """A generator function whose whole iteration is timed, its consumer included."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if not site.enabled:
            return (yield from function(*args, **kwargs))
        with _Timed(site, slow):
            return (yield from function(*args, **kwargs))

    return wrapper
