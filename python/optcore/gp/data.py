"""Arrays as callers give them, checked by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import InferenceError, ShapeError

__all__ = ["noises", "numbers", "training_data"]

Array = NDArray[np.float64]


def numbers(values: ArrayLike, name: str) -> Array:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"holds {array.dtype}")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: need an array of numbers ({error})") from None


def training_data(X: ArrayLike, y: ArrayLike) -> tuple[Array, Array, bool]:
    """X (n, d) and y (n, o) checked, and whether y was (n,)."""
    points = np.ascontiguousarray(numbers(X, "X"))
    values = np.ascontiguousarray(numbers(y, "y"))
    if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] == 0:
        raise ShapeError(f"X: need (n, d) with n >= 1 and d >= 1, got {points.shape}")
    flat = values.ndim == 1
    if flat:
        values = values[:, None]
    if values.ndim != 2 or len(values) != len(points) or values.shape[1] == 0:
        raise ShapeError(f"y: need ({len(points)},) or ({len(points)}, o), got {np.shape(y)}")
    for name, array in (("X", points), ("y", values)):
        if not np.isfinite(array).all():
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            raise InferenceError(
                f"{name}: row {bad[0]} holds NaN or infinity; leave such rows out",
                rows=bad.tolist(),
            )
    return points, values, flat


def noises(values: ArrayLike | None, count: int) -> Array | None:
    """(count,) variances of points' own noise, or None."""
    if values is None:
        return None
    own = numbers(values, "point_noise")
    if own.shape != (count,) or not np.all(np.isfinite(own) & (own >= 0)):
        raise ShapeError(f"point_noise: need {count} variances >= 0, got {own.shape}")
    return own
