"""Arrays put aside in compressed form."""

from __future__ import annotations

import importlib.util
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ShapeError

__all__ = ["ParkedArray"]

_TRIAL = 1 << 18
_WORTH = 0.9  # kept compressed when the trial shrinks to this share or less


class ParkedArray:
    """A compressed copy of an array; :meth:`restore` gives it back bit for bit.

    blosc2 (LZ4 with byte shuffle) where it is installed, else shuffled bytes under zlib's fastest
    level; stored plain when a trial block does not shrink by a tenth.
    """

    def __init__(self, array: NDArray[Any], compress: bool = True) -> None:
        if array.dtype.hasobject:
            raise ShapeError("array: objects cannot be parked")
        self.shape, self.dtype = array.shape, array.dtype
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        self._order = "F" if fortran else "C"
        plain = array.tobytes(order="A" if fortran else "C")
        self.nbytes = len(plain)
        self.codec, self._data = "plain", plain
        if compress and plain:
            codec = "blosc2" if importlib.util.find_spec("blosc2") else "zlib"
            block = plain[: _TRIAL - _TRIAL % max(self.dtype.itemsize, 1)] or plain
            if len(_pack(codec, block, self.dtype.itemsize)) <= _WORTH * len(block):
                self.codec, self._data = codec, _pack(codec, plain, self.dtype.itemsize)

    @property
    def stored_bytes(self) -> int:
        return len(self._data)

    def restore(self) -> NDArray[Any]:
        """A new array, equal to the one parked."""
        plain = _unpack(self.codec, self._data, self.dtype.itemsize)
        flat = np.frombuffer(plain, dtype=self.dtype)
        return flat.reshape(self.shape, order=self._order).copy(order="K")  # type: ignore[call-overload,no-any-return]


def _pack(codec: str, plain: bytes, item: int) -> bytes:
    if codec == "blosc2":
        import blosc2

        return bytes(blosc2.compress2(plain, typesize=item))
    shuffled = np.frombuffer(plain, np.uint8).reshape(-1, item).T.tobytes()
    return zlib.compress(shuffled, 1)


def _unpack(codec: str, data: bytes, item: int) -> bytes:
    if codec == "plain":
        return data
    if codec == "blosc2":
        import blosc2

        return bytes(blosc2.decompress2(data))
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(item, -1).T.tobytes()
