"""Problems of the data folder, as every peer wants them: stage-wise, stacked sparse, condensed.

Stacked  z = (u_0, x_1, u_1, x_2, ..., u_{N-1}, x_N), dynamics as equalities.
Condensed  v = (u_0, ..., u_{N-1}), states eliminated: x = X x_0 + U v + e.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Condensed", "Floats", "OcpFile", "Stacked", "infinite"]

Floats = NDArray[np.float64]

NO_BOUND = 1e29


@dataclass(frozen=True)
class Stacked:
    """minimise 1/2 z'Pz + q'z, E z = e0 + E0 x_0, lb <= z <= ub; csc matrices."""

    P: Any
    q: Floats
    E: Any
    e: Floats
    x0_rows: Floats  # (nx, nx): of the first equalities
    lb: Floats
    ub: Floats

    def right_hand_side(self, x0: Floats) -> Floats:
        e = self.e.copy()
        e[: len(x0)] -= self.x0_rows @ x0
        return e


@dataclass(frozen=True)
class Condensed:
    """minimise 1/2 v'Hv + (f + F x_0)'v, lb <= v <= ub, low - L x_0 <= G v <= high - L x_0."""

    H: Floats
    f: Floats
    F: Floats
    lb: Floats
    ub: Floats
    G: Floats
    low: Floats
    high: Floats
    L: Floats


class OcpFile:
    """One file of mpc/ocp with its reference solution."""

    def __init__(self, path: Path) -> None:
        d = dict(np.load(path))
        N = int(d["N"])
        if len(d["A"]) != N:  # long horizons store one A, B, b, R and Q = [stage, terminal]
            for name in ("A", "B", "b", "R"):
                d[name] = np.repeat(d[name][:1], N, axis=0)
            d["Q"] = np.concatenate([np.repeat(d["Q"][:1], N, axis=0), d["Q"][-1:]])
        self._take(d)

    @classmethod
    def from_arrays(cls, *, N: int, x0: Floats, **stage: Floats) -> OcpFile:
        """A time-invariant problem without linear terms, and without a reference."""
        n, m = stage["B"].shape
        d = {"N": np.array(N), "x0": x0, "obj": np.array(np.nan)}
        d |= {"b": np.zeros((N, n)), "q": np.zeros((N + 1, n)), "r": np.zeros((N, m))}
        for name, value in stage.items():
            stages = N + 1 if name in ("Q", "lbx", "ubx") else N
            d[name] = np.repeat(value[None], stages, axis=0)
        problem = cls.__new__(cls)
        problem._take(d)
        return problem

    def _take(self, d: dict[str, Floats]) -> None:
        self.arrays, self.N = d, int(d["N"])
        self.nx, self.nu = d["A"].shape[-1], d["B"].shape[-1]
        self.x0: Floats = d["x0"]
        self.objective = float(d["obj"])

    def ocp_arguments(self) -> dict[str, Any]:
        names = ("A", "B", "b", "Q", "R", "q", "r", "lbx", "ubx", "lbu", "ubu")
        return {name: self.arrays[name] for name in names}

    # --- judging an answer, the same for everybody ---

    def states(self, u: Floats) -> Floats:
        """x_1 .. x_N (N, nx) that follow from the inputs (N, nu)."""
        d, x = self.arrays, [self.x0]
        for k in range(self.N):
            x.append(d["A"][k] @ x[k] + d["B"][k] @ u[k] + d["b"][k])
        return np.array(x[1:])

    def cost(self, u: Floats, x: Floats | None = None) -> float:
        """Objective without the x_0 terms."""
        d, u = self.arrays, u.reshape(self.N, self.nu)
        x = self.states(u) if x is None else x
        total = 0.5 * np.einsum("ki,kij,kj->", u, d["R"], u) + (d["r"] * u).sum()
        total += 0.5 * np.einsum("ki,kij,kj->", x, d["Q"][1:], x) + (d["q"][1:] * x).sum()
        return float(total)

    def judge(self, u: Floats, x: Floats | None = None) -> tuple[float, float]:
        """(largest violation of dynamics and bounds, distance of the objective from the reference),
        both relative. States are rolled out where a solver has eliminated them.
        """
        d, u = self.arrays, u.reshape(self.N, self.nu)
        x = self.states(u) if x is None else x
        before = np.vstack([self.x0, x[:-1]])
        follow = np.einsum("kij,kj->ki", d["A"], before) + np.einsum("kij,kj->ki", d["B"], u)
        violation = max(
            float(np.abs(follow + d["b"] - x).max()),
            float((d["lbu"] - u).max()),
            float((u - d["ubu"]).max()),
            float((d["lbx"][1:] - x).max()),
            float((x - d["ubx"][1:]).max()),
        )
        scale = max(1.0, float(np.abs(x).max()), float(np.abs(u).max()))
        off = abs(self.cost(u, x) - self.objective) / max(1.0, abs(self.objective))
        return violation / scale, off

    # --- the forms ---

    @cached_property
    def stacked(self) -> Stacked:
        d, n, N = self.arrays, self.nx, self.N
        blocks, q, lb, ub = [], [], [], []
        rows: list[list[Any]] = [[None] * (2 * N) for _ in range(N)]
        for k in range(N):
            blocks += [d["R"][k], d["Q"][k + 1]]
            q += [d["r"][k], d["q"][k + 1]]
            lb += [d["lbu"][k], d["lbx"][k + 1]]
            ub += [d["ubu"][k], d["ubx"][k + 1]]
            rows[k][2 * k] = sparse.csc_matrix(d["B"][k])
            rows[k][2 * k + 1] = -sparse.eye(n)
            if k > 0:
                rows[k][2 * k - 1] = sparse.csc_matrix(d["A"][k])
        P = sparse.csc_matrix(sparse.block_diag(blocks))
        E = sparse.csc_matrix(sparse.block_array(rows))
        for matrix in (P, E):
            matrix.eliminate_zeros()
            matrix.sort_indices()
        return Stacked(
            P, np.concatenate(q), E, -d["b"].ravel(), d["A"][0],
            infinite(np.concatenate(lb)), infinite(np.concatenate(ub)),
        )  # fmt: skip

    def split(self, z: Floats) -> tuple[Floats, Floats]:
        """u (N, nu), x_1 .. x_N (N, nx) of a stacked z."""
        stages = z.reshape(self.N, self.nu + self.nx)
        return stages[:, : self.nu], stages[:, self.nu :]

    @cached_property
    def condensed(self) -> Condensed:
        d, n, m, N = self.arrays, self.nx, self.nu, self.N
        X, U, e = np.zeros((N, n, n)), np.zeros((N, n, N * m)), np.zeros((N, n))
        for k in range(N):
            before = (np.eye(n), np.zeros((n, N * m)), np.zeros(n))
            Xp, Up, ep = before if k == 0 else (X[k - 1], U[k - 1], e[k - 1])
            X[k], U[k], e[k] = d["A"][k] @ Xp, d["A"][k] @ Up, d["A"][k] @ ep + d["b"][k]
            U[k][:, k * m : (k + 1) * m] += d["B"][k]
        Q = d["Q"][1:]
        H = np.einsum("kia,kij,kjb->ab", U, Q, U, optimize=True)
        for k in range(N):
            H[k * m : (k + 1) * m, k * m : (k + 1) * m] += d["R"][k]
        lin = d["q"][1:] + np.einsum("kij,kj->ki", Q, e)
        f = np.einsum("kia,ki->a", U, lin) + d["r"].ravel()
        F = np.einsum("kia,kij,kjb->ab", U, Q, X, optimize=True)
        low, high = d["lbx"][1:].ravel(), d["ubx"][1:].ravel()
        kept = (low > -NO_BOUND) | (high < NO_BOUND)
        G, L, offset = U.reshape(N * n, -1)[kept], X.reshape(N * n, n)[kept], e.ravel()[kept]
        return Condensed(
            0.5 * (H + H.T), f, F, infinite(d["lbu"].ravel()), infinite(d["ubu"].ravel()),
            np.ascontiguousarray(G), infinite(low[kept]) - offset, infinite(high[kept]) - offset,
            np.ascontiguousarray(L),
        )  # fmt: skip


def infinite(bound: Floats) -> Floats:
    """The files' 1e30 as infinity."""
    return np.where(bound >= NO_BOUND, np.inf, np.where(bound <= -NO_BOUND, -np.inf, bound))
