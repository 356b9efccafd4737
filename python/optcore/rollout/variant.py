"""What is known of one version of a function, and how far two results are apart."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from optcore._native import runtime

__all__ = ["Variant", "difference"]

_PER_UNIT = 1e12  # a difference is counted in units of 1e-12
_LARGEST = 3.6e12


class Variant:
    """Latencies and errors of one version."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.latency = runtime.Histogram()
        self.errors: Counter[str] = Counter()
        """by type of exception"""
        self._lock = threading.Lock()

    def failed(self, error: BaseException) -> None:
        with self._lock:
            self.errors[type(error).__qualname__] += 1

    @property
    def calls(self) -> int:
        """With their failures."""
        return self.latency.count + sum(self.errors.values())

    def quantile(self, q: float) -> float:
        """s, of calls that returned; NaN before the first."""
        return self.latency.quantile(q) * 1e-9 if self.latency.count else math.nan

    def to_dict(self) -> dict[str, Any]:
        with self._lock:
            errors = dict(self.errors)
        edges, counts = self.latency.buckets()
        return {
            "calls": self.calls,
            "errors": errors,
            "p50_s": self.quantile(0.5),
            "p99_s": self.quantile(0.99),
            "max_s": self.latency.max_ns * 1e-9,
            "latency_ns": {"edges": list(edges), "counts": list(counts)},
        }


class Differences:
    """Histogram of how far results of the two versions were apart."""

    def __init__(self) -> None:
        self._histogram = runtime.Histogram()
        self.infinite = 0

    def record(self, value: float) -> None:
        if math.isfinite(value):
            self._histogram.record(int(min(value * _PER_UNIT, _LARGEST)))
        else:
            self.infinite += 1

    @property
    def count(self) -> int:
        return self._histogram.count + self.infinite

    def quantile(self, q: float) -> float:
        """To three digits; up to 1e-12 counts as 0, and 3.6 stands for all above."""
        if not self.count:
            return math.nan
        beyond = q * self.count > self._histogram.count
        return math.inf if beyond else self._histogram.quantile(q) / _PER_UNIT

    def to_dict(self) -> dict[str, Any]:
        edges, counts = self._histogram.buckets()
        return {
            "compared": self.count,
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "infinite": self.infinite,
            "edges": [edge / _PER_UNIT for edge in edges],
            "counts": list(counts),
        }


def difference(a: Any, b: Any) -> float:
    """Largest difference of two results: absolute between numbers and arrays, inf between others
    that are not equal, and where shapes or lengths disagree."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return math.inf
        return max((difference(a[key], b[key]) for key in a), default=0.0)
    plain = isinstance(a, str | bytes) or isinstance(b, str | bytes)
    numeric = isinstance(a, np.ndarray | np.generic) or isinstance(b, np.ndarray | np.generic)
    if not plain and not numeric and isinstance(a, Sequence) and isinstance(b, Sequence):
        if len(a) != len(b):
            return math.inf
        return max((difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    try:
        x, y = np.asarray(a), np.asarray(b)
        if x.dtype.kind in "biufc" and y.dtype.kind in "biufc":
            return _apart(x, y)
        return 0.0 if bool(np.all(a == b)) else math.inf
    except Exception:  # an odd __eq__ or __array__: whatever it was, they are not known to agree
        return math.inf


def _apart(x: Any, y: Any) -> float:
    if x.shape != y.shape:
        return math.inf
    if x.size == 0 or np.array_equal(x, y, equal_nan=x.dtype.kind in "fc"):
        return 0.0
    whole = x.dtype.kind in "biu" and y.dtype.kind in "biu"
    differ = x != y
    wide = np.complex128 if "c" in (x.dtype.kind, y.dtype.kind) else np.float64
    x, y = x.astype(wide), y.astype(wide)
    both = (x == y) | (np.isnan(x) & np.isnan(y))
    apart = np.where(both, 0.0, np.abs(x - np.where(both, x, y)))
    if whole:  # beyond 2^53 doubles cannot tell neighbours apart
        apart = np.maximum(apart, differ)
    return float(apart.max()) if np.isfinite(apart).all() else math.inf
