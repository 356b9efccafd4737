"""Discs to keep away from, with a margin for what is not known of where they will be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError

__all__ = ["Disc", "half_planes"]

_Floats = NDArray[np.float64]


class Disc(NamedTuple):
    """A moving disc: the first two states of the robot keep out of it."""

    centre: ArrayLike
    """(2,), or (N + 1, 2) along the horizon; m"""
    radius: float
    """of the disc and the robot together; m"""
    covariance: ArrayLike | None = None
    """(2, 2) or (N + 1, 2, 2) of the centre; m^2"""
    risk: float = 0.05
    """probability of contact that each stage may run, below 0.5"""


def half_planes(discs: list[Disc], path: _Floats) -> tuple[_Floats, _Floats]:
    """Half-planes normal . p >= offset, one a disc and stage, linearised where the path passes.

    The offset is radius + z sqrt(normal'Cov normal) beyond the centre, with z the normal quantile
    of 1 - risk: the probability that a Gaussian centre comes nearer than the radius along the
    normal is then at most `risk`.

    Source: Blackmore, Ono & Williams, "Chance-constrained optimal path planning with obstacles",
    IEEE T-RO 27(6) (2011).

    Args:
        path: (N + 1, 2)

    Returns:
        normals (N + 1, discs, 2), offsets (N + 1, discs)
    """
    from scipy.special import ndtri

    stages = len(path)
    normals, offsets = np.zeros((stages, len(discs), 2)), np.zeros((stages, len(discs)))
    for i, disc in enumerate(discs):
        centre = np.asarray(disc.centre, np.float64)
        if centre.shape not in ((2,), (stages, 2)):
            raise ShapeError(
                f"centre of disc {i} must be (2,) or ({stages}, 2), got {centre.shape}"
            )
        if not disc.radius > 0:
            raise ConfigError(f"radius of disc {i} must be positive, got {disc.radius}")
        if not 0 < disc.risk < 0.5:
            raise ConfigError(f"risk of disc {i} must lie in (0, 0.5), got {disc.risk}")
        away = path - centre
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        normal = np.where(distance > 1e-9, away / np.maximum(distance, 1e-9), [1.0, 0.0])
        margin = np.zeros(stages)
        if disc.covariance is not None:
            spread = np.asarray(disc.covariance, np.float64)
            if spread.shape not in ((2, 2), (stages, 2, 2)):
                raise ShapeError(
                    f"covariance of disc {i} must be (2, 2) or ({stages}, 2, 2), got {spread.shape}"
                )
            along = np.einsum(
                "ki,kij,kj->k", normal, np.broadcast_to(spread, (stages, 2, 2)), normal
            )
            margin = -float(ndtri(disc.risk)) * np.sqrt(np.maximum(along, 0.0))
        normals[:, i] = normal
        offsets[:, i] = (normal * centre).sum(axis=1) + disc.radius + margin
    return normals, offsets
