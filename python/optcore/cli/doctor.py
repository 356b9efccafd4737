"""`optcore doctor`: what this installation can use on this machine."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optcore import Device, __version__, _native

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_EXTRAS = ("scipy", "psutil", "diskcache", "redis", "matplotlib", "pynvml", "gymnasium")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="show back-ends, devices and optional packages")
    parser.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    usable, name, memory = _native.describe(Device.cuda(0))
    rows = [
        ("optcore", __version__),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
        ("numpy", np.__version__),
        ("blas", _blas()),
        ("cpu", _cpu()),
        ("cpu kernels", _native.cpu_isa()),
        ("cpus usable", str(len(os.sched_getaffinity(0)))),
        ("cuda", f"{name}, {memory / 2**30:.0f} GiB" if usable else f"not usable: {name}"),
    ]
    rows += [("redis server", _redis()), ("huge pages", _huge_pages())]
    rows += [
        (extra, "installed" if importlib.util.find_spec(extra) else "not installed")
        for extra in _EXTRAS
    ]
    for label, value in rows:
        print(f"{label:<14}{value}")
    return 0


_FEATURES = (
    "sse4_2", "avx", "avx2", "fma", "bmi2", "avx512f", "avx512dq", "avx512vl", "avx512bw",
    "avx512cd", "amx_tile", "asimd", "sve",
)  # fmt: skip


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _cpu() -> str:
    """Name, and those of its instruction sets that matter here."""
    info = _text("/proc/cpuinfo")
    found = dict(re.findall(r"^(model name|flags|Features)\s*: (.*)$", info, re.MULTILINE))
    flags = (found.get("flags") or found.get("Features") or "").split()
    name = found.get("model name") or platform.processor() or platform.machine()
    return f"{name}: {' '.join(f for f in _FEATURES if f in flags) or 'features unknown'}"


def _blas() -> str:
    """That NumPy was built with."""
    try:
        config: Any = np.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas.get('version', '')} (of NumPy)"
    except (TypeError, KeyError):  # NumPy before 1.25 only prints
        return "unknown"


def _redis() -> str:
    """Whether one answers where `cache` looks when it is told nothing."""
    try:
        with socket.create_connection(("127.0.0.1", 6379), timeout=0.2) as server:
            server.sendall(b"PING\r\n")
            answer = server.recv(64)
    except OSError as error:
        return f"none at 127.0.0.1:6379 ({error.strerror or 'no answer'})"
    return f"at 127.0.0.1:6379, answers {answer.decode(errors='replace').strip()}"


def _huge_pages() -> str:
    """Transparent ones, as chosen in brackets, and those set apart."""
    chosen = re.search(r"\[(\w+)\]", _text("/sys/kernel/mm/transparent_hugepage/enabled"))
    meminfo = dict(re.findall(r"^(\w+):\s+(\d+)", _text("/proc/meminfo"), re.MULTILINE))
    size = int(meminfo.get("Hugepagesize", 0))
    return (
        f"transparent: {chosen.group(1) if chosen else 'unknown'}; "
        f"{meminfo.get('HugePages_Total', '0')} reserved of {size} KiB"
    )
