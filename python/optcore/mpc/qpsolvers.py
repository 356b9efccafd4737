"""The solver under qpsolvers' roof: `register()` makes `solver="optcore"` known to it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.mpc.dense import solve_qp

__all__ = ["optcore_solve_problem", "optcore_solve_qp", "register"]


def register() -> None:
    """Add "optcore" to qpsolvers.available_solvers.

    Raises:
        ImportError: qpsolvers is not installed.

    Example:
        >>> from optcore.mpc.qpsolvers import register
        >>> register()  # doctest: +SKIP
        >>> import qpsolvers  # doctest: +SKIP
        >>> qpsolvers.solve_qp(P, q, G, h, solver="optcore")  # doctest: +SKIP
    """
    from qpsolvers import solvers

    solvers.solve_function["optcore"] = optcore_solve_problem
    for names in (solvers.available_solvers, solvers.dense_solvers):
        if "optcore" not in names:
            names.append("optcore")


def optcore_solve_problem(
    problem: Any, initvals: NDArray[np.float64] | None = None, verbose: bool = False, **kwargs: Any
) -> Any:
    """Solve a qpsolvers.Problem; gives a qpsolvers.Solution.

    Args:
        problem: the programme; sparse matrices are made dense.
        initvals: not used.
        verbose: print the outcome in one line.
        kwargs: of optcore.mpc.solve_qp.
    """
    from qpsolvers import Solution

    begin = time.perf_counter()
    P, q, G, h, A, b, lb, ub = problem.unpack_as_dense()
    build = time.perf_counter()
    s = solve_qp(P, q, G, h, A, b, lb, ub, **kwargs)
    end = time.perf_counter()
    if verbose:
        print(f"optcore: {s.status} after {s.iterations} changes of the working set")
    solution = Solution(problem)
    solution.found = s.status == "ok"
    solution.x, solution.obj = s.x, s.objective
    solution.z, solution.y, solution.z_box = s.z, s.y, s.z_box
    solution.extras = {"status": s.status, "iterations": s.iterations, "residuals": s.residuals}
    solution.build_time, solution.solve_time = build - begin, end - build
    return solution


def optcore_solve_qp(
    P: Any,
    q: NDArray[np.float64],
    G: Any = None,
    h: NDArray[np.float64] | None = None,
    A: Any = None,
    b: NDArray[np.float64] | None = None,
    lb: NDArray[np.float64] | None = None,
    ub: NDArray[np.float64] | None = None,
    initvals: NDArray[np.float64] | None = None,
    verbose: bool = False,
    **kwargs: Any,
) -> NDArray[np.float64] | None:
    """x of the programme, or None; arguments as qpsolvers' other solvers."""
    from qpsolvers import Problem

    solution = optcore_solve_problem(Problem(P, q, G, h, A, b, lb, ub), initvals, verbose, **kwargs)
    return solution.x if solution.found else None
