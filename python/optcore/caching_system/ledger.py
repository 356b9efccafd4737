"""What caching one function costs and saves, and when to stop."""

from __future__ import annotations

from typing import Any

__all__ = ["Ledger"]

_REVIEW_EVERY = 64
_ASIDE_CALLS = 4096
_LONGEST_ASIDE = 1 << 20


class Ledger:
    """Counts calls and seconds. Hits and misses are timed around everything the cache does.

    With `adaptive`, each 64 calls are judged by themselves: where the hits among them saved less
    than their look-ups cost, the next 4096 calls go past the cache, then 64 are tried again; each
    time in vain the pause doubles, up to 2^20 calls.
    """

    def __init__(self, adaptive: bool) -> None:
        self.adaptive = adaptive
        self.calls = self.computed = self.skip = self.bypassed = 0
        self.compute_s = self.miss_s = self.hit_s = 0.0
        self._reviewed = (0, 0, 0.0)
        self._aside = _ASIDE_CALLS

    def hit(self, taken: float) -> None:
        self.calls += 1
        self.hit_s += taken
        self._review()

    def miss(self, taken: float, computed: float) -> None:
        self.calls += 1
        self.computed += 1
        self.compute_s += computed
        self.miss_s += taken - computed
        self._review()

    def step_past(self) -> bool:
        """Whether this call goes past the cache."""
        if self.skip <= 0:
            return False
        self.skip -= 1
        self.bypassed += 1
        return True

    @property
    def expected_s(self) -> float | None:
        """Mean cost of a computation, s; None before the first."""
        return self.compute_s / self.computed if self.computed else None

    @property
    def saved_s(self) -> float:
        """Seconds saved so far; negative where the cache costs more than it saves."""
        return (self.calls - self.computed) * (self.expected_s or 0.0) - self.hit_s - self.miss_s

    def _review(self) -> None:
        calls, computed, spent = self._reviewed
        if not self.adaptive or self.calls - calls < _REVIEW_EVERY:
            return
        now = self.hit_s + self.miss_s
        hits = (self.calls - calls) - (self.computed - computed)
        pays = hits * (self.expected_s or 0.0) > now - spent
        self._reviewed = (self.calls, self.computed, now)
        if pays:
            self._aside = _ASIDE_CALLS
        else:
            self.skip = self._aside
            self._aside = min(2 * self._aside, _LONGEST_ASIDE)

    def report(self) -> dict[str, Any]:
        hits = self.calls - self.computed
        return {
            "calls": self.calls + self.bypassed,
            "hits": hits,
            "misses": self.computed,
            "bypassed": self.bypassed,
            "hit_rate": hits / self.calls if self.calls else 0.0,
            "compute_s": self.expected_s,
            "hit_s": self.hit_s / hits if hits else None,
            "miss_overhead_s": self.miss_s / self.computed if self.computed else None,
            "saved_s": self.saved_s,
            "pays": self.saved_s > 0,
            "stepped_aside": self.skip > 0,
        }
