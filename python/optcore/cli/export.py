"""`optcore export FILES -o firmware/`: a GP, an MPC problem and a belief as C++ for firmware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_PROBLEM = (
    "A", "B", "b", "Q", "R", "S", "q", "r", "P",
    "lbx", "ubx", "lbu", "ubu", "C", "D", "lg", "ug",
)  # fmt: skip


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write C++ for firmware",
        description="Each FILE is an npz archive: a saved GaussianProcess; an MPC problem (the "
        "arguments of mpc.OcpQp by name, and E (states, outputs) if the GP's mean disturbs the "
        "state); a belief (transition (K, K), prior (K,)).",
    )
    parser.add_argument("files", type=Path, metavar="FILE", nargs="+")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", required=True)
    parser.add_argument("--scalar", choices=("float", "double"), default="float")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from optcore._files import read_npz
    from optcore.export import export_firmware
    from optcore.gp import GaussianProcess
    from optcore.mpc import OcpQp

    given: dict[str, Any] = {}
    for path in arguments.files:
        arrays = read_npz(path, "an npz file")
        kind: dict[str, Any] = {}
        if {"A", "B"} <= arrays.keys():
            chosen: dict[str, Any] = {name: arrays[name] for name in _PROBLEM if name in arrays}
            horizon = int(arrays["N"]) if "N" in arrays else None
            kind["problem"] = OcpQp(**chosen, N=horizon)
            if "E" in arrays:
                kind["disturbance"] = arrays["E"]
        elif "transition" in arrays:
            kind = {name: arrays[name] for name in ("transition", "prior") if name in arrays}
        else:
            kind = {"gp": GaussianProcess.load(path)}
        if twice := given.keys() & kind.keys():
            raise ConfigError(f"{path}: a second {sorted(twice)[0]}; give one of each kind")
        given |= kind
    report = export_firmware(arguments.output, **given, scalar=arguments.scalar)
    for part, size in report.tables.items():
        print(f"{part:12} {size / 1024:8.1f} KiB of constant tables ({report.scalar})")
    if report.condition is not None:
        print(f"condition of the condensed Hessian {report.condition:.1e}")
    print(f"{arguments.output}: optcore_step.h and {len(report.files) - 1} files beside it")
    return 0
