"""The fingerprint of a machine: what must agree before two times may be compared."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optcore import Device, __version__, _native
from optcore._machine import cpu_name, source_commit, usable_cpus

__all__ = ["describe_environment", "differences", "machine_id"]

_IDENTITY = ("cpu", "cores", "machine", "system", "python", "governor")


def describe_environment(folder: str | Path = ".") -> dict[str, Any]:
    """Machine, versions, commit of the tree that `folder` is in, load at this moment."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {**_fixed(), "git": source_commit(folder), "load": load, "time": _now()}


@functools.cache
def _fixed() -> dict[str, Any]:
    usable, gpu, memory = _native.describe(Device.cuda(0))
    return {
        "cpu": cpu_name(),
        "cores": usable_cpus(),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "host": platform.node(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "python_full": f"{platform.python_implementation()} {platform.python_version()}",
        "governor": _governor(),
        "kernel": platform.release(),
        "numpy": np.__version__,
        "blas": _blas(),
        "gpu": f"{gpu}, {memory / 2**30:.0f} GiB" if usable else None,
        "optcore": __version__,
        "isa": _native.cpu_isa(),
    }


def machine_id(environment: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of what identifies the machine."""
    text = "|".join(f"{key}={environment.get(key)}" for key in _IDENTITY)
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Why times of the two must not be compared: "cpu: X, not Y"."""
    return [
        f"{key}: {b.get(key)}, not {a.get(key)}" for key in _IDENTITY if a.get(key) != b.get(key)
    ]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _governor() -> str | None:
    try:
        path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        return path.read_text().strip()
    except OSError:
        return None


def _blas() -> str | None:
    try:
        built: Any = np.show_config(mode="dicts")
        found = built["Build Dependencies"]["blas"]
        return f"{found['name']} {found['version']}"
    except (TypeError, KeyError):
        return None
