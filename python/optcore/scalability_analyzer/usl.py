"""Universal Scalability Law: throughput against load, with what the data leave uncertain.

    X(N) = rate N / (1 + contention (N - 1) + coherency N (N - 1))

Source   Gunther, *Guerrilla Capacity Planning* (2007), chapters 4 to 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError

__all__ = ["FARTHEST", "Interval", "UslFit", "fit_usl"]

FARTHEST = 1.5
"""times the largest load tested: beyond, nothing is predicted"""
_LEAST = 1e-9  # share of the measured N / X that the law's is not let below
_WILDEST = 30.0  # largest error of a drawn log X: a factor of 10^13
_FEWEST = 4  # loads: three parameters and one degree of freedom for the noise
_TURN = 0.1  # relative residual from which the soft-L1 loss grows like |e|, not e^2
_STEPS, _BOOT_STEPS = 40, 8

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class UslFit:
    """A fitted law; intervals hold the true value with probability `level` each."""

    rate: float
    """calls per second of one user alone"""
    contention: float
    coherency: float
    rate_interval: Interval
    contention_interval: Interval
    coherency_interval: Interval
    level: float
    peak: float | None
    """users at the highest throughput; None where it lies beyond 1.5 x the largest load tested"""
    peak_interval: Interval
    """its upper end is infinite where the data do not bound it from above within that range"""
    largest_load: float
    noise: float
    """relative, one standard deviation"""
    loads: tuple[float, ...]
    throughputs: tuple[float, ...]
    draws: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros((0, 3)))
    """bootstrapped (1, contention, coherency) / rate, one row each"""

    @property
    def farthest(self) -> float:
        return FARTHEST * self.largest_load

    def throughput(self, users: ArrayLike) -> Array:
        """Calls per second at some loads.

        Raises:
            ConfigError: beyond 1.5 x the largest load tested, where the law is a guess.
        """
        n = self._within(users)
        a = np.array([1.0, self.contention, self.coherency]) / self.rate
        return n / (_features(n) @ a)

    def band(self, users: ArrayLike) -> tuple[Array, Array]:
        """Lower and upper end of the throughput's interval at some loads; errors as throughput."""
        n = self._within(users)
        curves = n / np.maximum(_features(n) @ self.draws.T, 1e-300).T
        tail = (1 - self.level) / 2
        low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
        return low, high

    def users_for(self, throughput: float) -> float | None:
        """The smallest load that gives a throughput, or None where none within reach does."""
        c = np.array([1.0, self.contention, self.coherency]) / self.rate
        # N / X = c0 + c1 (N - 1) + c2 N (N - 1): a quadratic in N
        a, b, d = c[2], c[1] - c[2] - 1 / throughput, c[0] - c[1]
        roots = np.roots([a, b, d]) if a > 0 else np.array([-d / b] if b else [])
        real = [float(r.real) for r in np.atleast_1d(roots) if abs(r.imag) < 1e-9 * abs(r) + 1e-12]
        good = [max(r, 1.0) for r in real if 0 < r <= self.farthest]
        return min(good) if good else None

    def _within(self, users: ArrayLike) -> Array:
        n = np.asarray(users, dtype=np.float64)
        if n.size and (n.max() > self.farthest * (1 + 1e-9) or n.min() <= 0):
            raise ConfigError(
                f"users must lie in (0, {self.farthest:g}], 1.5 x the largest load tested "
                f"({self.largest_load:g}), got {n.max():g}; test a larger load"
            )
        return n

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"model": "X(N) = rate N / (1 + s (N-1) + k N (N-1))"}
        for name in ("rate", "contention", "coherency", "peak", "largest_load", "noise", "level"):
            out[name] = getattr(self, name)
        for name in ("rate", "contention", "coherency", "peak"):
            interval = getattr(self, f"{name}_interval")
            out[f"{name}_interval"] = [
                bound if math.isfinite(bound) else None for bound in (interval.low, interval.high)
            ]
        return out | {"loads": list(self.loads), "throughputs": list(self.throughputs)}


def fit_usl(
    loads: Sequence[float] | Array,
    throughputs: Sequence[float] | Array,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> UslFit:
    """Fit the law to throughputs (calls per second) at some loads (users).

    N / X is linear in (1, contention, coherency) / rate, so the fit of log X by soft-L1 loss with
    all three positive has one optimum, found by reweighted Gauss-Newton steps. Intervals come from
    a parametric bootstrap around the fit without the sign constraint, with noise whose size is
    itself drawn (Student's t), cut to what is possible: a law that hardly bends is told as such.

    Raises:
        ConfigError: fewer than 4 different loads, or a value that is not positive and finite.
    """
    n, x = np.asarray(loads, dtype=np.float64), np.asarray(throughputs, dtype=np.float64)
    if n.ndim != 1 or n.shape != x.shape:
        raise ConfigError(f"loads and throughputs must be of one length, got {n.shape}, {x.shape}")
    if len(np.unique(n)) < _FEWEST:
        raise ConfigError(f"need at least {_FEWEST} different loads, got {len(np.unique(n))}")
    if not (np.isfinite(n).all() and np.isfinite(x).all() and (n > 0).all() and (x > 0).all()):
        raise ConfigError("loads and throughputs must be positive and finite")
    if not 0 < level < 1:
        raise ConfigError(f"level must lie in (0, 1), got {level!r}")
    best = _fit(n, np.log(x / n)[None], signed=False)[0]
    free = _fit(n, np.log(x / n)[None], signed=True)[0]
    model = np.maximum(
        _features(n) @ free, _LEAST * n / x
    )  # its N / X; unsigned, it may cross zero
    freedom = len(n) - 3
    noise = math.sqrt(float(np.sum((np.log(x / n) + np.log(model)) ** 2)) / freedom)
    random = np.random.default_rng(seed)
    size = noise * np.sqrt(freedom / random.chisquare(freedom, (draws, 1)))
    error = np.clip(size * random.standard_normal((draws, len(n))), -_WILDEST, _WILDEST)
    sample = -np.log(model) + error
    boot = _fit(n, sample, signed=True, steps=_BOOT_STEPS)
    largest = float(n.max())
    tail = (1 - level) / 2

    def interval(values: Array) -> Interval:
        low, high = np.quantile(values, [tail, 1 - tail], method="nearest")
        return Interval(float(max(low, 0.0)), float(max(high, 0.0)))

    rate = 1 / best[0]
    contention, coherency = best[1] / best[0], best[2] / best[0]
    peaks = _peak(boot[:, 1] / boot[:, 0], boot[:, 2] / boot[:, 0])
    peak = float(_peak(np.array([contention]), np.array([coherency]))[0])
    low, high = np.quantile(peaks, [tail, 1 - tail], method="nearest")
    reach = FARTHEST * largest
    return UslFit(
        rate=float(rate),
        contention=float(contention),
        coherency=float(coherency),
        rate_interval=interval(1 / boot[:, 0]),
        contention_interval=interval(boot[:, 1] / boot[:, 0]),
        coherency_interval=interval(boot[:, 2] / boot[:, 0]),
        level=level,
        peak=peak if peak <= reach else None,
        peak_interval=Interval(min(float(low), reach), float(high) if high <= reach else math.inf),
        largest_load=largest,
        noise=noise,
        loads=tuple(map(float, n)),
        throughputs=tuple(map(float, x)),
        draws=np.column_stack([boot[:, :1], np.maximum(boot[:, 1:], 0.0)]),
    )


def _features(n: Array) -> Array:
    return np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=-1)


def _peak(contention: Array, coherency: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.sqrt(np.maximum(1 - contention, 0.0) / coherency)
    return np.where(coherency > 0, np.maximum(peak, 1.0), np.inf)


def _fit(n: Array, log_ratio: Array, *, signed: bool, steps: int = _STEPS) -> Array:
    """Rows (1, contention, coherency) / rate that fit log(X / N), one for each row of it."""
    phi = _features(n)
    scale = phi.max(axis=0)
    phi = phi / scale
    ratio = np.exp(-log_ratio)
    theta = _least_squares(phi / ratio[..., None], np.ones_like(ratio), np.ones_like(ratio), signed)
    for _ in range(steps):
        model = np.maximum(theta @ phi.T, _LEAST * ratio)
        error = log_ratio + np.log(model)
        weight = 1 / np.sqrt(1 + (error / _TURN) ** 2)
        new = _least_squares(phi / model[..., None], 1 - error, weight, signed)
        moved = np.max(np.abs(new - theta) / np.max(np.abs(new), axis=1, keepdims=True))
        theta = new
        if moved < 1e-7:
            break
    fitted: Array = theta / scale
    return fitted


def _least_squares(rows: Array, target: Array, weight: Array, signed: bool) -> Array:
    """Weighted least squares, batched; with `signed` False, of the three only positive ones.

    With two bounded coefficients the active set is one of four: the feasible one that fits best.
    """
    gram = np.einsum("bni,bn,bnj->bij", rows, weight, rows)
    right = np.einsum("bni,bn,bn->bi", rows, weight, target)
    gram = gram + 1e-13 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    whole = np.linalg.solve(gram, right[..., None])[..., 0]
    if signed:
        whole[:, 0] = np.maximum(whole[:, 0], 1e-9 * np.abs(whole).max(axis=1))
        return whole
    best, cost = whole, np.where((whole >= 0).all(axis=1), -np.inf, np.inf)
    for active in ([0, 1], [0, 2], [0]):
        part = np.zeros_like(whole)
        sub = gram[:, active][:, :, active]
        part[:, active] = np.linalg.solve(sub, right[:, active][..., None])[..., 0]
        loss = np.einsum("bi,bij,bj->b", part, gram, part) - 2 * np.einsum("bi,bi->b", part, right)
        loss = np.where((part >= 0).all(axis=1), loss, np.inf)
        best, cost = np.where((loss < cost)[:, None], part, best), np.minimum(cost, loss)
    return best
