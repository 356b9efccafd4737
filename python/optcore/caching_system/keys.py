"""Keys: 16 bytes that stand for a function and its arguments."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import inspect
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np

from optcore._native import runtime

__all__ = ["function_parts", "key_of", "parts_of"]


def parts_of(value: Any) -> object:
    """Plain values that stand for an object the core does not know, or TypeError."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if callable(own := getattr(kind, "__cache_key__", None)):
        return ("own", name, own(value))
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        dtype = value.dtype
        return ("scalar", dtype.str if dtype.fields is None else repr(dtype), value.tobytes())
    if kind is np.memmap:
        return np.asarray(value)
    if isinstance(value, np.dtype) and not value.hasobject:
        return ("dtype", str(value.descr))
    if isinstance(value, enum.Enum):
        # combined flags share names, or have none
        return ("enum", name, value.value if isinstance(value, enum.Flag) else value.name)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = tuple((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return ("dataclass", name, fields)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ("namedtuple", name, tuple(value))
    if kind in (datetime.datetime, datetime.time):
        return ("time", name, value.isoformat(), repr(value.tzinfo), value.fold)
    if kind in (datetime.date, datetime.timedelta, datetime.timezone):
        return ("date", name, repr(value))
    if isinstance(value, PurePath):
        return ("path", name, str(value))
    if kind is type and "<locals>" not in value.__qualname__:
        return ("type", f"{value.__module__}.{value.__qualname__}")
    if kind in (range, slice):
        return (name, value.start, value.stop, value.step)
    raise TypeError(f"{name} has no canonical bytes")


def key_of(value: Any, seed: int = 0) -> bytes:
    """The fingerprint of a value; 1, 1.0 and True differ, dicts do not depend on their order."""
    return runtime.fingerprint(value, parts_of, seed)


def function_parts(function: Callable[..., Any], version: str) -> tuple[Any, ...]:
    """What tells a function from others and from its earlier self: name, version, source, defaults.

    What a closure holds is keyed with each call's arguments; globals are no part of a key.
    """
    try:
        source: object = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        source = (code.co_code, repr(code.co_consts), code.co_names) if code else None
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return (getattr(function, "__module__", ""), name, version, source)
