"""A clock that moves only when a benchmarked function works."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Nanoseconds."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def work(self, nanoseconds: int) -> Callable[[], float]:
        def call() -> float:
            self.now += nanoseconds
            return 1.0

        return call
