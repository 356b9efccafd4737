"""What a cache hands out: values that a caller cannot spoil for the next one."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["Mutable", "freeze", "thaw", "weight"]


class Mutable:
    """A stored value with lists, dicts or sets in it: each hit gets its own containers."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def freeze(value: Any) -> Any:
    """A private copy for the store: arrays read-only, containers our own, the rest as it is."""
    copy, changeable = _copied(value)
    return Mutable(copy) if changeable else copy


def thaw(stored: Any) -> Any:
    """What a hit returns: read-only arrays are shared, containers are fresh."""
    return _fresh(stored.value) if type(stored) is Mutable else stored


def _copied(value: Any) -> tuple[Any, bool]:
    kind = type(value)
    if kind is np.ndarray:
        owner = value.copy()
        owner.flags.writeable = False
        return owner[...], False  # a view of a read-only owner cannot be made writeable
    if kind in (list, tuple, set):
        parts = [_copied(item) for item in value]
        return kind(part for part, _ in parts), kind is not tuple or any(c for _, c in parts)
    if kind is dict:
        return {name: _copied(item)[0] for name, item in value.items()}, True
    return value, False


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
    if kind is Mutable:
        return weight(value.value)
    if kind in (list, tuple, set):
        return 256 + sum(map(weight, value))
    if kind is dict:
        return 256 + sum(weight(name) + weight(item) for name, item in value.items())
    return sys.getsizeof(value) + 192
