"""What a comparison is made of: a case, its trial, and the contestants in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]

# Seconds in one unit of time.
TIME_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
LOWER_IS_BETTER = frozenset([*TIME_UNITS, "instructions", "bytes"])
HIGHER_IS_BETTER = frozenset(["x", "per_s", "gflop_s"])

OURS = "optcore"


class Absent(Exception):
    """What is needed is not on this machine; the text says what and how to get it."""


@dataclass(frozen=True)
class Probe:
    """A contestant measured elsewhere: another process, a counter, an operating-system figure."""

    sample: Callable[[int], Sequence[float]]  # about `count` samples in the unit of the case
    answer: Callable[[], Any] = lambda: None


Contestant = Callable[[], Any] | Probe
Check = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass
class Trial:
    """What a case's set-up fills in: contestants on the same inputs, checks of their answers."""

    quick: bool = False
    contestants: dict[str, Contestant] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def contestant(self, name: str) -> Callable[[Callable[[], Contestant]], None]:
        """Decorates a builder, called at once; what it returns is timed.

        A builder that cannot import its package, or raises Absent, makes its contestant absent.
        """

        def build(builder: Callable[[], Contestant]) -> None:
            if name in self.contestants or name in self.absent:
                raise ValueError(f"contestant {name!r} is there twice")
            try:
                self.contestants[name] = builder()
            except ImportError as missing:
                self.absent[name] = f"not installed ({missing})"
            except Absent as reason:
                self.absent[name] = str(reason)

        return build

    def check(self, function: Check) -> Check:
        """Decorates a function of {name: answer}: returns figures, raises Disagreement."""
        self.checks.append(function)
        return function

    def note(self, label: str, text: str) -> None:
        """A remark that belongs beside the figures."""
        self.notes[label] = text

    @staticmethod
    def data(relative: str) -> Path:
        """A file of the data folder (OPTCORE_DATA, else ../shared/data beside the repository)."""
        root = Path(os.environ.get("OPTCORE_DATA", REPOSITORY.parent / "shared" / "data"))
        path = root / relative
        if not path.exists():
            raise Absent(f"no data at {path} (set OPTCORE_DATA)")
        return path


@dataclass(frozen=True)
class Case:
    """One row of the comparison. (id, measure) is unique; ids are stable once published.

    id        "area/what/size"
    setup     builds contestants and check into a Trial; untimed, once
    unit      ns, us, ms, s, x, instructions, bytes, per_s or gflop_s
    measure   what the figure is, where one id has several
    samples   timed samples of each contestant, and seconds, the budget of them all together
    inner     calls per sample; None: calibrated so that the clock's own cost is lost in it
    settle    one untimed call before each sample, so that nobody pays for another's use of caches
    work      per call, for rates: floating-point operations (gflop_s) or items (per_s)
    """

    id: str
    setup: Callable[[Trial], None]
    unit: str = "us"
    measure: str = "time"
    samples: int = 101
    seconds: float = 10.0
    inner: int | None = None
    settle: bool = True
    work: float = 1.0

    def __post_init__(self) -> None:
        if self.unit not in LOWER_IS_BETTER | HIGHER_IS_BETTER:
            raise ValueError(f"{self.id}: unknown unit {self.unit!r}")
        if self.samples < 1 or self.seconds <= 0 or (self.inner is not None and self.inner < 1):
            raise ValueError(f"{self.id}: samples, seconds and inner must be positive")

    def value(self, seconds: float) -> float:
        """Turns the time of one call into the unit of the case."""
        if self.unit in TIME_UNITS:
            return seconds / TIME_UNITS[self.unit]
        if self.unit == "per_s":
            return self.work / seconds
        if self.unit == "gflop_s":
            return self.work / seconds * 1e-9
        raise ValueError(f"{self.id}: a call cannot be timed in {self.unit!r}; give a Probe")
