"""What requests carry: JSON to checked arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Refused", "array", "number", "only", "parse"]


class Refused(Exception):
    """A request that is not served: an HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8; NaN and infinity, which JSON has not, are refused, and a field that
    stands twice, of which another reader might take the other.
    """
    try:
        found = json.loads(body.decode(), parse_constant=_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # UTF-8 errors are ValueErrors
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(400, f"the body must be a JSON object, got {type(found).__name__}")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Refused(400, f"field {name[:40]!r} stands twice")
        found[name] = value
    return found


def only(body: Mapping[str, Any], *known: str) -> None:
    """Refuse a field that nobody would read."""
    for name in body:
        if name not in known:
            raise Refused(422, f"unknown field {name[:40]!r}; known are {', '.join(known)}")


def array(
    body: Mapping[str, Any], name: str, dimensions: int | tuple[int, ...]
) -> NDArray[np.float64]:
    """A field as a finite array of numbers."""
    if name not in body:
        raise Refused(422, f"{name} is missing")
    wanted = (dimensions,) if isinstance(dimensions, int) else dimensions
    try:
        found = np.asarray(body[name])
    except ValueError:  # rows of different lengths
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "iuf":
        raise Refused(422, f"{name} must be an array of numbers with rows of one length")
    if found.ndim not in wanted:
        axes = " or ".join(str(n) for n in wanted)
        raise Refused(422, f"{name} must have {axes} axes, got shape {found.shape}")
    flat = body[name]
    for _ in range(found.ndim - 1):
        flat = chain.from_iterable(flat)
    if bool in map(type, flat):  # beside numbers, numpy takes true for 1
        raise Refused(422, f"{name} must be an array of numbers, got true or false among them")
    values = found.astype(np.float64)
    if not np.isfinite(values).all():  # 1e999 reads as infinity
        raise Refused(422, f"{name} must be finite")
    return values


def number(body: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A field as a whole number in [low, high]."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(422, f"{name} must be a whole number in [{low}, {high}]")
    return value
