"""The optimal-control quadratic programme as arrays.

Shapes   N = horizon, nx states, nu inputs, m soft rows per stage. Time-invariant data may leave out
         the stage axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError

__all__ = ["OcpQp", "SoftRows"]

_Floats = NDArray[np.float64]

_NO_BOUND = 1e30


class SoftRows(NamedTuple):
    """Constraints C x >= lower - s, s >= 0, at the price l1 s + l2 s^2 / 2; stages 1 to N."""

    C: ArrayLike
    """(m, nx) or (N + 1, m, nx)"""
    lower: ArrayLike
    """(m,) or (N + 1, m)"""
    l1: ArrayLike = 1e3
    """> 0; scalar, (m,) or (N + 1, m)"""
    l2: ArrayLike = 1.0
    """> 0; scalar, (m,) or (N + 1, m)"""


class OcpQp:
    """minimise sum_k x'Q x / 2 + q'x + u'R u / 2 + r'u over x[k+1] = A x[k] + B u[k] + b.

    Args:
        A: (nx, nx) or (N, nx, nx)          B: (nx, nu) or (N, nx, nu)
        Q: (nx, nx) or (N + 1, nx, nx), symmetric, positive semi-definite
        R: (nu, nu) or (N, nu, nu), symmetric, positive definite
        N: horizon; may be left out when an argument has a stage axis
        b, q, r: (nx,), (nx,), (nu,) or with a stage axis; zero when left out
        lbx, ubx, lbu, ubu: bounds, None or +-1e30 for none; x[0] is given and not bounded
        P: (nx, nx) terminal cost in the place of the last Q
        soft: constraints that may be violated at a price

    Raises:
        ShapeError: an array has another shape; it is named.
        ConfigError: a value is NaN, bounds are crossed, a weight is not positive, N is missing.
    """

    def __init__(
        self,
        *,
        A: ArrayLike,
        B: ArrayLike,
        Q: ArrayLike,
        R: ArrayLike,
        N: int | None = None,
        b: ArrayLike | None = None,
        q: ArrayLike | None = None,
        r: ArrayLike | None = None,
        lbx: ArrayLike | None = None,
        ubx: ArrayLike | None = None,
        lbu: ArrayLike | None = None,
        ubu: ArrayLike | None = None,
        P: ArrayLike | None = None,
        soft: SoftRows | None = None,
    ) -> None:
        a, b_matrix = np.asarray(A, np.float64), np.asarray(B, np.float64)
        if a.ndim not in (2, 3) or b_matrix.ndim not in (2, 3):
            raise ShapeError(f"A and B must be (nx, nx), (nx, nu), got {a.shape}, {b_matrix.shape}")
        self.nx, self.nu = int(a.shape[-1]), int(b_matrix.shape[-1])
        self.N = _horizon(N, a, b_matrix, np.asarray(R, np.float64))
        n, m, stages = self.nx, self.nu, self.N
        if not (1 <= n <= 64 and 1 <= m <= 32 and 1 <= stages <= 1000):
            raise ConfigError(f"need nx <= 64, nu <= 32, 1 <= N <= 1000, got {n}, {m}, {stages}")
        none, low, high = 0.0, -_NO_BOUND, _NO_BOUND
        self.arrays: dict[str, _Floats] = {
            "A": _stages("A", A, stages, (n, n), none),
            "B": _stages("B", B, stages, (n, m), none),
            "b": _stages("b", b, stages, (n,), none),
            "Q": _stages("Q", Q, stages + 1, (n, n), none),
            "R": _stages("R", R, stages, (m, m), none),
            "q": _stages("q", q, stages + 1, (n,), none),
            "r": _stages("r", r, stages, (m,), none),
            "lbx": _stages("lbx", lbx, stages + 1, (n,), low),
            "ubx": _stages("ubx", ubx, stages + 1, (n,), high),
            "lbu": _stages("lbu", lbu, stages, (m,), low),
            "ubu": _stages("ubu", ubu, stages, (m,), high),
        }
        if P is not None:
            self.arrays["Q"][-1] = _stages("P", P, 1, (n, n), none)[0]
        self.rows = 0 if soft is None else int(np.asarray(soft.C).shape[-2])
        self.arrays |= _soft(soft, stages + 1, self.rows, n)
        self._check()

    def _check(self) -> None:
        for name, array in self.arrays.items():
            if np.isnan(array).any():
                raise ConfigError(f"{name} holds NaN")
            if name not in ("lbx", "ubx", "lbu", "ubu") and not np.isfinite(array).all():
                raise ConfigError(f"{name} must be finite")
        for low, high in (("lbx", "ubx"), ("lbu", "ubu")):
            crossed = np.argwhere(self.arrays[low] >= self.arrays[high])
            if len(crossed):
                raise ConfigError(f"{low} must be below {high}, not so at {tuple(crossed[0])}")
        for name in ("Q", "R"):
            array = self.arrays[name]
            if not np.allclose(array, np.swapaxes(array, 1, 2), rtol=1e-9, atol=1e-12):
                raise ConfigError(f"{name} must be symmetric")
        for name in ("l1", "l2"):
            if (self.arrays[name] <= 0).any():
                raise ConfigError(f"soft.{name} must be positive")


def _horizon(N: int | None, *arrays: _Floats) -> int:
    lengths = {len(a) for a in arrays if a.ndim == 3}
    if N is not None:
        lengths.add(int(N))
    if len(lengths) != 1:
        came = sorted(lengths) or "none"
        raise ConfigError(f"N must be given once, by N or by the stage axis of A, B, R; got {came}")
    return lengths.pop()


def _stages(
    name: str, values: ArrayLike | None, stages: int, shape: tuple[int, ...], default: float
) -> _Floats:
    if values is None:
        return np.full((stages, *shape), default)
    array = np.asarray(values, np.float64)
    full = (stages, *shape)
    if array.shape not in (shape, full):
        raise ShapeError(f"{name} must be {shape} or {full}, got {array.shape}")
    return np.array(np.broadcast_to(array, full), order="C")


def _soft(soft: SoftRows | None, stages: int, rows: int, nx: int) -> dict[str, _Floats]:
    if soft is None:
        return {"C": np.zeros((stages, 0, nx))} | {
            name: np.zeros((stages, 0)) for name in ("lower", "l1", "l2")
        }
    weights = {
        name: np.broadcast_to(np.asarray(value, np.float64), (rows,))
        if np.ndim(value) == 0
        else value
        for name, value in (("l1", soft.l1), ("l2", soft.l2))
    }
    return {
        "C": _stages("soft.C", soft.C, stages, (rows, nx), 0.0),
        "lower": _stages("soft.lower", soft.lower, stages, (rows,), 0.0),
        "l1": _stages("soft.l1", weights["l1"], stages, (rows,), 0.0),
        "l2": _stages("soft.l2", weights["l2"], stages, (rows,), 0.0),
    }
