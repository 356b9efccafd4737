"""How the plan changes with the problem: derivatives of a solution, forward and adjoint.

At a solution the bounds and rows that are active stay active under small changes (strict
complementarity apart), so the plan solves a linear system in the data: the optimality conditions
with the active ones as equalities and violated soft rows as part of the cost. One sparse
factorisation of it, banded by stages and so linear in N, serves any number of directions.

Source   Fiacco, *Introduction to Sensitivity and Stability Analysis in Nonlinear Programming*
         (1983); Amos & Kolter, "OptNet", ICML (2017), for the adjoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from optcore.errors import ConfigError, ShapeError, SolverError
from optcore.mpc.augment import with_free_start, with_rates
from optcore.mpc.ocp import OcpQp
from optcore.mpc.solver import Solution

__all__ = ["Sensitivity"]

_Floats = NDArray[np.float64]
_Arrays = dict[str, _Floats]

_NO_BOUND = 1e29
_DATA = ("A", "B", "b", "Q", "R", "S", "q", "r", "lbx", "ubx", "lbu", "ubu", "C", "D", "lg", "ug")


class Sensitivity:
    """Derivatives of the plan of one solved problem.

    Args:
        problem: of any form that OcpQp takes
        solution: of that problem, status "ok", to a tolerance well below `active`
        active: a bound or row counts as active when the plan is nearer than this, relative to its
            size, and its multiplier pushes outwards
        last_input: (nu,) that solve() was given, for problems with rates

    Raises:
        ConfigError: the solution is none.
        SolverError: the conditions are singular at this solution.

    Example:
        >>> import numpy as np
        >>> from optcore.mpc import OcpQp, QpSolver
        >>> from optcore.mpc.sensitivity import Sensitivity
        >>> qp = OcpQp(A=[[1.0]], B=[[1.0]], Q=[[1.0]], R=[[1.0]], N=30)
        >>> s = Sensitivity(qp, QpSolver(qp).solve([1.0]))
        >>> du, dx = s.forward(x0=[1.0])
        >>> float(du[0, 0].round(6))  # minus the gain of the endless horizon
        -0.618034
    """

    def __init__(
        self,
        problem: OcpQp,
        solution: Solution,
        active: float = 1e-6,
        last_input: ArrayLike | None = None,
    ) -> None:
        if solution.status != "ok":
            raise ConfigError(f"solution must have status ok, got {solution.status}")
        self._problem, self._arrays = problem, problem.arrays
        self.N, self.nx, self.nu = problem.N, problem.nx, problem.nu
        self._n, self._m, self._stages, _ = problem.size  # rates and a free x0 make them larger
        self._w = self._n + self._m
        self._x, self._u = self._plan(solution, last_input)
        self._find_active(active)

    @property
    def active(self) -> int:
        """Active bounds and rows."""
        return len(self._index)

    def forward(self, **changes: ArrayLike) -> tuple[_Floats, _Floats]:
        """Change of the plan for a change of the data.

        Args:
            changes: x0 (nx,), last_input (nu,), rate_lower and rate_upper (nu,), and any of A, B,
                b, Q, R, S, q, r, lbx, ubx, lbu, ubu, C, D, lg, ug, each with its stage axis or
                without; C, D, lg, ug hold the hard, then the terminal, then the soft rows. A
                reference xr with q = -Q xr changes q by -Q dxr.

        Returns:
            du (N, nu), dx (N + 1, nx)
        """
        d, dx0 = self._wide(changes)
        n, m, N, x, u = self._n, self._m, self._stages, self._x, self._u
        grad_u = d["r"] + np.einsum("kij,kj->ki", d["R"], u)
        grad_u += np.einsum("kij,kj->ki", d["S"], x[:-1])
        grad_u += np.einsum("kji,kj->ki", d["B"], self._costate)
        grad_u[0] += self._arrays["S"][0] @ dx0
        grad_x = d["q"][1:] + np.einsum("kij,kj->ki", d["Q"][1:], x[1:])
        grad_x[:-1] += np.einsum("kji,kj->ki", d["A"][1:], self._costate[1:])
        grad_x[:-1] += np.einsum("kji,kj->ki", d["S"][1:], u[1:])
        dynamics = d["b"] + np.einsum("kij,kj->ki", d["A"], x[:-1])
        dynamics += np.einsum("kij,kj->ki", d["B"], u)
        dynamics[0] += self._arrays["A"][0] @ dx0
        moved = self._limits(d)  # of all bounds and rows, on the side that matters
        rows = np.einsum("kij,kj->ki", d["C"], x)
        rows[:N] += np.einsum("kij,kj->ki", d["D"], u)
        rows[0] += self._arrays["C"][0] @ dx0
        moved[N * self._w :] -= rows.ravel()
        push = self._row_push
        grad_u += np.einsum("kij,ki->kj", d["D"], push[:N])
        grad_x += np.einsum("kij,ki->kj", d["C"][1:], push[1:])
        gradient = np.concatenate([grad_u, grad_x], axis=1).ravel()
        gradient -= self._values.T @ (self._price * moved)
        v = self._lu.solve(np.concatenate([-gradient, -dynamics.ravel(), moved[self._index]]))
        stages = v[: N * self._w].reshape(N, self._w)
        first = int(self._problem.free_x0)
        du, dx = stages[:, :m], np.vstack([dx0, stages[:, m:].reshape(N, n)])
        return du[first:, : self.nu], dx[first:, : self.nx]

    def adjoint(self, u: ArrayLike | None = None, x: ArrayLike | None = None) -> dict[str, _Floats]:
        """Gradient of a function of the plan by all data.

        Args:
            u: its gradient by the inputs (N, nu); zero when left out
            x: by the states (N + 1, nx)

        Returns:
            x0 (nx,) and A, B, b, Q, R, S, q, r, lbx, ubx, lbu, ubu, C, D, lg, ug with their stage
            axis, and last_input, rate_lower, rate_upper for problems with rates; of the symmetric
            Q and R half the sum with the transpose
        """
        N, n, m, free = self._stages, self._n, self._m, int(self._problem.free_x0)
        by_u, by_x = np.zeros((N, m)), np.zeros((N + 1, n))
        by_u[free:, : self.nu] = _given("u", u, (self.N, self.nu))
        by_x[free:, : self.nx] = _given("x", x, (self.N + 1, self.nx))
        right = np.zeros(self._lu.shape[0])
        right[: N * self._w] = np.concatenate([by_u, by_x[1:]], axis=1).ravel()
        v = self._lu.solve(right)
        z = v[: N * self._w]
        vu, vx = z.reshape(N, self._w)[:, :m], np.vstack([np.zeros(n), z.reshape(N, -1)[:, m:]])
        vl = v[N * self._w : N * (self._w + n)].reshape(N, n)
        moved = self._price * (self._values @ z)
        moved[self._index] += v[N * (self._w + n) :]
        rows = moved[N * self._w :].reshape(N + 1, -1)
        push, a = self._row_push, self._arrays
        found = {
            "b": -vl,
            "q": -vx,
            "r": -vu,
            "A": -(vl[:, :, None] * self._x[:-1, None] + self._costate[:, :, None] * vx[:-1, None]),
            "B": -(vl[:, :, None] * self._u[:, None] + self._costate[:, :, None] * vu[:, None]),
            "Q": -_symmetric(vx, self._x),
            "R": -_symmetric(vu, self._u),
            "S": -(vu[:, :, None] * self._x[:-1, None] + self._u[:, :, None] * vx[:-1, None]),
            "C": -(push[:, :, None] * vx[:, None] + rows[:, :, None] * self._x[:, None]),
            "D": -(push[:N, :, None] * vu[:, None] + rows[:N, :, None] * self._u[:, None]),
        }
        x0 = by_x[0] - a["A"][0].T @ vl[0] - a["S"][0].T @ vu[0] - a["C"][0].T @ rows[0]
        for side, chosen in (("l", ~self._upper), ("u", self._upper)):
            each = np.where(chosen, moved, 0.0)
            bounds = each[: N * self._w].reshape(N, self._w)
            found[f"{side}bu"] = bounds[:, :m].copy()
            found[f"{side}bx"] = np.vstack([np.zeros(n), bounds[:, m:]])
            found[f"{side}g"] = each[N * self._w :].reshape(N + 1, -1)
        return self._narrow(found, x0)

    # --- the optimality conditions ---

    def _plan(self, solution: Solution, last_input: ArrayLike | None) -> tuple[_Floats, _Floats]:
        """States and inputs of the solver's own problem."""
        x, u = solution.x, solution.u
        if self._problem.has_rates:
            before = _given("last_input", last_input, (self.nu,))
            x = np.hstack([x, np.vstack([before, u])])
        elif last_input is not None:
            raise ConfigError("last_input is only for problems with rate bounds")
        if self._problem.free_x0:
            u = np.pad(u, [(1, 0), (0, self._m - self.nu)])
            u[0, : x.shape[1]] = x[0]
            x = np.vstack([np.zeros(x.shape[1]), x])
        return x, u

    def _find_active(self, active: float) -> None:
        """Active bounds and rows, violated soft rows, and the factor of their conditions."""
        a, N = self._arrays, self._stages
        self._values = self._value_matrix()
        z = np.concatenate([self._u, self._x[1:]], axis=1).ravel()
        value = self._values @ z
        value[N * self._w :] += self._of_x0()
        low, high = self._side(a, "l"), self._side(a, "u")
        near = {}
        for side, bound in (("l", low), ("u", high)):
            room = np.abs(value - bound)
            near[side] = (np.abs(bound) < _NO_BOUND) & (room <= active * (1 + np.abs(bound)))
        below = (low > -_NO_BOUND) & (value < low) & ~near["l"]
        above = (high < _NO_BOUND) & (value > high) & ~near["u"]
        self._upper = near["u"] & ~near["l"] | above
        l1, l2 = (np.r_[np.zeros(N * self._w), a[name].ravel()] for name in ("l1", "l2"))
        self._price = np.where(below | above, l2, 0.0)
        limit = np.where(self._upper, high, low)
        sign = np.where(self._upper, 1.0, -1.0)
        paid = np.where(below | above, sign * (l1 + l2 * np.abs(value - limit)), 0.0)
        index = np.flatnonzero((near["l"] | near["u"]) & ~(below | above))
        equal = low == high
        linear = np.concatenate([a["r"], a["q"][1:]], axis=1).ravel() + self._values.T @ paid
        linear -= self._values.T @ (self._price * value)  # the price's curvature is in the factor
        linear[: self._m] += a["S"][0] @ self._x[0]
        linear += self._values.T @ (self._price * self._padded_x0())
        constant = a["b"].copy()
        constant[0] += a["A"][0] @ self._x[0]
        for _ in range(20):  # drops what touches its bound without pushing
            self._factor(index)
            target = (limit - self._padded_x0())[index]
            v = self._lu.solve(np.concatenate([-linear, -constant.ravel(), target]))
            push = v[N * (self._w + self._n) :]
            outwards = push * sign[index]
            keep = (outwards > -1e-9 * (1 + np.abs(push).max(initial=0.0))) | equal[index]
            if keep.all():
                break
            index = index[keep]
        self._index = index
        self._costate = v[N * self._w : N * (self._w + self._n)].reshape(N, self._n)
        paid[index] = push
        self._row_push = paid[N * self._w :].reshape(N + 1, -1)

    def _value_matrix(self) -> Any:
        """(values, N w): all bounded variables, then the rows of stages 0 to N, of the plan z."""
        a, N, n, m, w = self._arrays, self._stages, self._n, self._m, self._w
        blocks: list[list[Any]] = [[None] * N for _ in range(N + 1)]
        for k in range(N + 1):
            row = sparse.lil_matrix((a["C"].shape[1], N * w))
            if k < N:
                row[:, k * w : k * w + m] = a["D"][k]
            if k > 0:
                row[:, k * w - n : k * w] = a["C"][k]
            blocks[k] = [row]
        return sparse.vstack([sparse.eye(N * w), *(row for (row,) in blocks)], format="csr")

    def _of_x0(self) -> _Floats:
        """What the given x0 adds to the rows."""
        found = np.zeros(self._arrays["lg"].shape)
        found[0] = self._arrays["C"][0] @ self._x[0]
        return found.ravel()

    def _padded_x0(self) -> _Floats:
        return np.concatenate([np.zeros(self._stages * self._w), self._of_x0()])

    @staticmethod
    def _side(a: Mapping[str, _Floats], side: str) -> _Floats:
        """Lower or upper limits in the order of the values."""
        bounds = np.concatenate([a[f"{side}bu"], a[f"{side}bx"][1:]], axis=1)
        return np.concatenate([bounds.ravel(), a[f"{side}g"].ravel()])

    def _limits(self, d: Mapping[str, _Floats]) -> _Floats:
        return np.where(self._upper, self._side(d, "u"), self._side(d, "l"))

    def _factor(self, index: NDArray[np.intp]) -> None:
        a, N, n = self._arrays, self._stages, self._n
        H = sparse.block_diag([part for k in range(N) for part in (a["R"][k], a["Q"][k + 1])])
        cross: list[list[Any]] = [[None] * (2 * N) for _ in range(2 * N)]
        rows: list[list[Any]] = [[None] * (2 * N) for _ in range(N)]
        for k in range(N):
            cross[2 * k][2 * k] = sparse.csr_matrix((self._m, self._m))
            cross[2 * k + 1][2 * k + 1] = sparse.csr_matrix((n, n))
            rows[k][2 * k] = sparse.csr_matrix(a["B"][k])
            rows[k][2 * k + 1] = -sparse.eye(n)
            if k > 0:
                rows[k][2 * k - 1] = sparse.csr_matrix(a["A"][k])
                cross[2 * k][2 * k - 1] = sparse.csr_matrix(a["S"][k])
                cross[2 * k - 1][2 * k] = sparse.csr_matrix(a["S"][k].T)
        H = H + sparse.block_array(cross)
        H = H + self._values.T @ sparse.diags(self._price) @ self._values
        E, pick = sparse.block_array(rows), self._values[index]
        matrix = sparse.block_array([[H, E.T, pick.T], [E, None, None], [pick, None, None]])
        try:
            self._lu = splu(sparse.csc_matrix(matrix))
        except RuntimeError as error:
            raise SolverError(f"no derivative: the conditions are singular ({error})") from error

    # --- between the caller's data and those of the solver's own problem ---

    def _narrow(self, a: Mapping[str, _Floats], x0: _Floats) -> _Arrays:
        """The caller's part of arrays of the solver's problem."""
        n, m, p = self.nx, self.nu, self._problem
        first, rows = int(p.free_x0), a["lg"].shape[1] - (m if p.has_rates else 0)
        cut = {
            "A": np.s_[:, :n, :n], "B": np.s_[:, :n, :m], "b": np.s_[:, :n],
            "Q": np.s_[:, :n, :n], "R": np.s_[:, :m, :m], "S": np.s_[:, :m, :n],
            "q": np.s_[:, :n], "r": np.s_[:, :m], "lbx": np.s_[:, :n], "ubx": np.s_[:, :n],
            "lbu": np.s_[:, :m], "ubu": np.s_[:, :m], "C": np.s_[:, :rows, :n],
            "D": np.s_[:, :rows, :m], "lg": np.s_[:, :rows], "ug": np.s_[:, :rows],
            "l1": np.s_[:, :rows], "l2": np.s_[:, :rows],
        }  # fmt: skip
        found = {name: a[name][first:][part].copy() for name, part in cut.items() if name in a}
        if not p.free_x0:
            found["x0"] = x0[:n]
        if p.has_rates:
            found["rate_lower"] = a["lg"][first:-1, rows:].sum(axis=0)
            found["rate_upper"] = a["ug"][first:-1, rows:].sum(axis=0)
            if not p.free_x0:
                found["last_input"] = x0[n:]
        return found

    def _wide(self, changes: Mapping[str, ArrayLike]) -> tuple[_Arrays, _Floats]:
        """Changes of the solver's arrays, and of its first state."""
        p, m = self._problem, self.nu
        base = self._narrow(self._arrays, np.zeros(self._n))
        unknown = set(changes) - (set(base) - {"l1", "l2"})
        if unknown:
            raise ConfigError(f"no such data: {', '.join(sorted(unknown))}")
        d = {}
        for name, held in base.items():
            value = np.asarray(changes.get(name, 0.0), np.float64)
            shapes = (held.shape, held.shape[1:]) if held.ndim > 1 else (held.shape,)
            if name in changes and value.shape not in shapes:
                raise ShapeError(
                    f"{name} must be {' or '.join(map(str, shapes[::-1]))}, got {value.shape}"
                )
            d[name] = np.array(np.broadcast_to(value, held.shape))
        x0 = np.zeros(self._n)
        if not p.free_x0:
            x0[: self.nx] = d["x0"]
            if p.has_rates:
                x0[self.nx :] = d["last_input"]
        names = (*_DATA, "l1", "l2")
        # The rewriting is affine: what it makes of the changes, less what it makes of zeros.
        sides = (d["rate_lower"], d["rate_upper"]) if p.has_rates else None
        changed = self._rewrite({name: d[name] for name in names}, sides)
        none = np.zeros(m)
        still = self._rewrite({name: np.zeros_like(d[name]) for name in names}, (none, none))
        return {name: changed[name] - still[name] for name in _DATA}, x0

    def _rewrite(self, a: _Arrays, rate: tuple[_Floats, _Floats] | None) -> _Arrays:
        if self._problem.has_rates and rate is not None:
            a = with_rates(a, *rate)
        return with_free_start(a) if self._problem.free_x0 else a


def _given(name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> _Floats:
    array = np.zeros(shape) if values is None else np.asarray(values, np.float64)
    if array.shape != shape:
        raise ShapeError(f"{name} must be {shape}, got {array.shape}")
    return array


def _symmetric(a: _Floats, b: _Floats) -> _Floats:
    return 0.5 * (a[:, :, None] * b[:, None] + b[:, :, None] * a[:, None])
