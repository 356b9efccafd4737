"""A Gaussian process in one npz file: plain arrays, no pickle, versioned.

Keys: format ("optcore.gp"), version, family, variance, length_scale (1,) or (d,), noise, mean
(1,) or (o,), X (n, d), Y (n, o), flat (was y one-dimensional), point_noise (n,) or (0,).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError
from optcore.gp.kernels import RBF, Matern, StationaryKernel

__all__ = ["Saved", "read", "write"]

FORMAT = "optcore.gp"
VERSION = 1
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Saved:
    """What a file holds."""

    kernel: StationaryKernel
    noise: float
    mean: Array
    X: Array
    Y: Array
    point_noise: Array | None
    flat: bool


def write(
    path: Path,
    kernel: StationaryKernel,
    noise: float,
    mean: Array,
    X: Array,
    Y: Array,
    point_noise: Array | None,
    flat: bool,
) -> None:
    with path.open("wb") as file:  # savez would add a suffix to a path
        np.savez(
            file,
            format=np.array(FORMAT),
            version=np.array(VERSION),
            family=np.array(kernel.family),
            variance=np.array(kernel.variance),
            length_scale=np.atleast_1d(np.asarray(kernel.length_scale)),
            noise=np.array(noise),
            mean=mean,
            X=X,
            Y=Y,
            flat=np.array(flat),
            point_noise=np.empty(0) if point_noise is None else point_noise,
        )


def read(path: Path) -> Saved:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
        if str(found["format"]) != FORMAT:
            raise ConfigError(f"{path}: holds '{found['format']}', not '{FORMAT}'")
        if int(found["version"]) != VERSION:
            raise ConfigError(f"{path}: version {found['version']}, this optcore reads {VERSION}")
        scales = found["length_scale"]
        scale = float(scales[0]) if scales.size == 1 else tuple(scales.tolist())
        variance, family = float(found["variance"]), int(found["family"])
        kernel: StationaryKernel
        if family == 0:
            kernel = RBF(scale, variance)
        else:
            kernel = Matern(scale, variance, nu={1: 0.5, 2: 1.5, 3: 2.5}[family])
        noises = found["point_noise"]
        return Saved(
            kernel,
            float(found["noise"]),
            found["mean"],
            found["X"],
            found["Y"],
            noises if noises.size else None,
            bool(found["flat"]),
        )
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: not a saved Gaussian process ({error})") from None
