"""Residuals of an optimal-control programme and random programmes, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from optcore.mpc import OcpQp, Solution

NONE = 1e29


def residuals(qp: OcpQp, s: Solution) -> dict[str, float]:
    """Largest violation, stationarity residual and complementarity product, from the arrays of a
    problem without rates or a free first state."""
    a, N = qp.arrays, qp.N
    x, u, y = s.x, s.u, s.multipliers
    follow = np.einsum("kij,kj->ki", a["A"], x[:-1]) + np.einsum("kij,kj->ki", a["B"], u) + a["b"]
    primal = np.abs(x[1:] - follow).max(initial=0)
    gap = 0.0
    rows = np.einsum("kij,kj->ki", a["C"], x)
    rows[:N] += np.einsum("kij,kj->ki", a["D"], u)
    for value, low, high, multiplier in (
        (x[1:], a["lbx"][1:], a["ubx"][1:], y.x[1:]),
        (u, a["lbu"], a["ubu"], y.u),
    ):
        primal = max(primal, (low - value).max(), (value - high).max())
        room = np.where(multiplier > 0, value - low, high - value)
        gap = max(gap, np.abs(np.where(multiplier == 0, 0, multiplier * room)).max())
    if rows.size:
        excess = np.maximum(0, np.maximum(a["lg"] - rows, rows - a["ug"]))
        hard = a["l1"] >= NONE
        primal = max(primal, np.where(hard, excess, 0).max())
        price = np.where(hard, np.abs(y.rows), a["l1"] + a["l2"] * excess)
        assert (np.abs(y.rows) <= price * (1 + 1e-6) + 1e-6).all()
        gap = max(gap, np.abs(np.where(hard, 0, (price - np.abs(y.rows)) * excess)).max())
        room = np.where(y.rows > 0, rows - a["lg"], a["ug"] - rows)
        gap = max(gap, np.abs(np.where(y.rows == 0, 0, y.rows * np.maximum(room, 0))).max())
    costate = a["Q"][N] @ x[N] + a["q"][N] - y.x[N] - a["C"][N].T @ y.rows[N]
    dual = 0.0
    for k in range(N - 1, -1, -1):
        gradient = a["R"][k] @ u[k] + a["r"][k] + a["S"][k] @ x[k] + a["B"][k].T @ costate
        gradient -= y.u[k] + a["D"][k].T @ y.rows[k]
        dual = max(dual, np.abs(gradient).max())
        costate = a["Q"][k] @ x[k] + a["q"][k] + a["S"][k].T @ u[k] + a["A"][k].T @ costate
        costate -= y.x[k] + a["C"][k].T @ y.rows[k]
    return {"primal": float(primal), "dual": float(dual), "gap": float(gap)}


def relative_residual(qp: OcpQp, s: Solution) -> float:
    """The largest of them, each relative to the numbers that it is the difference of."""
    scale = 1 + max(np.abs(s.x).max(), np.abs(s.u).max())
    forces = (*s.multipliers, qp.arrays["q"], qp.arrays["r"])
    dual = 1 + max(np.abs(m).max(initial=0) for m in forces)
    r = residuals(qp, s)
    return float(max(r["primal"] / scale, r["dual"] / dual, r["gap"] / (scale * dual)))


def proves_infeasible(qp: OcpQp, s: Solution) -> bool:
    """Farkas: the multipliers weigh the hard constraints into one that no input can satisfy."""
    a, N, y = qp.arrays, qp.N, s.multipliers
    x, u = s.x, s.u
    rows = np.einsum("kij,kj->ki", a["C"], x)
    rows[:N] += np.einsum("kij,kj->ki", a["D"], u)
    value = 0.0
    for v, low, high, w in (
        (x[1:], a["lbx"][1:], a["ubx"][1:], y.x[1:]),
        (u, a["lbu"], a["ubu"], y.u),
        (rows, a["lg"], a["ug"], y.rows),
    ):
        if v.size:
            value += np.where(w > 0, w * (low - v), np.where(w < 0, w * (high - v), 0)).sum()
    costate = -y.x[N] - a["C"][N].T @ y.rows[N]
    spoiled = 0.0
    for k in range(N - 1, -1, -1):
        gradient = a["B"][k].T @ costate - y.u[k] - a["D"][k].T @ y.rows[k]
        reach = np.minimum(np.maximum(a["ubu"][k] - u[k], u[k] - a["lbu"][k]), 1e6)
        spoiled += float(np.abs(gradient * reach).sum())
        costate = a["A"][k].T @ costate - y.x[k] - a["C"][k].T @ y.rows[k]
    return bool(value > spoiled)


def random_arguments(rng: np.random.Generator, kind: str) -> tuple[dict[str, Any], np.ndarray]:
    """Arguments of OcpQp and x0: feasible by construction around a random trajectory, unless the
    kind is "infeasible"; "degenerate" repeats constraints and has semi-definite costs, "scaled" has
    units that differ by up to 1e5 (Hessian conditions up to 1e10)."""
    n, m, N = int(rng.integers(1, 7)), int(rng.integers(1, 4)), int(rng.integers(2, 16))
    A = rng.normal(0, 1, (N, n, n)) / np.sqrt(n)
    B = rng.normal(0, 1, (N, n, m))
    b = rng.normal(0, 0.3, (N, n))
    rank = int(rng.integers(1, n + 1))
    root = rng.normal(0, 1, (n, rank))
    g = int(rng.integers(0, 3))
    C, D = rng.normal(0, 1, (N + 1, g, n)), rng.normal(0, 1, (N, g, m))
    x, u = [rng.normal(0, 1, n)], rng.uniform(-0.5, 0.5, (N, m))
    for k in range(N):
        x.append(A[k] @ x[-1] + B[k] @ u[k] + b[k])
    path = np.array(x)
    rows = np.einsum("kij,kj->ki", C, path)
    rows[:N] += np.einsum("kij,kj->ki", D, u)
    tight = rng.random((N + 1, n)) < 0.2
    slackness = rng.uniform(0.05, 0.5, (N + 1, n))
    arguments: dict[str, Any] = {
        "A": A, "B": B, "b": b, "Q": root @ root.T, "R": np.eye(m) * 10 ** rng.uniform(-2, 1),
        "q": rng.normal(0, 1, (N + 1, n)), "r": rng.normal(0, 1, (N, m)),
        "lbu": np.full(m, -0.6), "ubu": np.full(m, 0.6),
        "lbx": np.where(tight, path - slackness, -1e30),
        "ubx": np.where(tight, path + slackness, 1e30),
    }  # fmt: skip
    if g:
        arguments |= {"C": C, "D": D, "lg": rows - 0.1, "ug": rows + rng.uniform(0.1, 2)}
    if kind == "infeasible":
        far = 10 + 10 * np.abs(path[-1]).max()
        arguments["lbx"][-1], arguments["ubx"][-1] = far * 1e3, 1e30
    if kind == "degenerate" and g:
        arguments["R"] = np.diag(np.r_[0.0, np.ones(m - 1)])
        for name in ("C", "D", "lg", "ug"):
            arguments[name] = np.repeat(arguments[name], 2, axis=1)
    if kind == "scaled":
        t, v = 10 ** rng.uniform(-2.5, 2.5, n), 10 ** rng.uniform(-2.5, 2.5, m)
        arguments["A"] = arguments["A"] * t[:, None] / t
        arguments["B"] = arguments["B"] * t[:, None] / v
        arguments["b"] = arguments["b"] * t
        arguments["Q"] = arguments["Q"] / t[:, None] / t
        arguments["R"] = arguments["R"] / v[:, None] / v
        arguments["q"], arguments["r"] = arguments["q"] / t, arguments["r"] / v
        for name, unit in (("lbx", t), ("ubx", t), ("lbu", v), ("ubu", v)):
            value = arguments[name]
            arguments[name] = np.where(np.abs(value) < 1e29, value * unit, value)
        if g:
            arguments["C"], arguments["D"] = arguments["C"] / t, arguments["D"] / v
        path = path * t
    return arguments, path[0]
