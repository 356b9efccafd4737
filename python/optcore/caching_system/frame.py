"""Values as checked bytes, without pickle: what is read back is data and nothing is run.

Layout, little endian: magic (8), XXH3-128 of all that follows (16), key (16), time of writing (8, s
of the wall clock), time to live (8, s), body length (8), body. The body is a list of tag stamps and
one tagged value; sizes are checked against what is left before anything is allocated. A frame
belongs to its key: one stored under another key is refused.
"""

from __future__ import annotations

import datetime
import math
import re
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from optcore._native import runtime

__all__ = ["BadFrame", "Decoded", "NotSerializable", "decode", "encode"]

_MAGIC = b"OPCORE\x00\x02"
_HEADER = struct.Struct("<8s16s16sddQ")
_CHECKED = 24  # the checksum covers what follows it
_SIZE = struct.Struct("<Q")
_DTYPE = re.compile(r"[<>|=](?:[biufc]\d{1,2}|[SU]\d{1,9}|[mM]8\[[0-9a-zA-Z]{1,8}\])")
_DEPTH = 64
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
    key: bytes, value: object, ttl: float = math.inf, stamps: tuple[tuple[int, int], ...] = ()
) -> bytes:
    """The frame of a value; raises NotSerializable."""
    body = bytearray(_HEADER.pack(_MAGIC, bytes(16), key, time.time(), ttl, 0))
    body += _SIZE.pack(len(stamps))
    for stamp in stamps:
        body += struct.pack("<QQ", *stamp)
    _write(body, value, 0)
    body[_HEADER.size - 8 : _HEADER.size] = _SIZE.pack(len(body) - _HEADER.size)
    body[8:24] = runtime.checksum(memoryview(body)[_CHECKED:])
    return bytes(body)


def decode(key: bytes, frame: bytes | memoryview, *, verify: bool = True) -> Decoded:
    """What a frame holds; arrays are read-only and lie in `frame`. Raises BadFrame."""
    view = memoryview(frame)
    if len(view) < _HEADER.size:
        raise BadFrame("shorter than a header")
    magic, checksum, stored_key, stored, ttl, length = _HEADER.unpack_from(view)
    if magic != _MAGIC or stored_key != key or length != len(view) - _HEADER.size:
        raise BadFrame("another format, key or length")
    if verify and runtime.checksum(view[_CHECKED:]) != checksum:
        raise BadFrame("checksum differs")
    reader = _Reader(view[_HEADER.size :])
    try:
        count = reader.size()
        stamps = tuple(struct.unpack("<QQ", reader.take(16)) for _ in range(count))
        value = reader.value(0)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise BadFrame(str(error)) from None
    if reader.at != len(reader.body):
        raise BadFrame("bytes left over")
    return Decoded(value, stored, ttl, stamps)


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
_MAKERS: dict[bytes, Callable[[list[Any]], Any]] = {
    b"[": list,
    b"(": tuple,
    b"<": set,
    b">": frozenset,
}


def _write_array(out: bytearray, value: Any) -> None:
    dtype = value.dtype.str
    if not _DTYPE.fullmatch(dtype):
        raise NotSerializable(f"an array of dtype {value.dtype} has no frame")
    _blob(out, b"a" if isinstance(value, np.ndarray) else b"g", dtype.encode())
    out += bytes([value.ndim]) + struct.pack(f"<{value.ndim}Q", *value.shape)
    out += bytes(-len(out) % _ALIGN)
    out += np.ascontiguousarray(value).reshape(-1).view(np.uint8).data if value.size else b""


class _Reader:
    """A cursor over a body; every step checks what is left."""

    def __init__(self, body: memoryview) -> None:
        self.body, self.at = body, 0

    def take(self, count: int) -> memoryview:
        if count > len(self.body) - self.at:
            raise BadFrame("truncated")
        self.at += count
        return self.body[self.at - count : self.at]

    def size(self) -> int:
        (size,) = _SIZE.unpack(self.take(8))
        if size > len(self.body) - self.at:  # every item and byte needs at least one byte
            raise BadFrame("truncated")
        return int(size)

    def value(self, depth: int) -> Any:
        if depth > _DEPTH:
            raise BadFrame("nested deeper than 64 levels")
        tag = bytes(self.take(1))
        if tag in b"NTF":
            return {b"N": None, b"T": True, b"F": False}[tag]
        if tag == b"f":
            return struct.unpack("<d", self.take(8))[0]
        if tag == b"c":
            return complex(*struct.unpack("<dd", self.take(16)))
        if tag == b"i":
            return int.from_bytes(self.take(self.size()), "little", signed=True)
        if tag == b"s":
            return str(self.take(self.size()), "utf-8", "surrogatepass")
        if tag == b"b":
            return bytes(self.take(self.size()))
        if tag in _MAKERS:
            return _MAKERS[tag]([self.value(depth + 1) for _ in range(self.size())])
        if tag == b"{":
            return {self.value(depth + 1): self.value(depth + 1) for _ in range(self.size())}
        if tag in b"ag":
            return self.array(scalar=tag == b"g")
        if tag == b"D":
            text = str(self.take(self.size()), "ascii")
            return datetime.datetime.fromisoformat(text[:-1]).replace(fold=int(text[-1]))
        raise BadFrame(f"unknown tag {tag!r}")

    def array(self, *, scalar: bool) -> Any:
        text = str(self.take(self.size()), "ascii")
        if not _DTYPE.fullmatch(text):
            raise BadFrame("dtype is not allowed")
        dtype = np.dtype(text)
        ndim = self.take(1)[0]
        shape = struct.unpack(f"<{ndim}Q", self.take(8 * ndim))
        self.take(-(self.at + _HEADER.size) % _ALIGN)
        count = 1
        for length in shape:
            count *= length
        data = self.take(count * dtype.itemsize)
        array = np.frombuffer(data, np.uint8).view(dtype) if len(data) else np.empty(count, dtype)
        array = array.reshape(shape)
        array.flags.writeable = False
        return array[()] if scalar else array
