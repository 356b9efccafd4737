"""Which machine and software a measurement belongs to."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from optcore import _native
from optcore._machine import cpu_name, usable_cpus

__all__ = ["describe", "fingerprint"]


def describe() -> dict[str, Any]:
    """What decides how fast something is, as plain values."""
    gpu, name, _ = _native.describe(_native.Device.cuda())
    return {
        "cpu": cpu_name(),
        "processors": usable_cpus(),
        "isa": _native.cpu_isa(),
        "gpu": name if gpu else "",
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "core": _core(),
    }


def fingerprint(described: Mapping[str, Any]) -> str:
    """16 hexadecimal digits."""
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _core() -> str:
    """Another build of the native core may be another speed."""
    try:
        status = os.stat(str(_native.__file__))
    except (OSError, AttributeError):
        return ""
    return f"{status.st_size}-{int(status.st_mtime)}"
