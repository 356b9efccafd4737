"""The profiler beside its peers."""

from __future__ import annotations

from harness import Case


def cases() -> list[Case]:
    return []
