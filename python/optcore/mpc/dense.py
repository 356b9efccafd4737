"""A general quadratic programme by matrices: small and dense."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError

__all__ = ["QpSolution", "solve_qp"]

_Floats = NDArray[np.float64]


class QpSolution(NamedTuple):
    """Outcome of one solve. After "primal_infeasible" the multipliers are a certificate:
    G'z + A'y + z_box = 0 while h'z + b'y + (bounds)'z_box < 0."""

    status: str
    """ok, max_iterations, primal_infeasible, dual_infeasible, not_finite, not_positive_definite"""
    x: _Floats
    """(n,)"""
    z: _Floats
    """(m,) multipliers of G x <= h, >= 0"""
    y: _Floats
    """(p,) multipliers of A x = b"""
    z_box: _Floats
    """(n,) positive at ub, negative at lb; empty without bounds"""
    objective: float
    residuals: dict[str, float]
    """primal, dual and gap, computed from the problem's matrices"""
    iterations: int
    """changes of the working set"""
    solve_time: float
    """s, set-up included"""


def solve_qp(
    P: ArrayLike,
    q: ArrayLike,
    G: ArrayLike | None = None,
    h: ArrayLike | None = None,
    A: ArrayLike | None = None,
    b: ArrayLike | None = None,
    lb: ArrayLike | None = None,
    ub: ArrayLike | None = None,
    *,
    tolerance: float = 1e-9,
    max_iterations: int = 2000,
) -> QpSolution:
    """minimise x'P x / 2 + q'x subject to G x <= h, A x = b, lb <= x <= ub.

    A dual active-set method (``optcore/mpc/dense_qp.hpp``), made for up to about 100 variables;
    larger problems are solved, in time that grows with the cube of n.

    Args:
        P: (n, n) symmetric, positive semi-definite; only one triangle is read.
        q: (n,)
        G, h: (m, n), (m,); entries of h may be infinite
        A, b: (p, n), (p,)
        lb, ub: (n,), may be infinite
        tolerance: largest violation of a constraint, and of the gradient, in their units
        max_iterations: cap on changes of the working set

    Raises:
        ShapeError: an array has another shape; it is named.
        ConfigError: a value is NaN, P or a matrix is not finite, a bound is crossed.

    Example:
        >>> from optcore.mpc import solve_qp
        >>> s = solve_qp([[2.0, 0.0], [0.0, 2.0]], [-2.0, -5.0], [[1.0, 1.0]], [2.0])
        >>> s.status, s.x.round(6).tolist(), s.z.round(6).tolist()
        ('ok', [0.25, 1.75], [1.5])
    """
    if not 0 < tolerance < 1:
        raise ConfigError(f"tolerance must lie in (0, 1), got {tolerance}")
    if max_iterations < 1:
        raise ConfigError(f"max_iterations must be at least 1, got {max_iterations}")
    gradient = _array("q", q, 1, None)
    n = len(gradient)
    if n < 1:
        raise ShapeError("q must have at least one entry")
    hessian = _array("P", P, 2, (n, n))
    rows = _pair("G", G, "h", h, n)
    equal = _pair("A", A, "b", b, n)
    if equal[1] is not None and not np.isfinite(equal[1]).all():
        raise ConfigError("b must be finite")
    low, high = _box(lb, ub, n)
    status, x, z, y, z_box, objective, primal, dual, gap, iterations, seconds = (
        _native.mpc.solve_qp(hessian, gradient, *rows, *equal, low, high, tolerance, max_iterations)
    )
    residuals = {"primal": primal, "dual": dual, "gap": gap}
    return QpSolution(status, x, z, y, z_box, objective, residuals, iterations, seconds)


def _array(
    name: str,
    values: ArrayLike,
    dimensions: int,
    shape: tuple[int, ...] | None,
    bound: bool = False,
) -> _Floats:
    array = np.ascontiguousarray(values, np.float64)
    if array.ndim != dimensions or (shape is not None and array.shape != shape):
        need = shape if shape is not None else f"{dimensions}-dimensional"
        raise ShapeError(f"{name} must be {need}, got {array.shape}")
    if bound:
        if np.isnan(array).any():
            raise ConfigError(f"{name} holds NaN")
    elif not np.isfinite(array).all():
        raise ConfigError(f"{name} must be finite")
    return array


def _pair(
    matrix_name: str, matrix: ArrayLike | None, name: str, values: ArrayLike | None, n: int
) -> tuple[_Floats | None, _Floats | None]:
    if (matrix is None) != (values is None):
        raise ShapeError(f"{matrix_name} and {name} must be given together")
    if matrix is None or values is None:
        return None, None
    right = _array(name, values, 1, None, bound=True)
    if len(right) == 0:
        return None, None
    return _array(matrix_name, matrix, 2, (len(right), n)), right


def _box(
    lb: ArrayLike | None, ub: ArrayLike | None, n: int
) -> tuple[_Floats | None, _Floats | None]:
    if lb is None and ub is None:
        return None, None
    low = np.full(n, -np.inf) if lb is None else _array("lb", lb, 1, (n,), bound=True)
    high = np.full(n, np.inf) if ub is None else _array("ub", ub, 1, (n,), bound=True)
    crossed = np.flatnonzero(low > high)
    if len(crossed):
        raise ConfigError(f"lb must not exceed ub, not so at {int(crossed[0])}")
    return low, high
