"""Change points of a series: where a time became another, with a stated rate of false alarms.

Divisive estimation by the energy distance with a permutation test: no model of the noise, no
penalty to tune, and `level` is the chance to split an unchanged series.
Source: Matteson & James, A nonparametric approach for multiple change point analysis of
multivariate data, JASA 109 (2014), sections 2.2 to 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Change", "change_points"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """From point `index` on the series is another one."""

    index: int
    before: float
    """median between the change before this one and this one"""
    after: float
    p_value: float
    """of the permutation test"""

    @property
    def ratio(self) -> float:
        """after / before; above 1 slower."""
        return self.after / self.before


def change_points(
    series: ArrayLike,
    *,
    level: float = 0.01,
    least: int = 3,
    permutations: int = 499,
    seed: int = 0,
    groups: Sequence[int] | None = None,
    min_ratio: float = 1.0,
) -> list[Change]:
    """Changes of the distribution along a series, in their order.

    Args:
        series: (n,) values, the oldest first.
        level: chance to find a change in an unchanged series.
        least: points on each side of a change at least.
        permutations: of each test; p cannot be below 1 / (permutations + 1).
        groups: (n,) number of the commit that each value belongs to, not decreasing: changes lie
            between groups only.
        min_ratio: a change of the median by less than this factor, either way, is left out.
    """
    values = np.asarray(series, dtype=np.float64).ravel()
    if not np.isfinite(values).all():
        raise ValueError("series: must be finite")
    if not 0 < level < 1 or permutations < 1 / level - 1:
        raise ValueError(f"level must lie in [1 / {permutations + 1}, 1), got {level}")
    if least < 1:
        raise ValueError(f"least must be at least 1, got {least}")
    n = values.size
    allowed = np.ones(n + 1, dtype=bool)
    if groups is not None:
        if len(groups) != n:
            raise ValueError(f"groups: need {n}, got {len(groups)}")
        allowed[1:n] = np.diff(np.asarray(groups)) != 0
    random = np.random.default_rng(seed)
    found: dict[int, float] = {}
    open_segments = [(0, n)]
    while open_segments:
        low, high = open_segments.pop()
        if high - low < 2 * least:
            continue
        cuts = np.arange(least, high - low - least + 1)
        cuts = cuts[allowed[low + cuts]]
        if cuts.size == 0:
            continue
        distances = np.abs(values[low:high, None] - values[None, low:high])
        statistics = _statistics(distances, cuts)
        best = int(np.argmax(statistics))
        p = _p_value(distances, cuts, float(statistics[best]), permutations, level, random)
        if p <= level:
            at = low + int(cuts[best])
            found[at] = p
            open_segments += [(low, at), (at, high)]
    edges = [0, *sorted(found), n]
    changes = []
    for start, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = float(np.median(values[start:at])), float(np.median(values[at:end]))
        small = before > 0 and max(after / before, before / max(after, 1e-300)) < min_ratio
        if not small:
            changes.append(Change(at, before, after, found[at]))
    return changes


def _statistics(distances: Array, cuts: NDArray[np.intp]) -> Array:
    """Energy statistic of each cut: left against right, weighted by their sizes."""
    n = len(distances)
    corner = np.cumsum(np.cumsum(distances, axis=0), axis=1)
    left = corner[cuts - 1, cuts - 1]
    across = corner[cuts - 1, n - 1] - left
    right = corner[-1, -1] - left - 2 * across
    k, m = cuts.astype(np.float64), n - cuts.astype(np.float64)
    energy = 2 * across / (k * m) - left / (k * k) - right / (m * m)
    weighted: Array = k * m / n * energy
    return weighted


def _p_value(
    distances: Array,
    cuts: NDArray[np.intp],
    statistic: float,
    permutations: int,
    level: float,
    random: np.random.Generator,
) -> float:
    """Share of the permuted series with a statistic as large; ends once it cannot be below."""
    beyond, most = 1, int(level * (permutations + 1))
    for done in range(1, permutations + 1):
        order = random.permutation(len(distances))
        shuffled = distances[np.ix_(order, order)]
        if float(_statistics(shuffled, cuts).max()) >= statistic * (1 - 1e-12):
            beyond += 1
            if beyond > most:
                return beyond / (done + 1)
    return beyond / (permutations + 1)
