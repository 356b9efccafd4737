"""Condensed tables against the solver that keeps the states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp, QpSolver, SoftRows, TerminalSet, export_header
from optcore.mpc.condensed import CondensedProblem, condense


def random_problem(seed: int, kind: str) -> OcpQp:
    rng = np.random.default_rng(seed)
    n, m, N = (int(rng.integers(low, high)) for low, high in ((1, 5), (1, 4), (1, 9)))
    weight = rng.normal(size=(n + m, n + m)) * 0.4
    cost = weight @ weight.T + np.eye(n + m)
    more: dict[str, Any] = {}
    if kind == "bounds":
        more = {"lbx": np.full(n, -3.0), "ubx": np.full(n, 3.0)}
    elif kind == "rows":
        more = {"C": rng.normal(size=(2, n)), "D": rng.normal(size=(2, m)), "lg": [-2.0, -1e30],
                "ug": [2.0, 1.5]}  # fmt: skip
    elif kind == "soft":
        more = {"soft": SoftRows(rng.normal(size=(2, n)), [0.3, -0.2], l1=0.0, l2=[5.0, 20.0])}
    elif kind == "terminal":
        more = {"terminal": TerminalSet(np.eye(n), np.full(n, -1.5), np.full(n, 1.5))}
    elif kind == "rate":
        more = {"rate": (np.full(m, -0.4), np.full(m, 0.4))}
    return OcpQp(
        A=np.eye(n) + 0.3 * rng.normal(size=(N, n, n)), B=rng.normal(size=(N, n, m)),
        b=0.1 * rng.normal(size=(N, n)), Q=cost[:n, :n], R=cost[n:, n:], S=cost[n:, :n],
        q=rng.normal(size=n), r=rng.normal(size=m), lbu=np.full(m, -1.0), ubu=np.full(m, 1.0),
        **more,
    )  # fmt: skip


def plan_and_multipliers(problem: OcpQp, p: CondensedProblem, x: Any, u: Any, y: Any) -> Any:
    """The solver's plan and multipliers in the order of the tables (upper side positive)."""
    a = problem.arrays
    plan, multiplier = [u.ravel()], [-y.u.ravel()]
    for k in range(len(u) + 1):
        bounded = (a["lbx"][k] > -1e29) | (a["ubx"][k] < 1e29)
        if k > 0 and bounded.any():
            plan.append(x[k][bounded])
            multiplier.append(-y.x[k][bounded])
        used = (a["lg"][k] > -1e29) | (a["ug"][k] < 1e29)
        if k == 0:
            used &= np.abs(a["D"][0]).max(axis=-1, initial=0) > 0
        if used.any():
            value = a["C"][k][used] @ x[k]
            if k < len(u):
                value = value + a["D"][k][used] @ u[k]
            soft = a["l1"][k][used] == 0
            price = np.where(soft, a["l2"][k][used], 1)
            plan.append(value + np.where(soft, y.rows[k][used] / price, 0))
            multiplier.append(-y.rows[k][used])
    return np.concatenate(plan), np.concatenate(multiplier)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6), st.sampled_from(["bounds", "rows", "soft", "terminal", "rate", "none"])
)
def test_solution_and_multipliers_satisfy_the_condensed_optimality(seed: int, kind: str) -> None:
    problem = random_problem(seed, kind)
    p = condense(problem)
    x0 = np.random.default_rng(seed + 1).normal(size=problem.nx)
    found = QpSolver(problem, tolerance=1e-9).solve(x0)
    if not found.solved:
        return  # infeasible ones have tests of their own
    x, u, y = found.x, found.u, found.multipliers
    if kind == "rate":
        start = np.r_[x0, np.zeros(problem.nu)]
        last = np.vstack([np.zeros(problem.nu), u])
        x = np.hstack([x, last])
    else:
        start = x0
    plan, multipliers = plan_and_multipliers(problem, p, x, u, y)
    expected = p.response @ start + p.offset - p.gram @ multipliers
    np.testing.assert_allclose(plan, expected, atol=2e-6 * (1 + np.abs(plan).max()))
    assert (plan >= p.low - 1e-6).all()
    assert (plan <= p.high + 1e-6).all()


def test_a_disturbance_is_an_offset_of_every_stage() -> None:
    problem = random_problem(7, "bounds")
    E = np.random.default_rng(0).normal(size=(problem.nx, 2))
    w = np.array([0.3, -0.8])
    p = condense(problem, E)
    moved = condense(problem.replaced(b=problem.arrays["b"] + E @ w))
    np.testing.assert_allclose(
        p.response[:, problem.nx :] @ w + p.offset, moved.offset, rtol=1e-9, atol=1e-12
    )
    assert p.disturbances == 2


def test_what_cannot_be_condensed_is_refused(tmp_path: Any) -> None:
    double = {"A": np.eye(2), "B": np.eye(2), "Q": np.eye(2), "N": 3}
    with pytest.raises(ConfigError, match="linear price"):
        condense(OcpQp(**double, R=np.eye(2), soft=SoftRows(np.eye(2), [0, 0], l1=3.0)))
    with pytest.raises(ConfigError, match="free_x0"):
        condense(OcpQp(**double, R=np.eye(2), free_x0=True))
    with pytest.raises(ConfigError, match="positive definite"):
        condense(OcpQp(A=np.eye(2), B=np.zeros((2, 1)), Q=np.eye(2), R=[[0.0]], N=3))
    good = OcpQp(**double, R=np.eye(2))
    with pytest.raises(ShapeError, match=r"disturbance must be finite and \(2, nw\)"):
        condense(good, np.ones((3, 1)))
    with pytest.raises(ConfigError, match="identifier"):
        export_header(good, tmp_path / "a.hpp", name="1a")
    with pytest.raises(ConfigError, match="identifier"):
        export_header(good, tmp_path / "a.hpp", name="class")
    with pytest.raises(ConfigError, match="scalar"):
        export_header(good, tmp_path / "a.hpp", scalar="half")
    unstable = OcpQp(A=[[2.0]], B=[[1.0]], Q=[[1.0]], R=[[1.0]], N=14)
    with pytest.raises(ConfigError, match="condition"):
        export_header(unstable, tmp_path / "a.hpp")
    assert not list(tmp_path.iterdir())
