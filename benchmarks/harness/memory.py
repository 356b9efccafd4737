"""Peak memory of a call, as the operating system saw it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.case import Absent, Probe

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_bytes(call: Callable[[], Any]) -> Probe:
    """Resident bytes that one call adds at its peak (Linux: VmHWM reset through clear_refs).

    Inputs and what earlier calls left resident are not counted; what the allocator kept from them
    is given back first where the C library can.
    """
    if not _CLEAR.exists():
        raise Absent("peak memory needs Linux's /proc")

    def once() -> float:
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5")
        before = _kilobytes("VmRSS")
        call()
        return 1024.0 * max(_kilobytes("VmHWM") - before, 0)

    return Probe(lambda count: [once() for _ in range(min(count, 3))], call)


def _kilobytes(key: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise Absent(f"/proc/self/status has no {key}")
