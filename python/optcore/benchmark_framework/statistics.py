"""Robust figures of times: medians and their intervals, tests, outliers, drift.

Samples of one process are correlated, so intervals come from a circular block bootstrap
(Politis and Romano 1992). SciPy is loaded at first use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BLOCK",
    "Description",
    "bootstrap",
    "describe",
    "mann_whitney",
    "median_interval",
    "paired_ratio",
    "ratio_interval",
]

Array = NDArray[np.float64]
BLOCK = 5
"""samples in a block of the bootstrap, and in a turn of an interleaved comparison"""
_AT_ONCE = 2_000_000  # resampled values in memory


@dataclass(frozen=True)
class Description:
    """Figures of one set of samples, in their unit; NaN where there are too few."""

    count: int
    mean: float
    median: float
    min: float
    max: float
    std: float
    iqr: float
    mad: float
    """median absolute deviation, not scaled"""
    p10: float
    p90: float
    p99: float
    ci_low: float
    ci_high: float
    """interval of the median"""
    outliers: int
    """beyond 1.5 interquartile ranges of the quartiles (Tukey 1977); they are kept"""
    drift: float
    """change over the whole run, relative to the median, by the Theil-Sen slope"""
    autocorrelation: float
    """of neighbours in time"""
    bimodal: bool


def describe(
    samples: ArrayLike, *, level: float = 0.05, draws: int = 2000, seed: int = 0
) -> Description:
    """All figures at once; `level` is 1 - the confidence of the interval."""
    values = _finite(samples, "samples", least=0)
    n = values.size
    if n == 0:
        nan = math.nan
        return Description(0, *(nan,) * 12, outliers=0, drift=nan, autocorrelation=nan,
                           bimodal=False)  # fmt: skip
    q = {p: float(np.quantile(values, p)) for p in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)}
    iqr = q[0.75] - q[0.25]
    far = (values < q[0.25] - 1.5 * iqr) | (values > q[0.75] + 1.5 * iqr)
    low, high = median_interval(values, level=level, draws=draws, seed=seed)
    return Description(
        count=n,
        mean=float(values.mean()),
        median=q[0.5],
        min=float(values.min()),
        max=float(values.max()),
        std=float(values.std(ddof=1)) if n > 1 else math.nan,
        iqr=iqr,
        mad=float(np.median(np.abs(values - q[0.5]))),
        p10=q[0.1],
        p90=q[0.9],
        p99=q[0.99],
        ci_low=low,
        ci_high=high,
        outliers=int(far.sum()),
        drift=_drift(values, q[0.5]),
        autocorrelation=_autocorrelation(values),
        bimodal=_bimodal(values),
    )


def bootstrap(
    count: int, *, draws: int, block: int = 1, seed: int = 0
) -> Iterator[NDArray[np.intp]]:
    """Rows of indices into `count` samples, some draws at a time: blocks that wrap around.

    Source: Politis & Romano, A circular block-resampling procedure for stationary data (1992).
    """
    random = np.random.default_rng(seed)
    block = max(1, min(block, count))
    blocks = -(-count // block)
    step = max(1, _AT_ONCE // count)
    for done in range(0, draws, step):
        starts = random.integers(count, size=(min(step, draws - done), blocks, 1))
        rows = (starts + np.arange(block)) % count
        yield rows.reshape(rows.shape[0], -1)[:, :count]


def _medians(values: Array, draws: int, block: int, seed: int) -> Array:
    parts = bootstrap(values.size, draws=draws, block=block, seed=seed)
    return np.concatenate([np.median(values[rows], axis=1) for rows in parts])


def median_interval(
    samples: ArrayLike, *, level: float = 0.05, draws: int = 2000, block: int = BLOCK, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the median, of confidence 1 - level."""
    values = _finite(samples, "samples")
    low, high = np.quantile(_medians(values, draws, block, seed), [level / 2, 1 - level / 2])
    return float(low), float(high)


def ratio_interval(
    before: ArrayLike,
    after: ArrayLike,
    *,
    level: float = 0.05,
    draws: int = 2000,
    block: int = BLOCK,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of median(after) / median(before), two independent sets of samples.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    a, b = _finite(before, "before"), _finite(after, "after")
    ratios = _medians(b, draws, block, seed + 1) / _medians(a, draws, block, seed)
    low, high = np.quantile(ratios, [level / 2, 1 - level / 2])
    return float(low), float(high)


def paired_ratio(
    before: ArrayLike,
    after: ArrayLike,
    *,
    level: float = 0.05,
    draws: int = 2000,
    block: int = BLOCK,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Ratio after / before of samples taken in turns, with its bootstrap interval.

    Blocks are paired in time. The log ratios of their medians are averaged with a fifth trimmed
    at each end, so that a stalled block cannot pull; pairs are resampled.
    """
    a, b = _finite(before, "before"), _finite(after, "after")
    pairs = min(a.size, b.size) // block
    if pairs < 2:
        raise ValueError(f"need at least two pairs of blocks of {block}, got {pairs}")
    cut = (slice(0, pairs * block),)
    medians = (np.median(v[cut].reshape(pairs, block), axis=1) for v in (a, b))
    first, second = medians
    logs = np.log(second / first)
    trimmed = int(0.2 * pairs)

    def centre(rows: Array) -> Array:
        ordered = np.sort(rows, axis=-1)
        kept = ordered[..., trimmed : pairs - trimmed]
        mean: Array = kept.mean(axis=-1)
        return mean

    means = np.concatenate([centre(logs[r]) for r in bootstrap(pairs, draws=draws, seed=seed)])
    low, high = np.quantile(means, [level / 2, 1 - level / 2])
    return math.exp(float(centre(logs))), math.exp(low), math.exp(high)


def mann_whitney(before: ArrayLike, after: ArrayLike) -> tuple[float, float]:
    """Two-sided p-value, and Cliff's delta: P(after > before) - P(after < before).

    Source: Mann & Whitney (1947) by SciPy; Cliff, Dominance statistics (1993).
    """
    from scipy.stats import mannwhitneyu

    a, b = _finite(before, "before"), _finite(after, "after")
    found = mannwhitneyu(b, a, alternative="two-sided")
    return float(found.pvalue), float(2 * found.statistic / (a.size * b.size) - 1)


def _drift(values: Array, median: float) -> float:
    if values.size < 3 or median <= 0:
        return math.nan
    from scipy.stats import theilslopes

    thinned = values[:: max(1, values.size // 1000)]  # its cost is quadratic
    return float(theilslopes(thinned)[0]) * thinned.size / median


def _autocorrelation(values: Array) -> float:
    centred = values - values.mean()
    power = float(centred @ centred)
    return float(centred[:-1] @ centred[1:]) / power if power > 0 else math.nan


def _bimodal(values: Array) -> bool:
    """Two groups far apart: Ashman's D above 4 at the best cut of the logarithms.

    A uniform distribution cut in the middle has 3.5, a normal one 2.7. The smaller group must
    hold a seventh of the samples: a few stalls are outliers.
    Source: Ashman, Bird & Zepf, Detecting bimodality in astronomical datasets (1994).
    """
    n = values.size
    if n < 14 or values.min() <= 0:
        return False
    x = np.sort(np.log(values))
    cuts = np.arange(-(-n // 7), n - n // 7)
    total, squares = np.cumsum(x), np.cumsum(x * x)
    left, right = total[cuts - 1] / cuts, (total[-1] - total[cuts - 1]) / (n - cuts)
    spread = squares[-1] - cuts * left**2 - (n - cuts) * right**2
    k = int(cuts[np.argmin(spread)])
    width = math.sqrt(float(x[:k].var() + x[k:].var()))
    apart = float(x[k:].mean() - x[:k].mean())
    return apart > 1e-3 and math.sqrt(2) * apart > 4 * width


def _finite(samples: ArrayLike, name: str, least: int = 1) -> Array:
    values = np.asarray(samples, dtype=np.float64).ravel()
    if values.size < least or not np.isfinite(values).all():
        raise ValueError(f"{name}: need at least one, all finite")
    return values
