"""Solver of the optimal-control quadratic programme, warm-started between calls."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError
from optcore.mpc.ocp import OcpQp

__all__ = ["QpSolver", "Solution"]

_Floats = NDArray[np.float64]


class Solution(NamedTuple):
    """Outcome of one solve; `status` is "ok" when the tolerance was met."""

    status: str
    """ok, max_iterations, primal_infeasible, not_finite, not_positive_definite"""
    u: _Floats
    """(N, nu)"""
    x: _Floats
    """(N + 1, nx); follows the dynamics whatever the status"""
    objective: float
    """without the constant x[0] terms"""
    iterations: int
    residuals: dict[str, float]
    """gap, primal and dual at the last iterate"""
    max_slack: float
    """largest violation of a soft row"""
    solve_time: float
    """s"""


class QpSolver:
    """Primal-dual interior point over a Riccati recursion; see ``optcore/mpc/ocp_solver.hpp``.

    Args:
        problem: the programme; its arrays are copied.
        tolerance: on mean complementarity, inequality residual and stationarity.
        max_iterations: cap, which bounds the time of a solve.

    Example:
        >>> import numpy as np
        >>> from optcore.mpc import OcpQp, QpSolver
        >>> A, B = [[1.0, 0.1], [0.0, 1.0]], [[0.005], [0.1]]
        >>> qp = OcpQp(A=A, B=B, Q=np.eye(2), R=[[0.1]], N=20, lbu=[-1.0], ubu=[1.0])
        >>> s = QpSolver(qp).solve([1.0, 0.0])
        >>> s.status, bool(abs(s.u[0, 0] + 1.0) < 1e-5)
        ('ok', True)
    """

    def __init__(self, problem: OcpQp, tolerance: float = 1e-6, max_iterations: int = 60) -> None:
        if not 0 < tolerance < 1:
            raise ConfigError(f"tolerance must lie in (0, 1), got {tolerance}")
        if max_iterations < 1:
            raise ConfigError(f"max_iterations must be at least 1, got {max_iterations}")
        self.problem = problem
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self._native = _native.mpc.OcpSolver(problem.nx, problem.nu, problem.N, problem.rows)
        self._native.set(problem.arrays)

    def solve(self, x0: ArrayLike, warm_start: bool = True) -> Solution:
        """Solve from the state x0 (nx,), starting from the last solution when there is one.

        Raises:
            ShapeError: x0 has another shape.
            ConfigError: x0 is not finite.
        """
        start = np.ascontiguousarray(x0, np.float64)
        if start.shape != (self.problem.nx,):
            raise ShapeError(f"x0 must be ({self.problem.nx},), got {start.shape}")
        if not np.isfinite(start).all():
            raise ConfigError(f"x0 must be finite, got {start}")
        begin = time.perf_counter()
        status, x, u, objective, iterations, gap, primal, dual, slack = self._native.solve(
            start, warm_start, self.tolerance, self.max_iterations
        )
        return Solution(
            status,
            u,
            x,
            objective,
            iterations,
            {"gap": gap, "primal": primal, "dual": dual},
            slack,
            time.perf_counter() - begin,
        )
