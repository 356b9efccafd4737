"""On what a run was measured."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

import numpy as np

from optcore import __version__, _native
from optcore._machine import cpu_name, source_commit

__all__ = ["describe_environment"]


def describe_environment() -> dict[str, str | int | None]:
    """Versions, processor, instruction set, commit and time."""
    return {
        "optcore": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu": cpu_name(),
        "isa": _native.cpu_isa(),
        "cores": len(os.sched_getaffinity(0)),
        "git": source_commit(Path(__file__).parent),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
