"""The machine and the versions behind the figures."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness import threads
from harness.case import REPOSITORY
from optcore._machine import cpu_name, source_commit


def describe() -> dict[str, Any]:
    """What a reader needs to judge a figure. Taken once a run."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "largest_pool": threads.largest_pool(),
        "load": round(os.getloadavg()[0], 2),
        "git": source_commit(REPOSITORY) or "unknown",
        "isa": _isa(),
    }


def versions(names: list[str]) -> dict[str, str]:
    """Of the contestants that are Python packages."""
    known = {}
    for name in ["optcore", "numpy", *names]:
        with suppress(PackageNotFoundError):
            known[name] = version(name)
    return known


def _isa() -> str:
    """The instruction set that the native core chose."""
    try:
        from optcore import _native
    except ImportError:
        return "optcore is not built"
    return _native.cpu_isa()
