"""A cache that measures whether it pays, and stops when it does not."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

__all__ = ["CacheStatistics", "PayingCache"]

Value = TypeVar("Value")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheStatistics:
    """What a cache did and what that was worth."""

    name: str
    active: bool
    hits: int
    misses: int
    entries: int
    lookup_time: float  #: s, mean of one look-up, making its key included
    compute_time: float  #: s, mean of what a hit saves
    saved_time: float  #: s, hits times what each saved, less all look-ups; may be negative
    note: str  #: why it was switched off, or empty

    @property
    def hit_rate(self) -> float:
        total = self.hits + self.misses
        return self.hits / total if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "hit_rate": self.hit_rate}


class PayingCache(Generic[Value]):
    """Least recently used values, kept for as long as that is faster than computing them.

    After every `trial` look-ups the time that hits saved is set against the time that look-ups
    took; when they cost more, the cache empties itself, logs one line and computes from then on.

    Args:
        name: what it holds, for the statistics.
        size: most values kept; 0 switches it off.
        trial: look-ups between judgements.
        clock: seconds; another one for tests.
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        trial: int = 256,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self._size, self._trial, self._clock = size, trial, clock
        self._values: OrderedDict[Any, Value] = OrderedDict()
        self._lock = Lock()
        self._hits = self._misses = 0
        self._lookup = self._compute = 0.0
        self._judged = 0
        self._window = (0, 0.0)  # hits and look-up time at the last judgement
        self._note = "" if size > 0 else "switched off: size 0"

    @property
    def active(self) -> bool:
        return not self._note

    def get(self, key: Callable[[], Any], compute: Callable[[], Value]) -> Value:
        """The value under `key()`, computed where it is not known. Both are timed."""
        if self._note:
            return compute()
        start = self._clock()
        at = key()
        with self._lock:
            found = at in self._values
            if found:
                self._values.move_to_end(at)
                value = self._values[at]
                self._hits += 1
                self._lookup += self._clock() - start
        if not found:
            looked = self._clock()
            value = compute()
            done = self._clock()
            with self._lock:
                self._misses += 1
                self._compute += done - looked
                self._values[at] = value
                if len(self._values) > self._size:
                    self._values.popitem(last=False)
                self._lookup += looked - start + (self._clock() - done)
        if self._hits + self._misses - self._judged >= self._trial:
            self._judge()
        return value

    def _judge(self) -> None:
        """Compare over the last window, so that a good start does not excuse what follows."""
        with self._lock:
            looked = self._hits + self._misses - self._judged
            hits, spent = self._hits - self._window[0], self._lookup - self._window[1]
            self._judged = self._hits + self._misses
            self._window = (self._hits, self._lookup)
            if not looked or self._misses == 0:
                return
            each = self._compute / self._misses
            if hits * each >= spent:
                return
            self._note = (
                f"switched off: {hits} of {looked} look-ups hit and saved {hits * each * 1e6:.1f} "
                f"us, the look-ups took {spent * 1e6:.1f} us"
            )
            self._values.clear()
        _log.info("cache of %s %s", self.name, self._note)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    def statistics(self) -> CacheStatistics:
        with self._lock:
            total = self._hits + self._misses
            each = self._compute / self._misses if self._misses else 0.0
            return CacheStatistics(
                self.name,
                self.active,
                self._hits,
                self._misses,
                len(self._values),
                self._lookup / total if total else 0.0,
                each,
                self._hits * each - self._lookup,
                self._note,
            )
