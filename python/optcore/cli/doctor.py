"""`optcore doctor`: what this installation can use on this machine."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
from typing import TYPE_CHECKING

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
        ("cpu kernels", _native.cpu_isa()),
        ("cpus usable", str(len(os.sched_getaffinity(0)))),
        ("cuda", f"{name}, {memory / 2**30:.0f} GiB" if usable else f"not usable: {name}"),
    ]
    rows += [
        (extra, "installed" if importlib.util.find_spec(extra) else "not installed")
        for extra in _EXTRAS
    ]
    for label, value in rows:
        print(f"{label:<14}{value}")
    return 0
