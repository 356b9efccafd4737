"""Writes the program: tables, the step in C linkage, the headers it needs and a self-test."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import __version__
from optcore._files import replace_file
from optcore._header import SCALARS, array_lines, check_scalar
from optcore.belief import DiscreteBayesFilter
from optcore.errors import ConfigError, ShapeError
from optcore.export import source
from optcore.export.golden import Golden, golden
from optcore.export.headers import include_dir, needed
from optcore.gp import GaussianProcess
from optcore.gp.data import numbers
from optcore.gp.firmware import header as gp_header
from optcore.mpc import OcpQp
from optcore.mpc.compact import compact_header
from optcore.mpc.condensed import condense
from optcore.mpc.condensed import header as mpc_header

__all__ = ["Report", "export_firmware"]

_Floats = NDArray[np.float64]


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
    compact: bool = False,
) -> Report:
    """Write a folder that compiles with a C++20 compiler alone.

    One optcore_step() predicts by the GP at a query, updates the belief and solves the MPC; parts
    that are not given are left out. See optcore_step.h in the folder.

    Args:
        folder: made when it is missing; files of the same names are replaced, all of them or none
            for what is refused here.
        problem: see mpc.condense().
        disturbance: E (nx, outputs of gp): the GP's mean w acts on the plan as x+ = ... + E w.
        gp: fitted, with a constant or linear mean.
        transition: (K, K) of the belief, element [i, j] = p(next = j | now = i).
        prior: (K,) of the belief; uniform when left out.
        scalar: "float" or "double".
        compact: a tenth of the controller's flash for up to four times its instructions, and a GP's
            rows unpadded; for bounds on states and inputs alone, and scalar or 16-byte registers.

    Raises:
        ConfigError: nothing to export; what condense() and gp.export_header() refuse; a folder that
            cannot be written.
        ShapeError: disturbance does not fit problem and gp.
    """
    check_scalar(scalar)
    if problem is None and gp is None and transition is None:
        raise ConfigError("nothing to export: give a problem, a gp or a transition")
    if prior is not None and transition is None:
        raise ConfigError("prior: only with a transition")
    E = _disturbance(disturbance, problem, gp)
    belief = None if transition is None else DiscreteBayesFilter(transition, prior=prior)
    parts, texts, tables = source.Parts(scalar, compact=compact), dict[str, str](), dict[str, int]()
    condition, gain = None, np.zeros((0, 0))
    if problem is not None:
        condensed = condense(problem, E)
        gain = np.abs(condensed.response[: condensed.inputs, condensed.states :])
        condition = condensed.condition
        parts.states, parts.inputs = condensed.states, condensed.inputs
        parts.coupled, parts.rates = E is not None, problem.has_rates
        texts["controller.hpp"], tables["controller"] = (
            compact_header(problem, E, scalar=scalar)
            if compact
            else mpc_header(condensed, scalar=scalar)
        )
    if gp is not None:
        parts.dims, parts.outputs = gp.X.shape[1], gp.Y.shape[1]
        parts.prior_variance = float(gp.kernel(gp.X, gp.X).diagonal().max())
        texts["model.hpp"], tables["model"] = gp_header(gp, scalar=scalar, compact=compact)
    if belief is not None:
        matrix = np.asarray(transition, np.float64)
        start = np.full(len(matrix), 1 / len(matrix)) if prior is None else np.asarray(prior)
        parts.hypotheses = len(matrix)
        texts["hypotheses.hpp"] = source.belief_tables(matrix, start / start.sum(), scalar)
        tables["belief"] = (matrix.size + start.size) * np.dtype(SCALARS[scalar][0]).itemsize
    answers = golden(problem, E, gp, belief, gain, SCALARS[scalar][0])
    texts["optcore_step.h"] = source.step_header(parts, __version__)
    texts["optcore_step.cpp"] = source.step_source(parts)
    texts["self_test.cpp"] = _self_test(parts, answers)
    texts["CMakeLists.txt"] = source.CMAKE
    for name in needed(source.roots(parts)):
        texts[f"include/{name}"] = (include_dir() / name).read_text()
    report = Report(scalar, tables, sorted(texts), condition)
    texts["report.json"] = json.dumps(asdict(report), indent=2) + "\n"
    try:  # nothing was written until here
        for name, text in texts.items():
            _write(Path(folder) / name, text)
    except OSError as error:
        raise ConfigError(f"folder: {folder} cannot be written: {error.strerror}") from None
    return report


def _disturbance(
    given: ArrayLike | None, problem: OcpQp | None, gp: GaussianProcess | None
) -> _Floats | None:
    if given is None:
        return None
    if problem is None or gp is None:
        raise ConfigError("disturbance: only with a problem and a gp, whose mean it carries")
    E, shape = numbers(given, "disturbance"), (problem.size[0], gp.Y.shape[1])
    if E.shape != shape:
        raise ShapeError(f"disturbance must be {shape} (states, outputs), got {E.shape}")
    return E


def _write(path: Path, text: str) -> None:
    replace_file(path, lambda file: file.write(text.encode()))


def _self_test(parts: source.Parts, answers: Golden) -> str:
    arrays: list[str] = []
    for name, values in vars(answers).items():
        if values.size:
            arrays += array_lines(name, values, parts.scalar)
    return source.self_test(parts, arrays, answers.steps)
