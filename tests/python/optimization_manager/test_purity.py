"""Purity by byte code: what is certain, what is not, and why."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore.optimization_manager import purity_of

LIMIT = 3
LIMITS = (3, ("a", 4.0))
TABLE = {"a": 1}
PAIR = ([1, 2], 3)


class Gauge:
    reading = 0

    def value(self) -> int:
        Gauge.reading += 1
        return Gauge.reading


def helper(x: float) -> float:
    return math.sqrt(x) + LIMIT


def through_helper(x: float) -> float:
    return helper(x) * 2


def recursive(n: int) -> int:
    return 1 if n < 2 else n * recursive(n - 1)


def numeric(x: np.ndarray) -> Any:
    return np.linalg.norm(x) + sum(abs(k) for k in range(3)) + np.sin(x).max()


def sets_global() -> None:
    global LIMIT
    LIMIT = 4


def calls_impure(x: float) -> float:
    sets_global()
    return x


def missing() -> Any:
    return undefined_name  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("function", [helper, through_helper, recursive, numeric, math.sin, np.sin])
def test_pure(function: Callable[..., Any]) -> None:
    assert purity_of(function).verdict == "pure", purity_of(function).reasons


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda: random.random(), ".random"),
        (lambda: np.random.default_rng(0).normal(), "default_rng"),
        (lambda: time.perf_counter(), "perf_counter"),
        (lambda x: print(x), "print()"),
        (lambda p: open(p), "open()"),  # noqa: SIM115
        (sets_global, "global LIMIT"),
        (calls_impure, "global LIMIT"),
        (lambda o: setattr(o, "a", 1), "setattr()"),
        (lambda p: np.load(p), ".load"),
    ],
)
def test_impure(function: Callable[..., Any], word: str) -> None:
    found = purity_of(function)
    assert found.verdict == "impure"
    assert any(word in reason for reason in found.reasons), found.reasons


def test_attributes_and_outer_variables_that_are_set() -> None:
    count = 0

    def counts() -> int:
        nonlocal count
        count += 1
        return count

    class Thing:
        value = 0

        def change(self) -> None:
            self.value = 1

    assert "count" in purity_of(counts).reasons[0]
    assert purity_of(Thing().change).reasons == ("it sets the attribute value",)

    def steps() -> Any:
        yield 1

    assert purity_of(steps).verdict == "impure"


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda k: TABLE[k], "TABLE"),
        (lambda k: PAIR[0][k], "PAIR"),
        (missing, "undefined_name"),
        (lambda p: float(Path(p).read_text()), "class Path"),  # the file may change
        (lambda k: Gauge().value() + k, "class Gauge"),
        (lambda f: f, None),
        (lambda k: k + LIMITS[0] + float(np.float64(k)) + len(list(range(k))), None),
    ],
)
def test_unknown(function: Callable[..., Any], word: str | None) -> None:
    found = purity_of(function)
    assert found.verdict == ("pure" if word is None else "unknown")
    assert word is None or word in found.reasons[0]
