"""How the plan changes with the problem: derivatives of a solution, forward and adjoint.

At a solution the bounds that are active stay active under small changes (strict complementarity
apart), so the plan solves a linear system in the data: the optimality conditions with the active
bounds as equalities. One sparse factorisation of it, banded by stages and so linear in N, serves
any number of directions.

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
from optcore.mpc.ocp import OcpQp
from optcore.mpc.solver import Solution

__all__ = ["Sensitivity"]

_Floats = NDArray[np.float64]

_NO_BOUND = 1e29


class Sensitivity:
    """Derivatives of the plan of one solved problem.

    Args:
        problem: without soft or hard rows, cross terms or rates
        solution: of that problem, status "ok", to a tolerance well below `active`
        active: a bound counts as active when the plan is nearer than this, relative to its size,
            and its multiplier pushes outwards

    Raises:
        ConfigError: the problem has parts that are not covered, or the solution is none.
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

    def __init__(self, problem: OcpQp, solution: Solution, active: float = 1e-6) -> None:
        if solution.status != "ok":
            raise ConfigError(f"solution must have status ok, got {solution.status}")
        a = problem.arrays
        if problem.size[3] or problem.has_rates or problem.free_x0 or np.any(a["S"]):
            raise ConfigError(
                "problems with rows, rates, cross costs or a free first state have no derivatives "
                "here yet"
            )
        self._arrays: Mapping[str, _Floats] = a
        self.N, self.nx, self.nu = problem.N, problem.nx, problem.nu
        self._u, self._x = solution.u, solution.x
        self._w = self.nx + self.nu
        self._z = np.concatenate([self._u, self._x[1:]], axis=1).ravel()
        bounds = {
            side: np.concatenate([a[f"{side}u"], a[f"{side}x"][1:]], axis=1).ravel()
            for side in ("lb", "ub")
        }
        near = {}
        for side, bound in bounds.items():
            room = np.abs(self._z - bound)
            near[side] = (np.abs(bound) < _NO_BOUND) & (room <= active * (1 + np.abs(bound)))
        index = np.flatnonzero(near["lb"] | near["ub"])
        upper = near["ub"][index]
        for _ in range(20):  # drops what touches its bound without pushing
            self._factor(index)
            target = np.where(upper, bounds["ub"][index], bounds["lb"][index])
            right = np.concatenate([-self._gradient(), -self._constant(), target])
            v = self._lu.solve(right)
            push = v[len(self._z) + self.N * self.nx :] * np.where(upper, 1.0, -1.0)
            keep = push > -1e-9 * (1 + np.abs(push).max(initial=0.0))
            if keep.all():
                break
            index, upper = index[keep], upper[keep]
        self._index, self._upper = index, upper
        self._costate = v[len(self._z) : len(self._z) + self.N * self.nx].reshape(self.N, self.nx)

    @property
    def active(self) -> int:
        """Active bounds."""
        return len(self._index)

    def forward(self, **changes: ArrayLike) -> tuple[_Floats, _Floats]:
        """Change of the plan for a change of the data.

        Args:
            changes: x0 (nx,), and any of OcpQp's A, B, b, Q, R, q, r, lbx, ubx, lbu, ubu, each with
                its stage axis or without. A reference xr with q = -Q xr changes q by -Q dxr.

        Returns:
            du (N, nu), dx (N + 1, nx)
        """
        d = self._full(changes)
        n, N, x, u = self.nx, self.N, self._x, self._u
        grad_u = d["r"] + np.einsum("kij,kj->ki", d["R"], u)
        grad_u += np.einsum("kji,kj->ki", d["B"], self._costate)
        grad_x = d["q"][1:] + np.einsum("kij,kj->ki", d["Q"][1:], x[1:])
        grad_x[:-1] += np.einsum("kji,kj->ki", d["A"][1:], self._costate[1:])
        dynamics = d["b"] + np.einsum("kij,kj->ki", d["A"], x[:-1])
        dynamics += np.einsum("kij,kj->ki", d["B"], u)
        dynamics[0] += self._arrays["A"][0] @ d["x0"]
        bound = {
            side: np.concatenate([d[f"{side}u"], d[f"{side}x"][1:]], axis=1).ravel()[self._index]
            for side in ("lb", "ub")
        }
        moved = np.where(self._upper, bound["ub"], bound["lb"])
        gradient = np.concatenate([grad_u, grad_x], axis=1).ravel()
        v = self._lu.solve(np.concatenate([-gradient, -dynamics.ravel(), moved]))
        stages = v[: N * self._w].reshape(N, self._w)
        return stages[:, : self.nu], np.vstack([d["x0"], stages[:, self.nu :].reshape(N, n)])

    def adjoint(self, u: ArrayLike | None = None, x: ArrayLike | None = None) -> dict[str, _Floats]:
        """Gradient of a function of the plan by all data.

        Args:
            u: its gradient by the inputs (N, nu); zero when left out
            x: by the states (N + 1, nx)

        Returns:
            x0 (nx,) and A, B, b, Q, R, q, r, lbx, ubx, lbu, ubu with their stage axis; of the
            symmetric Q and R half the sum with the transpose
        """
        N, n, m = self.N, self.nx, self.nu
        by_u = _given("u", u, (N, m))
        by_x = _given("x", x, (N + 1, n))
        right = np.zeros(self._lu.shape[0])
        right[: N * self._w] = np.concatenate([by_u, by_x[1:]], axis=1).ravel()
        v = self._lu.solve(right)
        stages = v[: N * self._w].reshape(N, self._w)
        vu, vx = stages[:, :m], np.vstack([np.zeros(n), stages[:, m:]])
        vl = v[N * self._w : N * (self._w + n)].reshape(N, n)
        found = {
            "x0": by_x[0] - self._arrays["A"][0].T @ vl[0],
            "b": -vl,
            "q": -vx,
            "r": -vu,
            "A": -(vl[:, :, None] * self._x[:-1, None]),
            "B": -(vl[:, :, None] * self._u[:, None] + self._costate[:, :, None] * vu[:, None]),
            "Q": -_symmetric(vx, self._x),
            "R": -_symmetric(vu, self._u),
        }
        found["A"] -= self._costate[:, :, None] * vx[:-1, None]
        pull = v[N * (self._w + n) :]
        for side, chosen in (("lb", ~self._upper), ("ub", self._upper)):
            each = np.zeros(N * self._w)
            each[self._index[chosen]] = pull[chosen]
            parts = each.reshape(N, self._w)
            found[f"{side}u"] = parts[:, :m].copy()
            found[f"{side}x"] = np.vstack([np.zeros(n), parts[:, m:]])
        return found

    # --- the optimality conditions ---

    def _gradient(self) -> _Floats:
        a = self._arrays
        return np.concatenate([a["r"], a["q"][1:]], axis=1).ravel()

    def _constant(self) -> _Floats:
        constant = self._arrays["b"].copy()
        constant[0] += self._arrays["A"][0] @ self._x[0]
        return constant.ravel()

    def _factor(self, index: NDArray[np.intp]) -> None:
        a, N, n, m = self._arrays, self.N, self.nx, self.nu
        blocks = [part for k in range(N) for part in (a["R"][k], a["Q"][k + 1])]
        H = sparse.block_diag(blocks)
        rows: list[list[Any]] = [[None] * (2 * N) for _ in range(N)]
        for k in range(N):
            rows[k][2 * k] = sparse.csr_matrix(a["B"][k])
            rows[k][2 * k + 1] = -sparse.eye(n)
            if k > 0:
                rows[k][2 * k - 1] = sparse.csr_matrix(a["A"][k])
        E = sparse.block_array(rows)
        pick = sparse.csr_matrix(
            (np.ones(len(index)), (np.arange(len(index)), index)), shape=(len(index), N * (n + m))
        )
        matrix = sparse.block_array([[H, E.T, pick.T], [E, None, None], [pick, None, None]])
        try:
            self._lu = splu(sparse.csc_matrix(matrix))
        except RuntimeError as error:
            raise SolverError(f"no derivative: the conditions are singular ({error})") from error

    def _full(self, changes: Mapping[str, ArrayLike]) -> dict[str, _Floats]:
        names = ("A", "B", "b", "Q", "R", "q", "r", "lbx", "ubx", "lbu", "ubu")
        shapes = {name: self._arrays[name].shape for name in names} | {"x0": (self.nx,)}
        unknown = set(changes) - set(shapes)
        if unknown:
            raise ConfigError(f"no such data: {', '.join(sorted(unknown))}")
        found = {}
        for name, shape in shapes.items():
            value = np.asarray(changes.get(name, 0.0), np.float64)
            if name in changes and value.shape not in (shape, shape[1:]):
                raise ShapeError(f"{name} must be {shape[1:]} or {shape}, got {value.shape}")
            found[name] = np.array(np.broadcast_to(value, shape))
        return found


def _given(name: str, values: ArrayLike | None, shape: tuple[int, int]) -> _Floats:
    array = np.zeros(shape) if values is None else np.asarray(values, np.float64)
    if array.shape != shape:
        raise ShapeError(f"{name} must be {shape}, got {array.shape}")
    return array


def _symmetric(a: _Floats, b: _Floats) -> _Floats:
    return 0.5 * (a[:, :, None] * b[:, None] + b[:, :, None] * a[:, None])
