"""What a cache stores and hands out: values that a caller cannot spoil for the next one."""

from __future__ import annotations

import copy
import sys
from typing import Any, Literal

import numpy as np

from optcore.caching_system.tags import Stamps

__all__ = ["Copy", "Failure", "Mutable", "Tagged", "freeze", "give", "weight"]

Copy = Literal["readonly", "deep", "none"]


class Mutable:
    """A stored value with lists, dicts or sets in it: each hit gets its own containers."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Tagged:
    """A stored value that is valid while the numbers of its tags are as they were."""

    __slots__ = ("stamps", "value")

    def __init__(self, value: Any, stamps: Stamps) -> None:
        self.value, self.stamps = value, stamps


class Failure:
    """An exception kept in place of a value."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error.with_traceback(None)  # frames would keep their variables alive

    def again(self) -> Exception:
        """The exception for one more caller: its own object where it can be copied."""
        try:
            fresh = copy.copy(self.error)
        except Exception:
            return self.error.with_traceback(None)
        return fresh if type(fresh) is type(self.error) else self.error.with_traceback(None)


def freeze(value: Any, how: Copy = "readonly") -> Any:
    """A private copy for the store: arrays read-only, containers our own, the rest as it is."""
    if how == "none":
        return value
    own, changeable = _copied(value)
    return Mutable(own) if changeable else own


def give(stored: Any, how: Copy = "readonly") -> Any:
    """What a hit returns: read-only arrays are shared, containers are fresh; raises a Failure."""
    kind = type(stored)
    if kind is Tagged:
        stored, kind = stored.value, type(stored.value)
    if kind is Failure:
        raise stored.again()
    if kind is Mutable:
        stored = stored.value
        return copy.deepcopy(stored) if how == "deep" else _fresh(stored)
    return copy.deepcopy(stored) if how == "deep" else stored


def _copied(value: Any) -> tuple[Any, bool]:
    kind = type(value)
    if kind is np.ndarray:
        if not value.flags.writeable and _is_ours(value):
            return value, False
        owner = value.copy()
        owner.flags.writeable = False
        return owner[...], False  # a view of a read-only owner cannot be made writeable
    if kind in (list, tuple, set):
        parts = [_copied(item) for item in value]
        return kind(part for part, _ in parts), kind is not tuple or any(c for _, c in parts)
    if kind is dict:
        return {name: _copied(item)[0] for name, item in value.items()}, True
    return value, False


def _is_ours(array: Any) -> bool:
    """Whether nobody can write to a read-only array: its memory is immutable bytes or a map."""
    base = array.base
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is not None and isinstance(base, bytes | memoryview) and memoryview(base).readonly


def _fresh(value: Any) -> Any:
    kind = type(value)
    if kind in (list, tuple):
        return kind([_fresh(item) for item in value])
    if kind is set:
        return set(value)
    if kind is dict:
        return {name: _fresh(item) for name, item in value.items()}
    return value


def weight(value: Any) -> int:
    """About how many bytes a value keeps alive, its entry in the cache included."""
    kind = type(value)
    if kind is np.ndarray:
        return int(value.nbytes) + 256
    if kind in (Mutable, Tagged):
        return weight(value.value) + 64
    if kind in (list, tuple, set):
        return 256 + sum(map(weight, value))
    if kind is dict:
        return 256 + sum(weight(name) + weight(item) for name, item in value.items())
    return sys.getsizeof(value) + 192
