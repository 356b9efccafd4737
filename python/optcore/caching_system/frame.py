"""Values as checked bytes, without pickle: what is read back is data and nothing is run.

Layout, little endian: magic (8), XXH3-128 of all that follows (16), key (16), time of writing (8, s
of the wall clock), time to live (8, s), body length (8), body. The body is a list of tag stamps and
one tagged value; sizes are checked against what is left before anything is allocated. A frame
belongs to its key: one stored under another key is refused.

A packed frame is another magic (8), XXH3-128 of what follows (16) and the deflated frame, whose own
checksum does not see every bit of its end. What is small gains nothing and what is
large is mapped from disk as it lies; the rest is packed where a sample says that it pays: doubles
hardly shrink, text and tables do. A hit then inflates, for some 2 ms per MB.
"""

from __future__ import annotations

import datetime
import math
import re
import struct
import time
import zlib
from typing import Any, NamedTuple

import numpy as np

from optcore._native import runtime

__all__ = ["BadFrame", "Decoded", "NotSerializable", "decode", "encode"]

_MAGIC, _PACKED = b"OPCORE\x00\x02", b"OPCOREZ\x03"
_PACK_FROM, _PACK_TO = 16 * 1024, 2**20  # bytes
_SAMPLE = 4096
_WORTH = 0.8  # of the size
_HEADER = struct.Struct("<8s16s16sddQ")
_SUM = 16
_CHECKED = 24  # the checksum covers what follows it
_SIZE = struct.Struct("<Q")
_DTYPE = re.compile(r"[<>|=](?:[biufc]\d{1,2}|[SU]\d{1,9}|[mM]8\[[0-9a-zA-Z]{1,8}\])")
_DEPTH = 64
_DIMENSIONS = 32
_ALIGN = 64


class BadFrame(ValueError):
    """Bytes that are not a whole, unaltered frame of this key and version."""


class NotSerializable(TypeError):
    """A value of a type that has no frame."""


class Decoded(NamedTuple):
    """A value and what is known of it."""

    value: Any
    stored: float  #: s, wall clock of its writer
    ttl: float  #: s
    stamps: tuple[tuple[int, int], ...]  #: (slot, number) of its tags, see tags.py

    def left(self) -> float:
        """Seconds it is valid for; never more than its time to live, whatever clocks did."""
        if math.isinf(self.ttl):
            return math.inf
        return min(self.ttl, self.stored + self.ttl - time.time())


def encode(
    key: bytes,
    value: object,
    ttl: float = math.inf,
    stamps: tuple[tuple[int, int], ...] = (),
    *,
    pack: bool = False,
) -> bytes:
    """The frame of a value, packed where that is allowed and pays; raises NotSerializable."""
    body = bytearray(_HEADER.pack(_MAGIC, bytes(16), key, time.time(), ttl, 0))
    body += _SIZE.pack(len(stamps))
    for stamp in stamps:
        body += struct.pack("<QQ", *stamp)
    _write(body, value, 0)
    body[_HEADER.size - 8 : _HEADER.size] = _SIZE.pack(len(body) - _HEADER.size)
    body[8:24] = runtime.checksum(memoryview(body)[_CHECKED:])
    return _packed(bytes(body)) if pack and _PACK_FROM <= len(body) < _PACK_TO else bytes(body)


def _packed(frame: bytes) -> bytes:
    sample = frame[len(frame) // 2 :][:_SAMPLE]
    if len(zlib.compress(sample, 1)) > _WORTH * _SAMPLE:
        return frame
    stream = zlib.compress(frame, 1)
    packed = _PACKED + runtime.checksum(stream) + stream
    return packed if len(packed) <= _WORTH * len(frame) else frame


def _unpacked(packed: bytes | memoryview) -> bytes:
    stream = packed[len(_PACKED) + _SUM :]
    if packed[len(_PACKED) : len(_PACKED) + _SUM] != runtime.checksum(stream):
        raise BadFrame("the checksum of a packed frame does not match")
    inflate = zlib.decompressobj()
    try:
        frame = inflate.decompress(stream, _PACK_TO)
    except zlib.error as error:
        raise BadFrame(str(error)) from None
    if not inflate.eof or inflate.unused_data:
        raise BadFrame("more or less than one packed frame")
    return frame


def decode(key: bytes, frame: bytes | memoryview, *, verify: bool = True) -> Decoded:
    """What a frame holds; arrays are read-only and lie in `frame`, which must be so too.

    Raises BadFrame.
    """
    if frame[: len(_PACKED)] == _PACKED:
        frame, verify = _unpacked(frame), True
    try:
        return Decoded(*runtime.decode_frame(key, frame, verify))
    except (ValueError, TypeError, OverflowError) as error:
        raise BadFrame(str(error)) from None


def _blob(out: bytearray, tag: bytes, data: bytes) -> None:
    out += tag + _SIZE.pack(len(data))
    out += data


def _write(out: bytearray, value: Any, depth: int) -> None:
    if depth > _DEPTH:
        raise NotSerializable("nested deeper than 64 levels")
    kind = type(value)
    if value is None:
        out += b"N"
    elif kind is bool:
        out += b"T" if value else b"F"
    elif kind is int:
        _blob(out, b"i", value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True))
    elif kind is float:
        out += b"f" + struct.pack("<d", value)
    elif kind is complex:
        out += b"c" + struct.pack("<dd", value.real, value.imag)
    elif kind is str:
        _blob(out, b"s", value.encode("utf-8", "surrogatepass"))
    elif kind is bytes:
        _blob(out, b"b", value)
    elif kind in _CONTAINERS:
        out += _CONTAINERS[kind] + _SIZE.pack(len(value))
        for item in value:
            _write(out, item, depth + 1)
    elif kind is dict:
        out += b"{" + _SIZE.pack(len(value))
        for name, item in value.items():
            _write(out, name, depth + 1)
            _write(out, item, depth + 1)
    elif kind is np.ndarray or isinstance(value, np.generic):
        _write_array(out, value)
    elif kind is datetime.datetime and (
        value.tzinfo is None or type(value.tzinfo) is datetime.timezone
    ):
        _blob(out, b"D", value.isoformat().encode() + (b"1" if value.fold else b"0"))
    else:
        raise NotSerializable(f"{kind.__module__}.{kind.__qualname__} has no frame")


_CONTAINERS: dict[type, bytes] = {list: b"[", tuple: b"(", set: b"<", frozenset: b">"}


def _write_array(out: bytearray, value: Any) -> None:
    dtype = value.dtype.str
    if not _DTYPE.fullmatch(dtype) or value.dtype.itemsize == 0 or value.ndim > _DIMENSIONS:
        raise NotSerializable(f"an array of dtype {dtype!r} and {value.ndim} axes has no frame")
    _blob(out, b"a" if isinstance(value, np.ndarray) else b"g", dtype.encode())
    out += bytes([value.ndim]) + struct.pack(f"<{value.ndim}Q", *value.shape)
    out += bytes(-len(out) % _ALIGN)
    out += np.ascontiguousarray(value).reshape(-1).view(np.uint8).data if value.size else b""
