"""Linear-quadratic regulators: gains, costs to go, and the set in which they keep their bounds.

Source   Bertsekas, *Dynamic Programming and Optimal Control*, vol. 1; Gilbert & Tan, "Linear
         systems with state and control constraints", IEEE TAC 36(9) (1991).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError, SolverError

__all__ = ["Gains", "Polytope", "Regulator", "dare", "finite_horizon", "invariant_set"]

_Floats = NDArray[np.float64]


class Regulator(NamedTuple):
    """u = -K x, and x'P x / 2 what it costs from x on."""

    P: _Floats
    """(nx, nx)"""
    K: _Floats
    """(nu, nx)"""


class Gains(NamedTuple):
    """u_k = -K[k] x_k, and x'P[k] x / 2 what it costs from stage k on."""

    P: _Floats
    """(N + 1, nx, nx)"""
    K: _Floats
    """(N, nu, nx)"""


class Polytope(NamedTuple):
    """The x with H x <= h."""

    H: _Floats
    """(m, nx)"""
    h: _Floats
    """(m,)"""


def _matrices(
    A: ArrayLike, B: ArrayLike, Q: ArrayLike, R: ArrayLike, S: ArrayLike | None
) -> tuple[_Floats, _Floats, _Floats, _Floats, _Floats]:
    a, b = np.asarray(A, np.float64), np.asarray(B, np.float64)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"A must be (nx, nx), got {a.shape}")
    n = len(a)
    if b.ndim != 2 or len(b) != n:
        raise ShapeError(f"B must be ({n}, nu), got {b.shape}")
    m = b.shape[1]
    q, r = np.asarray(Q, np.float64), np.asarray(R, np.float64)
    s = np.zeros((m, n)) if S is None else np.asarray(S, np.float64)
    for name, value, shape in (("Q", q, (n, n)), ("R", r, (m, m)), ("S", s, (m, n))):
        if value.shape != shape:
            raise ShapeError(f"{name} must be {shape}, got {value.shape}")
    for name, value in (("A", a), ("B", b), ("Q", q), ("R", r), ("S", s)):
        if not np.isfinite(value).all():
            raise ConfigError(f"{name} must be finite")
    return a, b, q, r, s


def dare(
    A: ArrayLike, B: ArrayLike, Q: ArrayLike, R: ArrayLike, S: ArrayLike | None = None
) -> Regulator:
    """The regulator of an endless horizon; its P is the terminal cost that makes an MPC stable.

    minimise sum_k x'Q x / 2 + u'R u / 2 + u'S x over x[k+1] = A x[k] + B u[k].

    Args:
        A: (nx, nx)   B: (nx, nu)   Q: (nx, nx)   R: (nu, nu)   S: (nu, nx), zero when left out

    Raises:
        ShapeError, ConfigError: an argument is no good; it is named.
        SolverError: no stabilising solution: an unstable mode that no input reaches, or R + B'PB
            singular.

    Example:
        >>> from optcore.mpc.lqr import dare
        >>> r = dare([[1.0]], [[1.0]], [[1.0]], [[1.0]])
        >>> round(float(r.P[0, 0]), 6), round(float(r.K[0, 0]), 6)
        (1.618034, 0.618034)
    """
    from scipy.linalg import LinAlgError, solve, solve_discrete_are

    a, b, q, r, s = _matrices(A, B, Q, R, S)
    try:
        P = solve_discrete_are(a, b, q, r, s=s.T)
        P = 0.5 * (P + P.T)
        K = solve(r + b.T @ P @ b, b.T @ P @ a + s, assume_a="sym")
    except (LinAlgError, ValueError) as error:
        raise SolverError(f"no stabilising solution of the Riccati equation: {error}") from error
    radius = float(np.abs(np.linalg.eigvals(a - b @ K)).max())
    if not radius < 1:
        raise SolverError(f"no stabilising solution: the closed loop has radius {radius:.6g}")
    return Regulator(P, K)


def finite_horizon(
    A: ArrayLike,
    B: ArrayLike,
    Q: ArrayLike,
    R: ArrayLike,
    N: int,
    P: ArrayLike | None = None,
    S: ArrayLike | None = None,
) -> Gains:
    """Gains of N stages before the terminal cost x'P x / 2 (Q when left out).

    Raises:
        ShapeError, ConfigError: an argument is no good; it is named.
        SolverError: R + B'PB is not positive definite at some stage.
    """
    a, b, q, r, s = _matrices(A, B, Q, R, S)
    if N < 1:
        raise ConfigError(f"N must be at least 1, got {N}")
    last = q if P is None else np.asarray(P, np.float64)
    if last.shape != q.shape:
        raise ShapeError(f"P must be {q.shape}, got {last.shape}")
    costs, gains = np.empty((N + 1, *q.shape)), np.empty((N, *s.shape))
    costs[N] = last
    for k in range(N - 1, -1, -1):
        reach = costs[k + 1] @ b
        try:
            factor = np.linalg.cholesky(r + b.T @ reach)
        except np.linalg.LinAlgError as error:
            raise SolverError(f"R + B'PB is not positive definite at stage {k}") from error
        cross = np.linalg.solve(factor, reach.T @ a + s)
        gains[k] = np.linalg.solve(factor.T, cross)
        value = q + a.T @ costs[k + 1] @ a - cross.T @ cross
        costs[k] = 0.5 * (value + value.T)
    return Gains(costs, gains)


def invariant_set(
    A: ArrayLike, H: ArrayLike, h: ArrayLike, *, max_iterations: int = 100, tolerance: float = 1e-9
) -> Polytope:
    """The largest set inside H x <= h that x[k+1] = A x[k] never leaves: an MPC's terminal set.

    For a regulator u = -K x give A - B K, and the bounds of inputs as rows of -K.

    Args:
        A: (nx, nx), stable            H, h: (m, nx), (m,) with h > 0
        max_iterations: steps looked ahead before giving up
        tolerance: a step that tightens no bound by more ends the search

    Raises:
        ShapeError, ConfigError: an argument is no good; it is named.
        SolverError: the search did not end, or the set is unbounded where it must not be.
    """
    from scipy.optimize import linprog

    a, rows, limit = (np.asarray(v, np.float64) for v in (A, H, h))
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"A must be (nx, nx), got {a.shape}")
    if rows.ndim != 2 or rows.shape[1] != len(a):
        raise ShapeError(f"H must be (m, {len(a)}), got {rows.shape}")
    if limit.shape != (len(rows),):
        raise ShapeError(f"h must be ({len(rows)},), got {limit.shape}")
    if not (limit > 0).all():
        raise ConfigError("h must be positive: the origin must lie inside")
    radius = float(np.abs(np.linalg.eigvals(a)).max())
    if not radius < 1:
        raise ConfigError(f"A must be stable, its spectral radius is {radius:.6g}")

    def support(direction: _Floats, inside: _Floats, bound: _Floats) -> float:
        found = linprog(-direction, inside, bound, bounds=(None, None), method="highs")
        if found.status == 3:  # unbounded
            return np.inf
        if found.status != 0:
            raise SolverError(f"a linear programme of the set failed: {found.message}")
        return -float(found.fun)

    inside, bound, ahead = rows, limit, rows @ a
    for _ in range(max_iterations):
        new = [
            i for i in range(len(rows)) if support(ahead[i], inside, bound) > limit[i] + tolerance
        ]
        if not new:
            return _without_redundant(inside, bound, support, tolerance)
        inside, bound = np.vstack([inside, ahead[new]]), np.r_[bound, limit[new]]
        ahead = ahead @ a
    raise SolverError(f"no invariant set after {max_iterations} steps: bounds may not hold x")


def _without_redundant(H: _Floats, h: _Floats, support: object, tolerance: float) -> Polytope:
    assert callable(support)
    kept = list(range(len(h)))
    for i in range(len(h)):
        others = [k for k in kept if k != i]
        if others and support(H[i], H[others], h[others]) <= h[i] + tolerance:
            kept = others
    return Polytope(H[kept], h[kept])
