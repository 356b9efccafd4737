"""Files that are whole or absent, and npz archives that never run what they hold."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError

__all__ = ["read_npz", "replace_file"]


def replace_file(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write beside `path`, then rename: no reader meets half a file, a full disk loses nothing."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def read_npz(path: str | Path, what: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file; pickles in it are refused, not run.

    Args:
        path: the file.
        what: what it should be, for the error.

    Raises:
        ConfigError: missing, damaged, or no npz file.
    """
    try:
        # opened here: np.load leaves the file open when the archive is damaged
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: not {what}: {error}") from None
