"""Quadratic programmes of optimal control in plain NumPy: dense, slow, and the oracle of the tests.

Shapes   N = horizon, nx states, nu inputs; v = (u_0, x_1, u_1, ..., x_N) stacked.
Source   Nocedal & Wright, *Numerical Optimization* (2006), algorithm 16.4 (Mehrotra's predictor and
         corrector for quadratic programmes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["QpReference", "solve_ocp", "solve_qp", "stack"]

Array = NDArray[np.float64]

NO_BOUND = 1e29


@dataclass(frozen=True)
class QpReference:
    """x with the multipliers z of G x <= h and y of A x = b; the largest residual and the gap."""

    x: Array
    z: Array
    y: Array
    objective: float
    residual: float
    gap: float


def solve_qp(
    P: Array, q: Array, G: Array, h: Array, A: Array, b: Array, tolerance: float = 1e-12
) -> QpReference:
    """minimise x'P x / 2 + q'x over G x <= h, A x = b, by a primal-dual interior point.

    The last iterate is returned whatever it has reached: look at residual and gap.
    """
    m = len(h)
    x, y, z = np.zeros(len(q)), np.zeros(len(b)), np.ones(m)
    s = np.maximum(1.0, h - G @ x)
    best = None
    for _ in range(200):
        dual = P @ x + q + G.T @ z + A.T @ y
        primal, equal = G @ x + s - h, A @ x - b
        gap = float(s @ z) / max(m, 1)
        residual = max(float(np.abs(r).max(initial=0.0)) for r in (dual, primal, equal))
        value = float(0.5 * x @ P @ x + q @ x)
        if best is None or residual + gap < best.residual + best.gap:
            best = QpReference(x.copy(), z.copy(), y.copy(), value, residual, gap)
        if residual < tolerance and gap < tolerance:
            break
        newton = _Newton(P, G, A, z, s, (dual, primal, equal))
        _, _, dz, ds = newton.step(s * z)
        alpha = newton.longest(dz, ds)
        affine = float((s + alpha * ds) @ (z + alpha * dz)) / max(m, 1)
        centre = (affine / gap) ** 3 * gap if m and gap > 0 else 0.0
        dx, dy, dz, ds = newton.step(s * z + ds * dz - centre)
        alpha = min(1.0, 0.995 * newton.longest(dz, ds)) if m else 1.0
        x, y, z, s = x + alpha * dx, y + alpha * dy, z + alpha * dz, s + alpha * ds
    assert best is not None
    return best


class _Newton:
    """The linear system of one iterate, solved for several right-hand sides."""

    def __init__(
        self,
        P: Array,
        G: Array,
        A: Array,
        z: Array,
        s: Array,
        residuals: tuple[Array, Array, Array],
    ) -> None:
        self._G, self._z, self._s = G, z, s
        self._dual, self._primal, self._equal = residuals
        hessian = P + G.T @ ((z / s)[:, None] * G) + 1e-14 * (1 + np.abs(P).max()) * np.eye(len(P))
        self._matrix = np.block([[hessian, A.T], [A, np.zeros((len(A), len(A)))]])

    def step(self, complement: Array) -> tuple[Array, Array, Array, Array]:
        """Changes of x, y, z and s that take the products s z down by `complement`."""
        weighted = (self._z * self._primal - complement) / self._s
        right = np.concatenate([-self._dual - self._G.T @ weighted, -self._equal])
        try:
            change = np.linalg.solve(self._matrix, right)
        except np.linalg.LinAlgError:
            change = np.linalg.lstsq(self._matrix, right, rcond=None)[0]
        dx, dy = np.split(change, [len(self._dual)])
        ds = -self._primal - self._G @ dx
        return dx, dy, -(complement + self._z * ds) / self._s, ds

    def longest(self, dz: Array, ds: Array) -> float:
        """The longest step, at most 1, that keeps z and s positive."""
        found = [1.0]
        for value, change in ((self._z, dz), (self._s, ds)):
            down = change < 0
            found.append(float((-value[down] / change[down]).min(initial=1e30)))
        return min(found)


def stack(a: Mapping[str, Array], x0: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
    """P, q, G, h, A, b of the arrays A, B, b, Q, R, q, r, lbx, ubx, lbu, ubu with a stage axis."""
    N, nx, nu = a["B"].shape
    w = nx + nu
    P, q = np.zeros((N * w, N * w)), np.zeros(N * w)
    low, high = np.zeros(N * w), np.zeros(N * w)
    A, b = np.zeros((N * nx, N * w)), np.zeros(N * nx)
    for k in range(N):
        u, x = slice(k * w, k * w + nu), slice(k * w + nu, (k + 1) * w)
        rows, before = slice(k * nx, (k + 1) * nx), slice((k - 1) * w + nu, k * w)
        P[u, u], P[x, x] = a["R"][k], a["Q"][k + 1]
        q[u], q[x] = a["r"][k], a["q"][k + 1]
        low[u], low[x] = a["lbu"][k], a["lbx"][k + 1]
        high[u], high[x] = a["ubu"][k], a["ubx"][k + 1]
        A[rows, u], A[rows, x], b[rows] = a["B"][k], -np.eye(nx), -a["b"][k]
        if k > 0:
            A[rows, before] = a["A"][k]
        else:
            b[rows] -= a["A"][0] @ x0
    upper, lower = high < NO_BOUND, low > -NO_BOUND
    eye = np.eye(N * w)
    return P, q, np.vstack([eye[upper], -eye[lower]]), np.r_[high[upper], -low[lower]], A, b


def solve_ocp(a: Mapping[str, Array], x0: Array) -> tuple[Array, Array, QpReference]:
    """u (N, nu), x (N + 1, nx) and the stacked answer; arrays as in `stack`."""
    N, nx, nu = a["B"].shape
    answer = solve_qp(*stack(a, x0))
    stages = answer.x.reshape(N, nu + nx)
    return stages[:, :nu], np.vstack([x0, stages[:, nu:]]), answer
