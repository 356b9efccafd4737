"""Derivatives of plans against differences of plans solved afresh, and forward against adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp, QpSolver, Solution
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
    assert set(gradient) == set(NAMES)
    for name in NAMES:
        change = rng.normal(size=x0.shape if name == "x0" else d[name].shape)
        if name in ("Q", "R"):
            change = change + np.swapaxes(change, 1, 2)
        du, dx = sensitivity.forward(**{name: change})
        expected = (by_u * du).sum() + (by_x * dx).sum()
        assert (gradient[name] * change).sum() == pytest.approx(expected, rel=1e-8, abs=1e-9)


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
