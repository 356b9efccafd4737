"""The share of calls that goes to the new version, and when it goes back to none.

Source   stable bucketing by hash: common practice of feature flags; interval of a proportion:
         Wilson, J. Amer. Statist. Assoc. 22 (1927); interval of a quantile by order statistics:
         David & Nagaraja, *Order Statistics* (2003), section 7.1.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from optcore._native import runtime
from optcore.errors import ConfigError
from optcore.rollout.variant import Differences, Variant, difference

__all__ = ["Rollout", "with_fallback"]

_log = logging.getLogger("optcore.rollout")

_BUCKETS = 10_000
_SURE = 2.58  # standard deviations of a two-sided 99 % interval
_IN_A_ROW = 5


class Rollout:
    """Calls `optimized` for a share of the calls, `baseline` for the others and whenever it fails.

    The share is stable: the same key goes to the same version, and one that is in at 10 % is in at
    50 %. An exception of the new version is logged and answered by the baseline, which decides what
    the caller sees. The new version is dropped (and one warning logged) when it fails
    {in_a_row} times in a row, when its failures are more than `max_error_rate` beyond chance, or
    when its median latency is more than `max_slowdown` times the baseline's beyond chance.

    Args:
        name: seeds the assignment, and stands in logs.
        baseline, optimized: the two versions, not coroutines; called with the same arguments, which
            the new one must leave as they are where it fails.
        percent: of the keys that get the new version.
        key: of the call's arguments: user, robot, session. None: the arguments themselves; where
            they have no content to hash, calls are dealt out in turn.
        shadow: fraction of the new version's calls in which the baseline runs as well and results
            are compared; their caller gets the new version's result if they agree.
        max_difference: largest difference that is no failure, as optcore.rollout.difference has it.
        max_error_rate: failures per call that are borne.
        max_slowdown: ratio of medians that is borne; needs baseline calls, so percent < 100 or
            shadow > 0.
        min_calls: of the new version before rates and latencies are judged.
        retry_after: s after which a dropped version is tried again; None: never by itself.
        clock: s, monotonic; another one for tests.

    Example:
        >>> safe = Rollout("root", lambda x: x**0.5, lambda x: x**0.5 if x else 1 / 0, percent=100)
        >>> safe(4.0), safe(0.0), safe.new.errors["ZeroDivisionError"]
        (2.0, 0.0, 1)
    """

    def __init__(
        self,
        name: str,
        baseline: Callable[..., Any],
        optimized: Callable[..., Any],
        *,
        percent: float = 10.0,
        key: Callable[..., object] | None = None,
        shadow: float = 0.0,
        max_difference: float = 1e-9,
        max_error_rate: float = 0.01,
        max_slowdown: float = 1.1,
        min_calls: int = 50,
        retry_after: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for label, function in (("baseline", baseline), ("optimized", optimized)):
            if not callable(function) or inspect.iscoroutinefunction(function):
                raise ConfigError(
                    f"{label}: need a function that is no coroutine, got {function!r}"
                )
        _within("shadow", shadow, 0, 1)
        _within("max_error_rate", max_error_rate, 0, 1)
        _within("max_difference", max_difference, 0, math.inf)
        _within("max_slowdown", max_slowdown, 0, math.inf)
        _within("min_calls", min_calls, 1, math.inf)
        if retry_after is not None:
            _within("retry_after", retry_after, 0, math.inf)
        if not isinstance(name, str) or not (key is None or callable(key)):
            raise ConfigError(f"need a name and a function as key, got {name!r}, {key!r}")
        self.name = name
        self.old, self.new = Variant(baseline), Variant(optimized)
        self.differences = Differences()
        self.dropped = ""
        """why the new version is out of use; empty while it is in"""
        self._seed = int.from_bytes(runtime.checksum(name.encode())[:7], "little")
        self._key, self._shadow, self._retry_after = key, shadow, retry_after
        self._max_difference, self._max_error_rate = max_difference, max_error_rate
        self._max_slowdown, self._min_calls = max_slowdown, min_calls
        self._clock, self._lock = clock, threading.Lock()
        self._turn = self._turn_shadow = self._in_a_row = self._mismatches = 0
        self._judged = 0
        self._dropped_at = 0.0
        self.percent = percent
        functools.update_wrapper(self, baseline)

    # --- who gets which ------------------------------------------------------------------------

    @property
    def percent(self) -> float:
        """May be set at any time, from 0 to 100."""
        return self._percent

    @percent.setter
    def percent(self, value: float) -> None:
        _within("percent", value, 0, 100)
        self._percent = float(value)
        self._limit = round(value / 100 * _BUCKETS)

    def bucket(self, key: object) -> int:
        """0 to 9999; keys below 100 x percent get the new version.

        Raises:
            TypeError: the key has no content to hash.
        """
        digest = runtime.fingerprint(key, _unknown, self._seed)
        return int.from_bytes(digest[:8], "little") % _BUCKETS

    def enabled_for(self, *args: Any, **kwargs: Any) -> bool:
        """Would this call go to the new version now?"""
        if self.dropped:
            return False
        return self._limit >= _BUCKETS or self._bucket_of(args, kwargs) < self._limit

    def _bucket_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        try:
            if self._key is not None:
                return self.bucket(self._key(*args, **kwargs))
            return self.bucket((args, kwargs) if kwargs else args)
        except TypeError:
            if self._key is not None:
                raise
            with self._lock:  # by the golden ratio: any share comes out evenly
                self._turn += 1
                return int(self._turn * 0.6180339887498949 % 1.0 * _BUCKETS)

    # --- calls ---------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.dropped:
            self._try_again()
        if not self.enabled_for(*args, **kwargs):
            return self._run(self.old, args, kwargs)
        try:
            result = self._run(self.new, args, kwargs)
        except Exception as error:
            expected = self._run(self.old, args, kwargs)  # its exception is the input's fault
            self.new.failed(error)
            self._count_failure(f"{type(error).__qualname__}: {error}")
            return expected
        if self._shadow and self._in_shadow():
            expected = self._run(self.old, args, kwargs)
            apart = difference(result, expected)
            self.differences.record(apart)
            if not apart <= self._max_difference:
                self._count_failure(f"results differ by {apart:g}", mismatch=True)
                return expected
        self._in_a_row = 0
        if self.new.latency.count >= max(self._min_calls, 2 * self._judged):
            self._judge()
        return result

    @staticmethod
    def _run(variant: Variant, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        start = time.perf_counter_ns()
        result = variant.function(*args, **kwargs)
        variant.latency.record(time.perf_counter_ns() - start)
        return result

    def _in_shadow(self) -> bool:
        with self._lock:
            self._turn_shadow += 1
            due = self._turn_shadow * self._shadow
        return math.floor(due) > math.floor(due - self._shadow)

    # --- judgement -----------------------------------------------------------------------------

    @property
    def failures(self) -> int:
        """Of the new version: exceptions the baseline did not share, and results that differ."""
        return sum(self.new.errors.values()) + self._mismatches

    def _count_failure(self, what: str, *, mismatch: bool = False) -> None:
        with self._lock:
            self._mismatches += mismatch
            self._in_a_row += 1
            in_a_row, failures = self._in_a_row, self.failures
        if failures == 1 or failures % 100 == 0:
            _log.error("%s: the new version failed (%d so far): %s", self.name, failures, what)
        if in_a_row >= _IN_A_ROW:
            self.drop(f"{_IN_A_ROW} failures in a row, the last one {what}")
        elif self.new.calls >= self._min_calls:
            self._judge()

    def _judge(self) -> None:
        calls, failures = self.new.calls, self.failures
        self._judged = self.new.latency.count
        if (sure := _at_least(failures, calls)) > self._max_error_rate:
            self.drop(
                f"{failures} of {calls} calls failed, which is a rate of at least {sure:.2%}; "
                f"{self._max_error_rate:.2%} are allowed"
            )
            return
        new, old = self.new.latency, self.old.latency
        if min(new.count, old.count) < self._min_calls:
            return
        fast = new.quantile(max(0.5 - 0.5 * _SURE / math.sqrt(new.count), 0.0))
        slow = old.quantile(min(0.5 + 0.5 * _SURE / math.sqrt(old.count), 1.0))
        if fast > self._max_slowdown * slow:
            self.drop(
                f"median latency {self.new.quantile(0.5):.3g} s, the baseline's "
                f"{self.old.quantile(0.5):.3g} s; {self._max_slowdown:g} x are allowed"
            )

    def drop(self, why: str) -> None:
        """Send all calls to the baseline."""
        with self._lock:
            if self.dropped:
                return
            self.dropped, self._dropped_at = why or "by hand", self._clock()
        _log.warning("%s: the new version is out of use: %s", self.name, self.dropped)

    def resume(self) -> None:
        """Use the new version again; what was counted of it is forgotten."""
        with self._lock:
            self._begin_again()

    def _begin_again(self) -> None:
        self.dropped = ""
        self._in_a_row = self._mismatches = self._judged = 0
        self.new = Variant(self.new.function)
        self.differences = Differences()

    def _try_again(self) -> None:
        if self._retry_after is None:
            return
        with self._lock:  # another caller may have been here first
            if self.dropped and self._clock() - self._dropped_at >= self._retry_after:
                self._begin_again()

    # --- figures -------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """Calls, latency histograms and errors of both; differences. Plain values."""
        return {
            "name": self.name,
            "percent": self.percent,
            "dropped": self.dropped,
            "baseline": self.old.to_dict(),
            "optimized": self.new.to_dict(),
            "failures": self.failures,
            "differences": self.differences.to_dict(),
        }

    def report(self) -> str:
        """The same in four lines."""
        state = f"dropped: {self.dropped}" if self.dropped else f"{self.percent:g} % of keys"
        lines = [f"{self.name}: {state}"]
        for label, variant in (("baseline", self.old), ("optimized", self.new)):
            errors = ", ".join(f"{kind} x {n}" for kind, n in variant.errors.items()) or "no errors"
            lines.append(
                f"  {label:9} {variant.calls:8d} calls  p50 {variant.quantile(0.5) * 1e3:9.4g} ms"
                f"  p99 {variant.quantile(0.99) * 1e3:9.4g} ms  {errors}"
            )
        if self.differences.count:
            lines.append(
                f"  compared  {self.differences.count:8d} calls  p50 "
                f"{self.differences.quantile(0.5):9.3g}  p99 {self.differences.quantile(0.99):9.3g}"
                f"  {self._mismatches} beyond {self._max_difference:g}"
            )
        return "\n".join(lines)


Rollout.__doc__ = (Rollout.__doc__ or "").replace("{in_a_row}", str(_IN_A_ROW))


def with_fallback(
    optimized: Callable[..., Any], baseline: Callable[..., Any], **options: Any
) -> Rollout:
    """The new version for every call, the baseline where it raises: the manual's robust_inference.

    Options are those of Rollout.
    """
    name = getattr(optimized, "__qualname__", type(optimized).__qualname__)
    return Rollout(name, baseline, optimized, **{"percent": 100.0, **options})


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float | np.number) and low <= value <= high):
        raise ConfigError(f"{name} must lie in [{low:g}, {high:g}], got {value!r}")


def _unknown(value: Any) -> object:
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return ("scalar", value.dtype.str, value.tobytes())
    raise TypeError(f"a {type(value).__qualname__} has no content to hash")


def _at_least(failures: int, calls: int) -> float:
    """Lower end of Wilson's interval of a rate."""
    if not failures:
        return 0.0
    rate, z = failures / calls, _SURE
    middle = rate + z * z / (2 * calls)
    spread = z * math.sqrt(rate * (1 - rate) / calls + z * z / (4 * calls * calls))
    return (middle - spread) / (1 + z * z / calls)
