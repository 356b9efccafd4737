"""A Gaussian process in one npz file: plain arrays, no pickle, versioned, not compressed.

The kernel is written as the native core's nodes, so host::read_gp() (C++) reads the same file.

Keys: format ("optcore.gp"), version, nodes (k, 5), parameters (p,), noise (jitter included), mean
(1,) or (o,), X (n, d), Y (n, o), flat (was y one-dimensional), point_noise (n,) or (0,).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError, OptcoreError
from optcore.gp.kernels import Kernel, from_tree, tree

__all__ = ["Saved", "read", "write"]

FORMAT = "optcore.gp"
VERSION = 2  # 1 held one stationary kernel
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Saved:
    """What a file holds."""

    kernel: Kernel
    noise: float
    mean: Array
    X: Array
    Y: Array
    point_noise: Array | None
    flat: bool


def write(path: Path, saved: Saved) -> None:
    nodes, parameters = tree(saved.kernel, saved.X.shape[1])
    with path.open("wb") as file:  # savez would add a suffix to a path
        np.savez(
            file,
            format=np.array(FORMAT),
            version=np.array(VERSION),
            nodes=nodes,
            parameters=parameters,
            noise=np.array(saved.noise),
            mean=saved.mean,
            X=saved.X,
            Y=saved.Y,
            flat=np.array(saved.flat),
            point_noise=np.empty(0) if saved.point_noise is None else saved.point_noise,
        )


def read(path: Path) -> Saved:
    """Raises ConfigError where the file is no saved process, or of another version."""
    try:
        # np.load would leave a file of its own open when what it finds is no zip
        with path.open("rb") as bytes_, np.load(bytes_, allow_pickle=False) as file:
            found = dict(file)
        if str(found["format"]) != FORMAT:
            raise ConfigError(f"{path}: holds '{found['format']}', not '{FORMAT}'")
        if int(found["version"]) != VERSION:
            raise ConfigError(f"{path}: version {found['version']}, this optcore reads {VERSION}")
        noises = found["point_noise"]
        return Saved(
            from_tree(found["nodes"], found["parameters"]),
            float(found["noise"]),
            found["mean"],
            found["X"],
            found["Y"],
            noises if noises.size else None,
            bool(found["flat"]),
        )
    except ConfigError:
        raise
    except (
        KeyError, ValueError, IndexError, TypeError, OSError, zipfile.BadZipFile, EOFError,
        OptcoreError,
    ) as error:  # fmt: skip
        if isinstance(error, FileNotFoundError):
            raise
        raise ConfigError(f"{path}: not a saved Gaussian process ({error})") from None
