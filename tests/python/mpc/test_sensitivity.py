"""Derivatives of plans against differences of plans solved afresh, and forward against adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp, QpSolver, SoftRows, Solution
from optcore.mpc.sensitivity import Sensitivity

N, NX, NU = 8, 3, 2


def data(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(N + 1, NX, NX))
    return {
        "A": rng.normal(size=(N, NX, NX)) / 1.5, "B": rng.normal(size=(N, NX, NU)),
        "b": rng.normal(0, 0.3, (N, NX)), "Q": root @ root.swapaxes(1, 2) + 0.1 * np.eye(NX),
        "R": np.array([np.diag(rng.uniform(0.5, 2, NU)) for _ in range(N)]),
        "q": rng.normal(size=(N + 1, NX)), "r": rng.normal(size=(N, NU)),
        "lbu": np.full((N, NU), -0.7), "ubu": np.full((N, NU), 0.6),
        "lbx": np.full((N + 1, NX), -1.0), "ubx": np.full((N + 1, NX), 1.0),
    }  # fmt: skip


def solved(d: dict[str, Any], x0: np.ndarray) -> tuple[OcpQp, Solution]:
    qp = OcpQp(**d)
    return qp, QpSolver(qp, tolerance=1e-9).solve(x0)


def feasible() -> tuple[dict[str, Any], np.ndarray, OcpQp, Solution]:
    """A problem with active bounds of inputs and of states."""
    for seed in range(100):
        d, x0 = data(seed), np.random.default_rng(seed).normal(0, 0.5, NX)
        qp, s = solved(d, x0)
        touches = (np.abs(s.x[1:]) > 1.0 - 1e-7).any() and (s.u > 0.6 - 1e-7).any()
        if s.status == "ok" and touches:
            return d, x0, qp, s
    raise AssertionError("no problem of the hundred touches its state bounds")


NAMES = ("x0", "A", "B", "b", "Q", "R", "q", "r", "lbx", "ubx", "lbu", "ubu")
ROWS = ("S", "C", "D", "lg", "ug")


@pytest.mark.parametrize("name", NAMES)
def test_forward_agrees_with_differences(name: str) -> None:
    d, x0, qp, s = feasible()
    rng = np.random.default_rng(7)
    change = rng.normal(size=x0.shape if name == "x0" else d[name].shape)
    if name in ("Q", "R"):
        change = change + np.swapaxes(change, 1, 2)
    sensitivity = Sensitivity(qp, s)
    assert 1 < sensitivity.active < N * (NX + NU)
    du, dx = sensitivity.forward(**{name: change})
    h, plans = 1e-5, []
    for sign in (1, -1):
        if name == "x0":
            plans.append(solved(d, x0 + sign * h * change)[1])
        else:
            plans.append(solved({**d, name: d[name] + sign * h * change}, x0)[1])
    scale = 1 + np.abs(du).max()
    np.testing.assert_allclose(du, (plans[0].u - plans[1].u) / (2 * h), atol=2e-4 * scale)
    np.testing.assert_allclose(dx, (plans[0].x - plans[1].x) / (2 * h), atol=2e-4 * scale)


def test_adjoint_is_the_transpose_of_forward() -> None:
    d, x0, qp, s = feasible()
    rng = np.random.default_rng(8)
    sensitivity = Sensitivity(qp, s)
    by_u, by_x = rng.normal(size=(N, NU)), rng.normal(size=(N + 1, NX))
    gradient = sensitivity.adjoint(by_u, by_x)
    assert set(gradient) == {*NAMES, *ROWS}
    for name in NAMES:
        change = rng.normal(size=x0.shape if name == "x0" else d[name].shape)
        if name in ("Q", "R"):
            change = change + np.swapaxes(change, 1, 2)
        du, dx = sensitivity.forward(**{name: change})
        expected = (by_u * du).sum() + (by_x * dx).sum()
        assert (gradient[name] * change).sum() == pytest.approx(expected, rel=1e-8, abs=1e-9)


def general(kind: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of OcpQp and of solve() for a problem with active rows."""
    rng, d = np.random.default_rng(seed), data(seed)
    del d["lbx"], d["ubx"]
    d["S"] = 0.1 * rng.normal(size=(N, NU, NX))
    call: dict[str, Any] = {"x0": rng.normal(0, 0.5, NX)}
    C, D = rng.normal(size=(N + 1, 2, NX)), rng.normal(size=(N, 2, NU))
    if kind == "rows":
        d |= {"C": C, "D": D, "lg": np.full((N + 1, 2), -0.7), "ug": np.full((N + 1, 2), 0.8)}
    if kind == "soft":
        d["soft"] = SoftRows(C, np.full((N + 1, 2), 0.1), 0.3, 2.0)
    if kind == "rates":
        d["rate"] = (np.full(NU, -0.3), np.full(NU, 0.25))
        call["last_input"] = rng.uniform(-0.2, 0.2, NU)
    if kind == "free":
        d |= {"lbx": np.full(NX, -0.2), "ubx": np.full(NX, 0.2), "free_x0": True}
        d |= {"q": 4 * d["q"]}
        del call["x0"]
    return d, call


def moved(
    d: dict[str, Any], call: dict[str, Any], name: str, by: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    if name in call:
        return d, {**call, name: call[name] + by}
    if name in ("rate_lower", "rate_upper"):
        lower, upper = d["rate"]
        rate = (lower + by, upper) if name == "rate_lower" else (lower, upper + by)
        return {**d, "rate": rate}, call
    if "soft" in d and name in ("C", "lg"):
        field = "C" if name == "C" else "lower"
        soft = d["soft"]._replace(**{field: np.asarray(getattr(d["soft"], field)) + by})
        return {**d, "soft": soft}, call
    return {**d, name: d[name] + by}, call


GENERAL = {
    "rows": ("x0", "A", "B", "Q", "S", "q", "C", "D", "lg", "ug"),
    "soft": ("x0", "A", "R", "S", "r", "C", "lg"),
    "rates": ("x0", "last_input", "rate_lower", "rate_upper", "B", "S", "q", "ubu"),
    "free": ("A", "B", "b", "Q", "S", "q", "lbx", "ubx", "lbu"),
}


@pytest.mark.parametrize("kind", GENERAL)
def test_general_problems_agree_with_differences_and_their_adjoint(kind: str) -> None:
    def solve(d: dict[str, Any], call: dict[str, Any]) -> tuple[OcpQp, Solution]:
        qp = OcpQp(**d)
        return qp, QpSolver(qp, tolerance=1e-10).solve(**call)

    for seed in range(100):  # the first feasible one with enough that is active
        d, call = general(kind, seed)
        qp, s = solve(d, call)
        if s.status != "ok" or (kind == "soft" and s.max_slack < 0.05):
            continue
        sensitivity = Sensitivity(qp, s, last_input=call.get("last_input"))
        touched = sensitivity.active > 3
        if kind in ("rows", "rates"):
            touched = touched and np.count_nonzero(s.multipliers.rows) > 1
        if touched:
            break
    else:
        raise AssertionError("no problem of the hundred has active rows")
    rng = np.random.default_rng(9)
    by_u, by_x = rng.normal(size=(N, NU)), rng.normal(size=(N + 1, NX))
    gradient = sensitivity.adjoint(by_u, by_x)
    for name in GENERAL[kind]:
        change = rng.normal(size=gradient[name].shape)
        if name in ("Q", "R"):
            change = change + np.swapaxes(change, 1, 2)
        h = 1e-5
        if kind == "free" and name in ("lbx", "ubx"):
            change = np.broadcast_to(change[0], change.shape)  # d holds it without a stage axis
        step = h * (change[0] if kind == "free" and name in ("lbx", "ubx") else change)
        du, dx = sensitivity.forward(**{name: change})
        plus, minus = (solve(*moved(d, call, name, sign * step))[1] for sign in (1, -1))
        scale = 1 + np.abs(du).max()
        np.testing.assert_allclose(du, (plus.u - minus.u) / (2 * h), atol=5e-4 * scale)
        np.testing.assert_allclose(dx, (plus.x - minus.x) / (2 * h), atol=5e-4 * scale)
        expected = (by_u * du).sum() + (by_x * dx).sum()
        assert (gradient[name] * change).sum() == pytest.approx(expected, rel=1e-7, abs=1e-8), name


def test_bad_arguments_are_named() -> None:
    _, _, qp, s = feasible()
    sensitivity = Sensitivity(qp, s)
    with pytest.raises(ConfigError, match="no such data: P"):
        sensitivity.forward(P=np.eye(3))
    with pytest.raises(ShapeError, match="x0 must be"):
        sensitivity.forward(x0=np.ones(2))
    with pytest.raises(ShapeError, match="u must be"):
        sensitivity.adjoint(np.ones(3))
    with pytest.raises(ConfigError, match="status"):
        Sensitivity(qp, s._replace(status="max_iterations"))
