"""Writes the program: tables, the step in C linkage, the headers it needs and a self-test."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import __version__
from optcore._files import replace_file
from optcore._header import SCALARS, array_lines, check_scalar, number
from optcore.belief import DiscreteBayesFilter
from optcore.errors import ConfigError, ShapeError
from optcore.export import source
from optcore.export.golden import Golden, golden
from optcore.export.headers import include_dir, needed
from optcore.gp import GaussianProcess
from optcore.gp import export_header as export_gp
from optcore.mpc import OcpQp
from optcore.mpc.condensed import condense
from optcore.mpc.condensed import export_header as export_mpc

__all__ = ["Report", "export_firmware"]

_Floats = NDArray[np.float64]
TOLERANCE = {"float": 1e-5, "double": 1e-12}


@dataclass(frozen=True)
class Report:
    """What was written."""

    scalar: str
    tables: dict[str, int] = field(default_factory=dict)
    """bytes of constant tables by part: flash"""
    files: list[str] = field(default_factory=list)
    condition: float | None = None
    """of the condensed Hessian"""


def export_firmware(
    folder: str | Path,
    *,
    problem: OcpQp | None = None,
    disturbance: ArrayLike | None = None,
    gp: GaussianProcess | None = None,
    transition: ArrayLike | None = None,
    prior: ArrayLike | None = None,
    scalar: str = "float",
) -> Report:
    """Write a folder that compiles with a C++20 compiler alone.

    One optcore_step() predicts by the GP at a query, updates the belief and solves the MPC; parts
    that are not given are left out. See optcore_step.h in the folder.

    Args:
        folder: made when it is missing; files of the same names are replaced.
        problem: see mpc.condense().
        disturbance: E (nx, outputs of gp): the GP's mean w acts on the plan as x+ = ... + E w.
        gp: fitted, with a constant mean.
        transition: (K, K) of the belief, element [i, j] = p(next = j | now = i).
        prior: (K,) of the belief; uniform when left out.
        scalar: "float" or "double".

    Raises:
        ConfigError: nothing to export; what condense() and gp.export_header() refuse.
        ShapeError: disturbance does not fit problem and gp.
    """
    check_scalar(scalar)
    if problem is None and gp is None and transition is None:
        raise ConfigError("nothing to export: give a problem, a gp or a transition")
    E = None if disturbance is None else np.asarray(disturbance, np.float64)
    if E is not None:
        if problem is None or gp is None:
            raise ConfigError("disturbance: only with a problem and a gp, whose mean it carries")
        shape = (problem.size[0], gp.Y.shape[1])
        if E.shape != shape:
            raise ShapeError(f"disturbance must be {shape} (states, outputs), got {E.shape}")
    belief = None if transition is None else DiscreteBayesFilter(transition, prior=prior)
    out = Path(folder)
    report = Report(scalar)
    parts = source.Parts(scalar)
    condensed = None
    if problem is not None:
        condensed = condense(problem, E)
        report = Report(scalar, condition=condensed.condition)
        parts.states, parts.inputs = condensed.states, condensed.inputs
        parts.coupled = E is not None
    answers = golden(problem, E, gp, belief, SCALARS[scalar][0])
    if condensed is not None:
        report.tables["controller"] = export_mpc(condensed, out / "controller.hpp", scalar=scalar)
    if gp is not None:
        parts.dims, parts.outputs = gp.X.shape[1], gp.Y.shape[1]
        report.tables["model"] = export_gp(gp, out / "model.hpp", scalar=scalar)
    if belief is not None:
        matrix = np.asarray(transition, np.float64)
        start = np.full(len(matrix), 1 / len(matrix)) if prior is None else np.asarray(prior)
        parts.hypotheses = len(matrix)
        _write(out / "hypotheses.hpp", source.belief_tables(matrix, start / start.sum(), scalar))
        report.tables["belief"] = (matrix.size + start.size) * (4 if scalar == "float" else 8)
    _write(out / "optcore_step.h", source.step_header(parts, __version__))
    _write(out / "optcore_step.cpp", source.step_source(parts))
    _write(out / "self_test.cpp", _self_test(parts, answers))
    _write(out / "CMakeLists.txt", source.CMAKE)
    for name in needed(source.roots(parts)):
        _write(out / "include" / name, (include_dir() / name).read_text())
    report.files.extend(str(p.relative_to(out)) for p in sorted(out.rglob("*")) if p.is_file())
    _write(out / "report.json", json.dumps(asdict(report), indent=2) + "\n")
    return report


def _write(path: Path, text: str) -> None:
    replace_file(path, lambda file: file.write(text.encode()))


def _self_test(parts: source.Parts, answers: Golden) -> str:
    arrays: list[str] = []
    for name, values in vars(answers).items():
        if values.size:
            arrays += array_lines(name, values, parts.scalar)
    tolerance = number(TOLERANCE[parts.scalar], parts.scalar)
    return source.self_test(parts, arrays, len(answers.x), tolerance)
