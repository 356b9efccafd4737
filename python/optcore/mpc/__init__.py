"""Model predictive control: the optimal-control quadratic programme and its solver."""

from __future__ import annotations

from optcore.mpc.condensed import CondensedProblem, condense, export_header
from optcore.mpc.dense import QpSolution, solve_qp
from optcore.mpc.obstacles import Disc
from optcore.mpc.ocp import OcpQp, SoftRows, TerminalSet
from optcore.mpc.solver import Multipliers, QpSolver, Solution
from optcore.mpc.sqp import NlpSolution, Sqp

__all__ = [
    "CondensedProblem",
    "Disc",
    "Multipliers",
    "NlpSolution",
    "OcpQp",
    "QpSolution",
    "QpSolver",
    "SoftRows",
    "Solution",
    "Sqp",
    "TerminalSet",
    "condense",
    "export_header",
    "solve_qp",
]
