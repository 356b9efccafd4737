"""Covariance functions of Gaussian processes, as values.

Shapes   d = inputs. A length scale is one number for all inputs or one per input (ARD).
Units    length scales: those of the inputs; variance: output units squared.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError, ShapeError

__all__ = ["RBF", "Matern", "StationaryKernel"]


@dataclass(frozen=True)
class StationaryKernel:
    """variance * correlation(r), r the distance of two inputs divided by the length scales."""

    length_scale: float | Sequence[float] | NDArray[np.float64] = 1.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        scales = np.array(self.length_scale, dtype=np.float64)
        if scales.ndim > 1 or scales.size == 0:
            raise ShapeError(
                f"length_scale: need one number or one per input, got shape {scales.shape}"
            )
        if not (np.all(np.isfinite(scales)) and np.all(scales > 0)):
            raise ConfigError(f"length_scale: must be > 0 and finite, got {self.length_scale}")
        if not (np.isfinite(self.variance) and self.variance > 0):
            raise ConfigError(f"variance: must be > 0 and finite, got {self.variance}")
        kept = float(scales) if scales.ndim == 0 else tuple(scales.tolist())
        object.__setattr__(self, "length_scale", kept)
        object.__setattr__(self, "variance", float(self.variance))

    @property
    def family(self) -> int:
        """Number of the correlation function in the native core."""
        raise TypeError(
            "StationaryKernel has no correlation function of its own; use RBF or Matern"
        )

    def length_scales(self, dims: int) -> NDArray[np.float64]:
        """One length scale for each of `dims` inputs, as (d,)."""
        scales = np.atleast_1d(np.asarray(self.length_scale, dtype=np.float64))
        if scales.size not in (1, dims):
            raise ShapeError(f"length_scale: {scales.size} numbers for {dims} inputs")
        return np.ascontiguousarray(np.broadcast_to(scales, (dims,)))


@dataclass(frozen=True)
class RBF(StationaryKernel):
    """Squared exponential: variance * exp(-r^2 / 2)."""

    @property
    def family(self) -> int:
        return 0


@dataclass(frozen=True)
class Matern(StationaryKernel):
    """Matérn function of smoothness nu = 0.5, 1.5 or 2.5."""

    nu: float = 2.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nu not in (0.5, 1.5, 2.5):
            raise ConfigError(f"nu: must be 0.5, 1.5 or 2.5, got {self.nu}")

    @property
    def family(self) -> int:
        return {0.5: 1, 1.5: 2, 2.5: 3}[self.nu]
