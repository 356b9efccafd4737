"""Figures of forecasts and beliefs, as pure functions of arrays.

Shapes   W = forecast windows, K = steps ahead, H = hypotheses, Q = people judged, G = goals.
Sources  ADE, FDE: Pellegrini et al., ICCV 2009; Brier (1950); expected calibration error: Naeini et
         al., AAAI 2015.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ShapeError

__all__ = ["coverage", "displacement", "intent_scores", "reliability"]

_Floats = NDArray[np.float64]

COVERAGE_LEVELS = (50, 90, 99)


def displacement(mean: _Floats, truth: _Floats) -> tuple[float, float]:
    """Average and final displacement error of forecasts (W, K, 2) m; NaN without windows."""
    if mean.shape != truth.shape or mean.ndim != 3:
        raise ShapeError(f"need two (W, K, 2) arrays, got {mean.shape} and {truth.shape}")
    if len(mean) == 0:
        return float("nan"), float("nan")
    error = np.linalg.norm(mean - truth, axis=2)
    return float(error.mean()), float(error[:, -1].mean())


def coverage(
    weight: _Floats, mean: _Floats, covariance: _Floats, truth: _Floats
) -> dict[str, float]:
    """Share of true positions inside the 50, 90 and 99 % regions of the mixture.

    The mixture over hypotheses is replaced by the Gaussian of the same mean and covariance (its
    moment match), whose regions are ellipses: inside means a squared Mahalanobis distance of at
    most -2 ln(1 - level).

    Args:
        weight: (W, H)
        mean: (W, H, K, 2) m
        covariance: (W, H, K, 3) m^2: xx, xy, yy
        truth: (W, K, 2) m
    """
    if len(truth) == 0:
        return {str(level): float("nan") for level in COVERAGE_LEVELS}
    w = weight[:, :, None, None]
    centre = (w * mean).sum(axis=1)
    apart = mean - centre[:, None]
    xx, xy, yy = (
        (weight[:, :, None] * (covariance[..., i] + apart[..., a] * apart[..., b])).sum(axis=1)
        for i, (a, b) in enumerate(((0, 0), (0, 1), (1, 1)))
    )
    off = truth - centre
    square = (
        yy * off[..., 0] ** 2 - 2 * xy * off[..., 0] * off[..., 1] + xx * off[..., 1] ** 2
    ) / (xx * yy - xy**2)
    return {
        str(level): float((square <= -2 * np.log(1 - level / 100)).mean())
        for level in COVERAGE_LEVELS
    }


def reliability(
    posterior: _Floats, truth: NDArray[np.int64], bins: int = 10
) -> list[dict[str, Any]]:
    """Confidence of the likeliest goal beside how often it was right, in equal bins of confidence.

    Args:
        posterior: (Q, G)
        truth: (Q,) index of the goal reached
    """
    confidence = posterior.max(axis=1)
    right = posterior.argmax(axis=1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for b in range(bins):
        inside = which == b
        if inside.any():
            rows.append(
                {
                    "low": b / bins,
                    "high": (b + 1) / bins,
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(right[inside].mean()),
                    "count": int(inside.sum()),
                }
            )
    return rows


def intent_scores(posterior: _Floats, prior: _Floats, truth: NDArray[np.int64]) -> dict[str, Any]:
    """Top-1, negative log-likelihood (nats), Brier score and calibration error of goal beliefs.

    Args:
        posterior: (Q, G)      prior: (G,), what is believed of somebody unseen
        truth: (Q,)
    """
    if len(truth) == 0:
        nothing = float("nan")
        keys = ("top1", "nll", "brier", "ece", "prior_top1", "prior_nll")
        return {**dict.fromkeys(keys, nothing), "tracks": 0}
    rows = np.arange(len(truth))
    one_hot = np.eye(posterior.shape[1])[truth]
    table = reliability(posterior, truth)
    return {
        "top1": float((posterior.argmax(axis=1) == truth).mean()),
        "nll": float(-np.log(np.maximum(posterior[rows, truth], 1e-300)).mean()),
        "brier": float(((posterior - one_hot) ** 2).sum(axis=1).mean()),
        "ece": float(
            sum(abs(r["confidence"] - r["accuracy"]) * r["count"] for r in table) / len(truth)
        ),
        "prior_top1": float((prior.argmax() == truth).mean()),
        "prior_nll": float(-np.log(np.maximum(prior[truth], 1e-300)).mean()),
        "tracks": len(truth),
    }
