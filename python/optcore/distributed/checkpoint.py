"""Results of tasks on disk, so that a restarted run goes on where it ended. No pickle is read."""

from __future__ import annotations

import contextlib
import hashlib
import operator
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optcore._files import replace_file
from optcore.caching_system.frame import BadFrame, NotSerializable, decode, encode
from optcore.errors import ConfigError

__all__ = ["Checkpoint", "task_key"]


def task_key(function: Callable[..., Any], item: Any, version: str = "") -> bytes:
    """16 bytes of a task: its function's name, a version of the caller's, and its input.

    Pickle is only written here, as a spelling of the input; it is never read.

    Raises:
        ConfigError: the function's name does not tell it from others, as that of a lambda, or the
            input cannot be spelled.
    """
    module, qualname = (getattr(function, key, "") for key in ("__module__", "__qualname__"))
    if _named(module, qualname) is not function:
        raise ConfigError(
            f"checkpoint: need a function at the top of its module, which its name tells from "
            f"others, got {function!r}"
        )
    try:
        spelled = pickle.dumps(item, 5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(f"checkpoint: an input cannot be pickled: {error}") from None
    name = f"{module}.{qualname}|{version}|"
    return hashlib.blake2s(name.encode() + spelled, digest_size=16).digest()


def _named(module: str, qualname: str) -> object:
    """What stands under this name, or None."""
    try:
        return operator.attrgetter(qualname)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


class Checkpoint:
    """A folder with a checked frame for each finished task; a damaged one counts as unfinished."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def load(self, key: bytes) -> tuple[Any, bool]:
        """(result, whether it was there)."""
        try:
            frame = self._path(key).read_bytes()
            return decode(key, frame).value, True
        except (OSError, BadFrame):
            return None, False

    def save(self, key: bytes, result: Any) -> None:
        """Keep a result.

        Raises:
            ConfigError: the result is not made of numbers, texts, arrays and containers of them.
        """
        try:
            frame = encode(key, result)
        except NotSerializable as error:
            raise ConfigError(
                f"checkpoint: a result cannot be kept without pickle: {error}; return arrays, "
                "numbers, texts, lists and dicts"
            ) from None
        replace_file(self._path(key), lambda file: file.write(frame))

    def clear(self) -> None:
        """Forget what was finished."""
        for path in self.folder.glob("*.task"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()}.task"
