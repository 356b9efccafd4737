"""On what a run was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path

import numpy as np

from optcore import __version__, _native

__all__ = ["describe_environment"]


def describe_environment() -> dict[str, str | int | None]:
    """Versions, processor, instruction set, commit and time."""
    return {
        "optcore": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu": _cpu(),
        "isa": _native.cpu_isa(),
        "cores": len(os.sched_getaffinity(0)),
        "git": _commit(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """Commit of the source tree this package runs from; None for an installed wheel."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
