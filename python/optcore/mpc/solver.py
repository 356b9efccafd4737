"""Solver of the optimal-control quadratic programme, warm-started between calls."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError
from optcore.mpc.ocp import OcpQp

__all__ = ["Multipliers", "QpSolver", "Solution"]

_Floats = NDArray[np.float64]
_METHODS = {"auto": 0, "active_set": 1, "interior_point": 2, "condensed": 3, "riccati": 4}


class Multipliers(NamedTuple):
    """Positive at a lower limit, negative at an upper one, zero between."""

    x: _Floats
    """(N + 1, nx)"""
    u: _Floats
    """(N, nu)"""
    rows: _Floats
    """(N + 1, rows): C and D, then terminal, soft and rate rows"""


class Solution(NamedTuple):
    """Outcome of one solve; `status` is "ok" when the tolerance was met."""

    status: str
    """ok, max_iterations, primal_infeasible, dual_infeasible, not_finite, not_positive_definite"""
    u: _Floats
    """(N, nu); after a failure still within the inputs' bounds"""
    x: _Floats
    """(N + 1, nx); follows the dynamics whatever the status"""
    objective: float
    """without the constant x[0] terms"""
    iterations: int
    residuals: dict[str, float]
    """primal (largest violation), dual (largest stationarity residual), gap (mean of multiplier
    times room), from the data and the returned plan"""
    max_slack: float
    """largest violation of a soft row"""
    multipliers: Multipliers
    """when primal_infeasible, the proof of it"""
    method: str
    """condensed, active_set or interior_point, whichever gave the solution"""
    solve_time: float
    """s"""

    @property
    def solved(self) -> bool:
        """Was the tolerance met?"""
        return self.status == "ok"


class QpSolver:
    """Active-set methods over a Riccati recursion with an interior point behind them; see
    ``optcore/mpc/ocp_solver.hpp``.

    Args:
        problem: the programme; its arrays are copied.
        tolerance: on violation, complementarity and stationarity, each relative to the size of the
            numbers that it is the difference of, where that exceeds one.
        max_iterations: cap of the interior point, which bounds the time of a solve.
        method: "auto" is "condensed" from the second solve with the same matrices on, with
            "riccati" behind it. "condensed": a dual active set that keeps the model's factor, for
            hard constraints and up to 8192 bounds. "riccati": "active_set", a factorisation for
            every change of the set, and where that makes no progress "interior_point".

    Example:
        >>> import numpy as np
        >>> from optcore.mpc import OcpQp, QpSolver
        >>> A, B = [[1.0, 0.1], [0.0, 1.0]], [[0.005], [0.1]]
        >>> qp = OcpQp(A=A, B=B, Q=np.eye(2), R=[[0.1]], N=20, lbu=[-1.0], ubu=[1.0])
        >>> s = QpSolver(qp).solve([1.0, 0.0])
        >>> s.status, bool(abs(s.u[0, 0] + 1.0) < 1e-5)
        ('ok', True)
    """

    def __init__(
        self,
        problem: OcpQp,
        tolerance: float = 1e-6,
        max_iterations: int = 60,
        method: Literal["auto", "active_set", "interior_point", "condensed", "riccati"] = "auto",
    ) -> None:
        if not 0 < tolerance < 1:
            raise ConfigError(f"tolerance must lie in (0, 1), got {tolerance}")
        if max_iterations < 1:
            raise ConfigError(f"max_iterations must be at least 1, got {max_iterations}")
        if method not in _METHODS:
            raise ConfigError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
        self.problem = problem
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.method = method
        self._load()

    def _load(self) -> None:
        self._native = _native.mpc.OcpSolver(*self.problem.size)
        self._native.set(self.problem.arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of native memory, all taken when the solver was made."""
        return self._native.bytes

    def update(self, **arrays: Any) -> None:
        """Change arguments of the problem, named as in OcpQp; the warm start stays when sizes do.

        Raises:
            ShapeError, ConfigError: as OcpQp; the problem is then unchanged.
        """
        size = self.problem.size
        self.problem = self.problem.replaced(**arrays)
        if self.problem.size == size:
            self._native.set(self.problem.arrays)
        else:
            self._load()

    def solve(
        self,
        x0: ArrayLike | None = None,
        warm_start: bool = True,
        *,
        last_input: ArrayLike | None = None,
    ) -> Solution:
        """Solve from the state x0 (nx,), starting from the last solution when there is one.

        Args:
            x0: the first state; left out when the problem's is free.
            last_input: (nu,), for problems with rates; zero when left out.

        Raises:
            ShapeError: x0 or last_input has another shape.
            ConfigError: x0 or last_input is not finite, or missing or given where it must not be.
        """
        p, native = self.problem, self._native.solve
        settings = warm_start, self.tolerance, self.max_iterations, _METHODS[self.method]
        augmented = p.has_rates or p.free_x0
        answer = None
        if last_input is None and not augmented:
            answer = native(x0, *settings)  # None: x0 is no plain array yet
        if answer is None:
            answer = native(self._start(x0, last_input), *settings)
            assert answer is not None, "_start() gives what the kernel takes"
        status, u, x, objective, iterations, residuals, slack, duals, method, elapsed = answer
        if augmented:
            first = int(p.free_x0)
            x, u = x[first:, : p.nx], u[first:, : p.nu]
            bounds_x, bounds_u, rows = duals
            duals = bounds_x[first:, : p.nx], bounds_u[first:, : p.nu], rows[first:]
        multipliers = Multipliers(*duals)
        return Solution(
            status, u, x, objective, iterations, residuals, slack, multipliers, method, elapsed
        )

    def _start(self, x0: ArrayLike | None, last_input: ArrayLike | None) -> _Floats:
        p = self.problem
        if p.free_x0:
            if x0 is not None:
                raise ConfigError("x0 must be left out: the problem's first state is free")
            return np.zeros(p.size[0])
        if x0 is None:
            raise ConfigError("x0 is needed: (nx,)")
        start = _vector("x0", x0, p.nx)
        if p.has_rates:
            before = (
                np.zeros(p.nu) if last_input is None else _vector("last_input", last_input, p.nu)
            )
            return np.concatenate([start, before])
        if last_input is not None:
            raise ConfigError("last_input is only for problems with rate bounds")
        return start


def _vector(name: str, values: ArrayLike, size: int) -> _Floats:
    array = np.ascontiguousarray(values, np.float64)
    if array.shape != (size,):
        raise ShapeError(f"{name} must be ({size},), got {array.shape}")
    if not np.isfinite(array).all():
        raise ConfigError(f"{name} must be finite, got {array}")
    return array
