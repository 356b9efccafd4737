"""Model predictive control: the optimal-control quadratic programme and its solver."""

from __future__ import annotations

from optcore.mpc.dense import QpSolution, solve_qp
from optcore.mpc.ocp import OcpQp, SoftRows
from optcore.mpc.solver import QpSolver, Solution

__all__ = ["OcpQp", "QpSolution", "QpSolver", "SoftRows", "Solution", "solve_qp"]
