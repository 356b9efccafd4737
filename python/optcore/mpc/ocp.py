"""The optimal-control quadratic programme as arrays.

Shapes   N = horizon, nx states, nu inputs, g hard and m soft rows per stage. Time-invariant data
         may leave out the stage axis.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError
from optcore.mpc.augment import NO_BOUND, with_free_start, with_rates

__all__ = ["OcpQp", "SoftRows", "TerminalSet"]

_Floats = NDArray[np.float64]


class SoftRows(NamedTuple):
    """Constraints C x >= lower - s, s >= 0, at the price l1 s + l2 s^2 / 2; stages 1 to N."""

    C: ArrayLike
    """(m, nx) or (N + 1, m, nx)"""
    lower: ArrayLike
    """(m,) or (N + 1, m)"""
    l1: ArrayLike = 1e3
    """>= 0; scalar, (m,) or (N + 1, m)"""
    l2: ArrayLike = 1.0
    """>= 0, positive where l1 is zero; scalar, (m,) or (N + 1, m)"""


class TerminalSet(NamedTuple):
    """Hard rows lower <= C x[N] <= upper."""

    C: ArrayLike
    """(t, nx)"""
    lower: ArrayLike
    """(t,)"""
    upper: ArrayLike
    """(t,)"""


class OcpQp:
    """minimise sum_k x'Q x / 2 + q'x + u'R u / 2 + u'S x + r'u over x[k+1] = A x[k] + B u[k] + b.

    Args:
        A: (nx, nx) or (N, nx, nx)          B: (nx, nu) or (N, nx, nu)
        Q: (nx, nx) or (N + 1, nx, nx), symmetric, positive semi-definite
        R: (nu, nu) or (N, nu, nu), symmetric, positive semi-definite
        N: horizon; may be left out when an argument has a stage axis
        b, q, r: (nx,), (nx,), (nu,) or with a stage axis; zero when left out
        S: (nu, nx) or (N, nu, nx); zero when left out
        lbx, ubx, lbu, ubu: bounds, None or +-1e30 for none; x[0] is given and not bounded
        C, D, lg, ug: hard rows lg <= C x + D u <= ug: (g, nx), (g, nu), (g,), (g,) or with a stage
            axis of N + 1 (D: N); rows without D do not hold at stage 0
        P: (nx, nx) terminal cost in the place of the last Q
        terminal: rows of the last state
        soft: constraints that may be violated at a price
        rate: (lower, upper), both (nu,): bounds of u[k] - u[k-1]; solve() then takes the last input
        free_x0: the first state is chosen too (nx <= 32); lbx[0], ubx[0], Q[0], q[0] then count

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
        S: ArrayLike | None = None,
        lbx: ArrayLike | None = None,
        ubx: ArrayLike | None = None,
        lbu: ArrayLike | None = None,
        ubu: ArrayLike | None = None,
        C: ArrayLike | None = None,
        D: ArrayLike | None = None,
        lg: ArrayLike | None = None,
        ug: ArrayLike | None = None,
        P: ArrayLike | None = None,
        terminal: TerminalSet | None = None,
        soft: SoftRows | None = None,
        rate: tuple[ArrayLike, ArrayLike] | None = None,
        free_x0: bool = False,
    ) -> None:
        self._given: dict[str, Any] = {
            name: value for name, value in locals().items() if name not in ("self", "__class__")
        }
        a, b_matrix = np.asarray(A, np.float64), np.asarray(B, np.float64)
        if a.ndim not in (2, 3) or b_matrix.ndim not in (2, 3):
            raise ShapeError(f"A and B must be (nx, nx), (nx, nu), got {a.shape}, {b_matrix.shape}")
        self.nx, self.nu = int(a.shape[-1]), int(b_matrix.shape[-1])
        self.N = _horizon(N, a, b_matrix, np.asarray(R, np.float64))
        n, m, stages = self.nx, self.nu, self.N
        none, low, high = 0.0, -NO_BOUND, NO_BOUND
        self.arrays: dict[str, _Floats] = {
            "A": _stages("A", A, stages, (n, n), none),
            "B": _stages("B", B, stages, (n, m), none),
            "b": _stages("b", b, stages, (n,), none),
            "Q": _stages("Q", Q, stages + 1, (n, n), none),
            "R": _stages("R", R, stages, (m, m), none),
            "S": _stages("S", S, stages, (m, n), none),
            "q": _stages("q", q, stages + 1, (n,), none),
            "r": _stages("r", r, stages, (m,), none),
            "lbx": _stages("lbx", lbx, stages + 1, (n,), low),
            "ubx": _stages("ubx", ubx, stages + 1, (n,), high),
            "lbu": _stages("lbu", lbu, stages, (m,), low),
            "ubu": _stages("ubu", ubu, stages, (m,), high),
        }
        if P is not None:
            self.arrays["Q"][-1] = _stages("P", P, 1, (n, n), none)[0]
        blocks = [
            _hard(C, D, lg, ug, stages, n, m, free_x0),
            _terminal(terminal, stages, n, m),
            _soft(soft, stages, n, m),
        ]
        for name in ("C", "D", "lg", "ug", "l1", "l2"):
            self.arrays[name] = np.concatenate([block[name] for block in blocks], axis=1)
        self._check()
        self.has_rates, self.free_x0 = rate is not None, free_x0
        if rate is not None:
            bounds = [_stages("rate", each, 1, (m,), none)[0] for each in rate]
            self.arrays = with_rates(self.arrays, *bounds)
        if free_x0:
            self.arrays = with_free_start(self.arrays)
        self._check_sizes()

    def replaced(self, **changes: Any) -> OcpQp:
        """The same problem with some arguments changed."""
        unknown = set(changes) - set(self._given)
        if unknown:
            raise ConfigError(f"no such argument of OcpQp: {', '.join(sorted(unknown))}")
        return OcpQp(**{**self._given, **changes})

    @property
    def size(self) -> tuple[int, int, int, int]:
        """States, inputs, horizon and rows of the arrays, which rates and a free x0 make larger."""
        stages, n, m = self.arrays["B"].shape
        return n, m, stages, self.arrays["lg"].shape[1]

    def _check_sizes(self) -> None:
        n, m, stages, _ = self.size
        if not (1 <= n <= 64 and 1 <= m <= 32 and 1 <= stages <= 1001):
            raise ConfigError(f"need nx <= 64, nu <= 32, 1 <= N <= 1000, got {n}, {m}, {stages}")

    def _check(self) -> None:
        limits = ("lbx", "ubx", "lbu", "ubu", "lg", "ug")
        for name, array in self.arrays.items():
            if np.isnan(array).any():
                raise ConfigError(f"{name} holds NaN")
            if name not in limits and not np.isfinite(array).all():
                raise ConfigError(f"{name} must be finite")
        for low, high in (("lbx", "ubx"), ("lbu", "ubu"), ("lg", "ug")):
            crossed = np.argwhere(self.arrays[low] > self.arrays[high])
            if len(crossed):
                raise ConfigError(f"{low} must not exceed {high}, as at {tuple(crossed[0])}")
        for name in ("Q", "R"):
            array = self.arrays[name]
            if not np.allclose(array, np.swapaxes(array, 1, 2), rtol=1e-9, atol=1e-12):
                raise ConfigError(f"{name} must be symmetric")
        for name in ("l1", "l2"):
            if (self.arrays[name] < 0).any():
                raise ConfigError(f"soft.{name} must not be negative")
        if (self.arrays["l1"] + self.arrays["l2"] <= 0).any():
            raise ConfigError("soft.l1 or soft.l2 must be positive")


def _horizon(N: int | None, *arrays: _Floats) -> int:
    lengths = {len(a) for a in arrays if a.ndim == 3}
    if N is not None:
        lengths.add(int(N))
    if len(lengths) != 1 or 0 in lengths:
        came = sorted(lengths) or "none"
        raise ConfigError(f"N must be given once, by N or by the stage axis of A, B, R; got {came}")
    return lengths.pop()


def _stages(
    name: str, values: ArrayLike | None, stages: int, shape: tuple[int, ...], default: float
) -> _Floats:
    full = (stages, *shape)
    if values is None:
        return np.full(full, default)
    array = np.asarray(values, np.float64)
    if array.shape not in (shape, full):
        raise ShapeError(f"{name} must be {shape} or {full}, got {array.shape}")
    return np.array(np.broadcast_to(array, full), order="C")


def _rows(stages: int, n: int, m: int, rows: int) -> dict[str, _Floats]:
    """Hard rows without limits."""
    return {
        "C": np.zeros((stages + 1, rows, n)),
        "D": np.zeros((stages, rows, m)),
        "lg": np.full((stages + 1, rows), -NO_BOUND),
        "ug": np.full((stages + 1, rows), NO_BOUND),
        "l1": np.full((stages + 1, rows), NO_BOUND),
        "l2": np.zeros((stages + 1, rows)),
    }


def _hard(
    C: ArrayLike | None,
    D: ArrayLike | None,
    lg: ArrayLike | None,
    ug: ArrayLike | None,
    stages: int,
    n: int,
    m: int,
    free_x0: bool,
) -> dict[str, _Floats]:
    if C is None and D is None:
        if lg is not None or ug is not None:
            raise ConfigError("lg and ug need C or D")
        return _rows(stages, n, m, 0)
    rows = int(np.asarray(C if C is not None else D).shape[-2])
    out = _rows(stages, n, m, rows)
    out["C"] = _stages("C", C, stages + 1, (rows, n), 0.0)
    out["D"] = _stages("D", D, stages, (rows, m), 0.0)
    out["lg"] = _stages("lg", lg, stages + 1, (rows,), -NO_BOUND)
    out["ug"] = _stages("ug", ug, stages + 1, (rows,), NO_BOUND)
    if not free_x0:
        given = ~out["D"][0].any(axis=1)  # x0 is what it is
        out["lg"][0, given], out["ug"][0, given] = -NO_BOUND, NO_BOUND
    return out


def _terminal(terminal: TerminalSet | None, stages: int, n: int, m: int) -> dict[str, _Floats]:
    if terminal is None:
        return _rows(stages, n, m, 0)
    rows = int(np.asarray(terminal.C).shape[0])
    out = _rows(stages, n, m, rows)
    out["C"][-1] = _stages("terminal.C", terminal.C, 1, (rows, n), 0.0)[0]
    out["lg"][-1] = _stages("terminal.lower", terminal.lower, 1, (rows,), 0.0)[0]
    out["ug"][-1] = _stages("terminal.upper", terminal.upper, 1, (rows,), 0.0)[0]
    return out


def _soft(soft: SoftRows | None, stages: int, n: int, m: int) -> dict[str, _Floats]:
    if soft is None:
        return _rows(stages, n, m, 0)
    rows = int(np.asarray(soft.C).shape[-2])
    out = _rows(stages, n, m, rows)
    out["C"] = _stages("soft.C", soft.C, stages + 1, (rows, n), 0.0)
    out["lg"] = _stages("soft.lower", soft.lower, stages + 1, (rows,), 0.0)
    out["lg"][0] = -NO_BOUND
    for name, value in (("l1", soft.l1), ("l2", soft.l2)):
        weights = (
            np.broadcast_to(np.asarray(value, np.float64), (rows,))
            if np.ndim(value) == 0
            else value
        )
        out[name] = _stages(f"soft.{name}", weights, stages + 1, (rows,), 0.0)
    return out
