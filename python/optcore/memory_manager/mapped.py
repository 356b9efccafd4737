"""Arrays in files, mapped into memory: a .npy header is obeyed, anything else is raw numbers."""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from optcore.errors import ConfigError, ShapeError

__all__ = ["Mode", "map_array"]

Mode = Literal["r", "r+", "w+", "c"]
Advice = Literal["normal", "sequential", "random", "willneed"]
_MODES = ("r", "r+", "w+", "c")


def map_array(
    path: str | Path,
    shape: int | tuple[int | None, ...] | None = None,
    mode: Mode = "r",
    dtype: DTypeLike | None = None,
    *,
    advice: Advice = "normal",
    use_mapping: bool = True,
) -> NDArray[Any]:
    """Map the array in a file; see :meth:`MemoryManager.create_memory_mapped_array`."""
    path = Path(path)
    if mode not in _MODES:
        raise ConfigError(f"mode must be one of {', '.join(_MODES)}, got {mode!r}")
    wanted = (shape,) if isinstance(shape, int) else shape
    if mode == "w+":
        return _create(path, wanted, dtype)
    try:
        with open(path, "rb") as file:
            array = _open_npy(path, file, wanted, mode, dtype)
            if array is None:
                array = _open_raw(path, wanted, mode, dtype)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not use_mapping:
        return np.array(array)
    base = getattr(array, "_mmap", None)
    if isinstance(base, mmap.mmap) and advice != "normal":
        with contextlib.suppress(AttributeError, OSError, ValueError):  # not on this system
            base.madvise(getattr(mmap, f"MADV_{advice.upper()}"))
    return array


def _open_npy(
    path: Path, file: IO[bytes], wanted: tuple[int | None, ...] | None, mode: str, dtype: Any
) -> NDArray[Any] | None:
    """The array behind a .npy header, which must agree with the caller; None: no header."""
    magic = file.read(len(npy.MAGIC_PREFIX))
    if magic != npy.MAGIC_PREFIX:
        return None
    file.seek(0)
    try:
        version = npy.read_magic(file)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, found = reader(file)
    except (ValueError, EOFError) as error:
        raise ConfigError(f"{path}: broken .npy header: {error}") from error
    if found.hasobject:
        raise ConfigError(f"{path}: holds Python objects, which are not read")
    if dtype is not None and np.dtype(dtype) != found:
        raise ShapeError(f"{path}: dtype {np.dtype(dtype)} asked for, the header says {found}")
    if wanted is not None:
        free = sum(n is None or n == -1 for n in wanted)
        same = len(wanted) == len(shape) and all(
            n is None or n in (-1, m) for n, m in zip(wanted, shape, strict=True)
        )
        if free > 1 or not same:
            raise ShapeError(f"{path}: shape {wanted} asked for, the header says {shape}")
    offset = file.tell()
    count = int(np.prod(shape, dtype=np.int64)) * found.itemsize
    if path.stat().st_size < offset + count:
        raise ConfigError(f"{path}: cut short: {shape} of {found} need {offset + count} bytes")
    if count == 0:
        return np.empty(shape, found)
    order: Literal["C", "F"] = "F" if fortran else "C"
    return np.memmap(path, found, mode, offset, tuple(shape), order)  # type: ignore[call-overload,no-any-return]


def _open_raw(
    path: Path, wanted: tuple[int | None, ...] | None, mode: str, dtype: Any
) -> NDArray[Any]:
    kind = np.dtype(np.float64 if dtype is None else dtype)
    if kind.hasobject:
        raise ConfigError(f"{path}: objects cannot be read from a raw file")
    bytes_there = path.stat().st_size
    there, rest = divmod(bytes_there, kind.itemsize)
    if rest:
        raise ShapeError(f"{path}: {bytes_there} bytes are no whole number of {kind}")
    shape = _filled(path, wanted if wanted is not None else (-1,), there)
    if there == 0:
        return np.empty(shape, kind)
    return np.memmap(path, kind, mode, 0, shape)  # type: ignore[call-overload,no-any-return]


def _filled(path: Path, wanted: tuple[int | None, ...], there: int) -> tuple[int, ...]:
    """The shape with its one open extent worked out from the number of entries."""
    open_axes = [i for i, n in enumerate(wanted) if n is None or n == -1]
    known = [int(n) for n in wanted if n is not None and n != -1]
    product = int(np.prod(known, dtype=np.int64)) if known else 1
    if len(open_axes) > 1 or any(n < 0 for n in known):
        raise ShapeError(f"shape may have one open extent and none negative, got {wanted}")
    if open_axes and product > 0 and there % product == 0:
        return tuple(
            there // product if i in open_axes else int(n or 0) for i, n in enumerate(wanted)
        )
    if not open_axes and product == there:
        return tuple(known)
    raise ShapeError(f"{path}: {there} entries do not fill {wanted}")


def _create(path: Path, shape: tuple[int | None, ...] | None, dtype: Any) -> NDArray[Any]:
    if shape is None or any(n is None or n < 0 for n in shape):
        raise ShapeError(f"a new file needs a whole shape, got {shape}")
    whole = tuple(int(n) for n in shape if n is not None)
    kind = np.dtype(np.float64 if dtype is None else dtype)
    if kind.hasobject:
        raise ConfigError("objects cannot be kept in a file")
    if path.suffix == ".npy":
        return npy.open_memmap(path, "w+", kind, whole)
    return np.memmap(path, kind, "w+", 0, whole)
