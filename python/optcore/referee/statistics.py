"""Intervals of paired differences by resampling whole episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["paired_share_difference"]


def paired_share_difference(
    first: tuple[NDArray[np.float64], NDArray[np.float64]],
    second: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    samples: int = 4000,
    seed: int = 0,
) -> dict[str, float]:
    """Difference of two pooled shares, first minus second, with its 95 % percentile interval.

    Episodes are resampled in pairs, since both ran from the same start.

    Args:
        first, second: counts (n,) and totals (n,) of the same n episodes.
        samples: resamples.
        seed: of the resampling.

    Source: Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13.
    """
    (hits_a, all_a), (hits_b, all_b) = first, second
    pick = np.random.default_rng(seed).integers(0, len(all_a), (samples, len(all_a)))

    def share(
        hits: NDArray[np.float64], total: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        result: NDArray[np.float64] = hits[rows].sum(axis=-1) / total[rows].sum(axis=-1)
        return result

    everything = np.arange(len(all_a))
    difference = share(hits_a, all_a, everything) - share(hits_b, all_b, everything)
    low, high = np.quantile(share(hits_a, all_a, pick) - share(hits_b, all_b, pick), [0.025, 0.975])
    return {"difference": float(difference), "low": float(low), "high": float(high)}
