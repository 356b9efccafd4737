"""What real calls of a function looked like."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optcore.caching_system.keys import key_of

__all__ = ["Example", "Observation", "Recorder", "digest"]

_EXAMPLES = 16


@dataclass(frozen=True)
class Observation:
    """One call."""

    seconds: float
    key: bytes | None
    """of the arguments; None where they have no content to hash"""
    key_seconds: float
    outcome: bytes | None
    """of the result, likewise"""
    mutated: bool
    """the arguments had another content afterwards"""
    faults: int
    """page faults of the process meanwhile"""


@dataclass(frozen=True)
class Example:
    """Arguments of an observed call, and what came of them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: bytes
    result: Any

    @property
    def intact(self) -> bool:
        """Do the arguments still have the content they had?"""
        return digest((self.args, self.kwargs)) == self.key


class Recorder:
    """Runs a function as it is and notes each call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.observations: list[Observation] = []
        self.examples: list[Example] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        key = digest((args, kwargs))
        looked = time.perf_counter()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.perf_counter()
        result = self.function(*args, **kwargs)
        seconds = time.perf_counter() - start
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        mutated = key is not None and digest((args, kwargs)) != key
        self.observations.append(
            Observation(seconds, key, looked - begin, digest(result), mutated, faults)
        )
        known = any(example.key == key for example in self.examples)
        if key is not None and not known and not mutated and len(self.examples) < _EXAMPLES:
            kept = result.copy() if isinstance(result, np.ndarray) else result
            self.examples.append(Example(args, dict(kwargs), key, kept))
        return result


def digest(value: Any) -> bytes | None:
    """Of its content; None where it has none to hash."""
    try:
        return key_of(value)
    except TypeError:
        return None
