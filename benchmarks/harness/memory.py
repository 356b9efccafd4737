"""Peak memory of a call, as the operating system saw it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.case import Absent, Probe
from optcore.benchmark_framework.passes import peak_growth


def peak_bytes(call: Callable[[], Any]) -> Probe:
    """Resident bytes that one call adds at its peak, as the workbench's memory pass sees it."""

    def once() -> float:
        grown = peak_growth(call)
        if grown is None:
            raise Absent("peak memory needs Linux's /proc")
        return float(grown)

    return Probe(lambda count: [once() for _ in range(min(count, 3))], call)
