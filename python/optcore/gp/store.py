"""A Gaussian process in one npz file: plain arrays, no pickle, versioned, not compressed.

The kernel is written as the native core's nodes, so host::read_gp() (C++) reads the same file.

Keys: format ("optcore.gp"), version, nodes (k, 5), parameters (p,), noise (jitter included), mean
(1,) or (o,), or constants and slopes (o (1 + d),), X (n, d), Y (n, o), flat (was y
one-dimensional), point_noise (n,) or (0,).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._files import read_npz, replace_file
from optcore.errors import ConfigError, OptcoreError
from optcore.gp.kernels import Kernel, from_tree, tree

__all__ = ["Saved", "interpreting", "read", "write", "write_arrays"]

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
    """Whole or not at all."""
    nodes, parameters = tree(saved.kernel, saved.X.shape[1])
    write_arrays(
        path,
        FORMAT,
        VERSION,
        nodes=nodes,
        parameters=parameters,
        noise=saved.noise,
        mean=saved.mean,
        X=saved.X,
        Y=saved.Y,
        flat=saved.flat,
        point_noise=np.empty(0) if saved.point_noise is None else saved.point_noise,
    )


def read(path: Path) -> Saved:
    """Raises ConfigError where the file is no saved process, or of another version."""
    with interpreting(path, FORMAT, VERSION) as found:
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


def write_arrays(path: str | Path, format: str, version: int, **arrays: Any) -> None:
    """One npz file of named arrays with what they are, not compressed.

    Raises:
        ConfigError: a value that only a pickle could hold.
    """
    for name, value in arrays.items():
        if np.asarray(value).dtype.hasobject:
            raise ConfigError(f"{name}: cannot be saved without pickle, got {value!r}")
    replace_file(
        path, lambda file: np.savez(file, format=format, version=np.array(version), **arrays)
    )


@contextmanager
def interpreting(path: str | Path, format: str, version: int) -> Iterator[dict[str, Any]]:
    """The arrays of such a file; whatever goes wrong while they are used becomes a ConfigError.

    Raises:
        FileNotFoundError, ConfigError: another format or version, damaged, an array missing.
    """
    if not Path(path).exists():
        raise FileNotFoundError(path)
    found = read_npz(path, "a saved Gaussian process")
    try:
        if str(found["format"]) != format:
            raise ConfigError(f"{path}: holds '{found['format']}', not '{format}'")
        if int(found["version"]) != version:
            raise ConfigError(f"{path}: version {found['version']}, this optcore reads {version}")
        yield found
    except ConfigError:
        raise
    except (KeyError, ValueError, IndexError, TypeError, OptcoreError) as error:
        raise ConfigError(f"{path}: not a saved Gaussian process ({error})") from None
