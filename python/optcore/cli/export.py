"""`optcore export FILES -o firmware/`: a GP, an MPC problem and a belief as C++ for firmware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_OPTIONAL = ("b", "S", "q", "r", "P", "lbx", "ubx", "lbu", "ubu", "C", "D", "lg", "ug")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write C++ for firmware",
        description="Each FILE is an npz archive: a saved GaussianProcess; an MPC problem (the "
        "arrays of mpc.OcpQp by name: A, B, Q, R and perhaps N, b, S, q, r, P, lbx, ubx, lbu, ubu, "
        "C, D, lg, ug, and E (states, outputs) if the GP's mean disturbs the state); a belief "
        "(transition (K, K), prior (K,)).",
    )
    parser.add_argument("files", type=Path, metavar="FILE", nargs="+")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", required=True)
    parser.add_argument("--scalar", choices=("float", "double"), default="float")
    parser.add_argument(
        "--compact", action="store_true", help="a tenth of the controller's flash, more time"
    )
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
        if "format" in arrays:
            kind["gp"] = GaussianProcess.load(path)
        elif {"transition", "prior"} & arrays.keys():
            _check(path, arrays, required=("transition",), optional=("prior",))
            kind |= arrays
        else:
            _check(path, arrays, required=("A", "B", "Q", "R"), optional=(*_OPTIONAL, "N", "E"))
            if "E" in arrays:
                kind["disturbance"] = arrays.pop("E")
            N = arrays.pop("N", None)
            if N is not None and (N.ndim or int(N) != N):
                raise ConfigError(f"{path}: N must be one whole number, got {N}")
            problem: dict[str, Any] = dict(arrays)
            kind["problem"] = OcpQp(**problem, N=None if N is None else int(N))
        if twice := given.keys() & kind.keys():
            raise ConfigError(f"{path}: a second {sorted(twice)[0]}; give one of each kind")
        given |= kind
    report = export_firmware(
        arguments.output, **given, scalar=arguments.scalar, compact=arguments.compact
    )
    for part, size in report.tables.items():
        print(f"{part:12} {size / 1024:8.1f} KiB of constant tables ({report.scalar})")
    if report.condition is not None:
        print(f"condition of the condensed Hessian {report.condition:.1e}")
    print(f"{arguments.output}: optcore_step.h and {len(report.files) - 1} files beside it")
    return 0


def _check(
    path: Path,
    arrays: dict[str, NDArray[Any]],
    *,
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> None:
    """Raises ConfigError where a name is missing or unknown, or an array holds no real numbers."""
    if missing := [name for name in required if name not in arrays]:
        raise ConfigError(f"{path}: lacks {', '.join(missing)}")
    if unknown := sorted(arrays.keys() - {*required, *optional}):
        raise ConfigError(f"{path}: unknown {', '.join(unknown)}")
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ConfigError(f"{path}: {name} must hold real numbers, got {array.dtype}")
