"""What a cache stores and hands out: values that a caller cannot spoil for the next one."""

from __future__ import annotations

import copy
import mmap
import sys
import types
from typing import Any, Literal

import numpy as np

from optcore.caching_system.tags import Stamps

__all__ = ["Copy", "Failure", "Mutable", "Tagged", "freeze", "give", "is_failure", "weight"]

Copy = Literal["readonly", "deep", "none"]

_ONCE = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_LEAVES = (str, bytes, int, float, type(None))
_CONTAINERS = (list, tuple, set, frozenset)
_SHARED = (type, types.ModuleType, types.FunctionType)  # held by others too
_ATTRIBUTES_DEEP = 8  # as far as weights are taken


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
    """An exception kept in place of a value: a copy, whose frames keep no variables alive."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = _bare_copy(error)

    def again(self) -> Exception:
        """The exception for one more caller."""
        return _bare_copy(self.error)


def _bare_copy(error: Exception) -> Exception:
    """An equal exception without traceback; its type's __init__ may want other arguments."""
    kind = type(error)
    try:
        fresh = copy.copy(error)
        if type(fresh) is kind and fresh is not error and _same(fresh.args, error.args):
            return fresh
    except Exception:
        pass
    fresh = kind.__new__(kind, *error.args)
    fresh.args = error.args
    fresh.__dict__.update(error.__dict__)
    return fresh


def _same(a: tuple[object, ...], b: tuple[object, ...]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def is_failure(stored: Any) -> bool:
    return type(stored.value if type(stored) is Tagged else stored) is Failure


def freeze(value: Any, how: Copy = "readonly") -> Any:
    """A private copy for the store: arrays read-only, containers our own, other objects as they
    are, which a caller can spoil for the next one.

    Raises:
        TypeError: a coroutine or a generator, which can be used once.
        RecursionError: containers within containers, some hundreds deep.
    """
    if isinstance(value, _ONCE):
        if isinstance(value, types.CoroutineType):
            value.close()  # or it would be said that nobody awaited it
        name = getattr(value, "__qualname__", "")
        raise TypeError(f"{type(value).__name__} {name} can be used once and not be kept")
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
    """(copy, whether a caller could change it so that each needs one of its own)."""
    kind = type(value)
    if isinstance(value, np.ndarray):
        if kind is np.ndarray and not value.flags.writeable and _is_ours(value):
            return value, False
        array: Any = np.array(value) if kind is np.memmap else value.copy()
        _close(array)
        _close(getattr(array, "_mask", None))
        # a view of a read-only owner cannot be made writeable; one of a subclass has attributes
        return array[...], type(array) is not np.ndarray
    if kind in (list, tuple, set) or _is_named(value):
        parts = [_copied(item) for item in value]
        own = (part for part, _ in parts)
        changeable = kind in (list, set) or any(c for _, c in parts)
        return (kind._make(own) if _is_named(value) else kind(own)), changeable
    if kind is dict:
        return {name: _copied(item)[0] for name, item in value.items()}, True
    return value, False


def _close(array: Any) -> None:
    """Make an array read-only with all that it is a view of."""
    while isinstance(array, np.ndarray):
        array.flags.writeable = False
        array = array.base


def _is_named(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(type(value), "_make")


def _is_ours(array: Any) -> bool:
    """Whether nobody can write to a read-only array: its memory is immutable bytes or a map."""
    base = array.base
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    if isinstance(base, memoryview) and base.readonly:
        base = base.obj  # of a bytearray or of shared memory it is read-only for us alone
        if isinstance(base, mmap.mmap):
            return memoryview(base).readonly
    return isinstance(base, bytes)


def _fresh(value: Any) -> Any:
    kind = type(value)
    if kind in (list, tuple):
        return kind([_fresh(item) for item in value])
    if kind is set:
        return set(value)
    if kind is dict:
        return {name: _fresh(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and kind is not np.ndarray:
        return value[...]
    if _is_named(value):
        return kind._make([_fresh(item) for item in value])
    return value


def weight(value: Any) -> int:
    """About how many bytes a value keeps alive, its entry in the cache included."""
    if type(value) is np.ndarray:
        return int(value.nbytes) + 256
    return _weight(value, set(), 0) + 192


def _weight(value: Any, seen: set[int], depth: int) -> int:
    if isinstance(value, _LEAVES):
        return sys.getsizeof(value)
    if id(value) in seen or isinstance(value, _SHARED):
        return 8
    seen.add(id(value))
    if type(value) in (Mutable, Tagged):
        return 64 + _weight(value.value, seen, depth)
    if isinstance(value, dict):
        items = value.items()
        return 64 + sum(_weight(k, seen, depth) + _weight(v, seen, depth) for k, v in items)
    size = max(sys.getsizeof(value), _bytes_of(value)) + 64
    if isinstance(value, _CONTAINERS):
        return size + sum(_weight(item, seen, depth) for item in value)
    held = getattr(value, "__dict__", None)
    if held and depth < _ATTRIBUTES_DEEP:
        size += sum(_weight(attribute, seen, depth + 1) for attribute in held.values())
    return size


def _bytes_of(value: Any) -> int:
    size = getattr(value, "nbytes", 0)  # arrays, tensors, memory views
    return size if isinstance(size, int) else 0
