"""What caching one function costs and saves, and when to stop."""

from __future__ import annotations

from typing import Any

from optcore._native import runtime

__all__ = ["Ledger"]

_REVIEW_EVERY = 64
_LOSSES = 8
_RISING = 0.1  #: of the hit rate, from the first loss to the last
_ASIDE_CALLS = 4096
_LONGEST_ASIDE = 1 << 20
_NEVER = 2**63 - 1


class Ledger:
    """Counts calls and seconds. Hits and misses are timed around everything the cache does.

    With `adaptive`, each 64 calls are judged by themselves: they lose where their hits saved less
    than their look-ups cost. Eight losses in a row without a rising hit rate (a cache that only
    fills itself is given time), and the next 4096 calls go past the cache before it is tried again;
    each time in vain the pause doubles, up to 2^20 calls.

    Hits are counted in `counters`, which native code shares.
    """

    def __init__(self, adaptive: bool) -> None:
        self.counters = runtime.HitCounters()
        self.computed = 0
        self.compute_s = self.miss_s = 0.0
        self._reviewed = (0, 0.0)
        self._aside = _ASIDE_CALLS
        self._losing: list[float] = []  # hit rates
        self.counters.review_at = _REVIEW_EVERY if adaptive else _NEVER

    @property
    def calls(self) -> int:
        return self.counters.hits + self.computed

    @property
    def hit_s(self) -> float:
        return self.counters.hit_ns * 1e-9

    def hit(self, taken: float) -> None:
        self.counters.hits += 1
        self.counters.hit_ns += round(taken * 1e9)
        if self.counters.hits >= self.counters.review_at:
            self.review()

    def miss(self, taken: float, computed: float) -> None:
        self.computed += 1
        self.compute_s += computed
        self.miss_s += taken - computed
        if self.counters.review_at != _NEVER:
            self.counters.review_at -= 1  # a review is due after so many calls, not hits
            if self.counters.hits >= self.counters.review_at:
                self.review()

    def step_past(self) -> bool:
        """Whether this call goes past the cache."""
        if self.counters.skip <= 0:
            return False
        self.counters.skip -= 1
        self.counters.bypassed += 1
        return True

    @property
    def expected_s(self) -> float | None:
        """Mean cost of a computation, s; None before the first."""
        return self.compute_s / self.computed if self.computed else None

    @property
    def saved_s(self) -> float:
        """Seconds saved so far; negative where the cache costs more than it saves."""
        return self.counters.hits * (self.expected_s or 0.0) - self.hit_s - self.miss_s

    def review(self) -> None:
        """Judge the calls since the last review, and step aside after too many losses."""
        hits, spent = self._reviewed
        now = self.hit_s + self.miss_s
        gained = self.counters.hits - hits
        self._reviewed = (self.counters.hits, now)
        self.counters.review_at = self.counters.hits + _REVIEW_EVERY
        if self.computed == 0 or gained * (self.expected_s or 0.0) > now - spent:
            self._aside = _ASIDE_CALLS
            self._losing.clear()
            return
        self._losing.append(gained / _REVIEW_EVERY)
        if len(self._losing) < _LOSSES:
            return
        if self._losing[-1] < self._losing[0] + _RISING:
            self.counters.skip = self._aside
            self._aside = min(2 * self._aside, _LONGEST_ASIDE)
        self._losing.clear()

    def report(self) -> dict[str, Any]:
        hits, calls = self.counters.hits, self.calls
        return {
            "calls": calls + self.counters.bypassed,
            "hits": hits,
            "misses": self.computed,
            "bypassed": self.counters.bypassed,
            "hit_rate": hits / calls if calls else 0.0,
            "compute_s": self.expected_s,
            "hit_s": self.hit_s / hits if hits else None,
            "miss_overhead_s": self.miss_s / self.computed if self.computed else None,
            "saved_s": self.saved_s,
            "pays": self.saved_s > 0,
            "stepped_aside": self.counters.skip > 0,
        }
