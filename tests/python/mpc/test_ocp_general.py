"""General constraints, outcomes and rewritten problems of the MPC kernel, checked in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kkt import proves_infeasible, random_arguments, relative_residual, residuals
from scipy.optimize import linprog

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp, QpSolver, SoftRows, TerminalSet

A, B = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[0.005], [0.1]])
BASE = {"A": A, "B": B, "Q": np.eye(2), "R": [[0.1]], "N": 20, "lbu": [-1.0], "ubu": [1.0]}


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 100_000), st.sampled_from(["feasible", "degenerate", "scaled"]))
@example(50086, "scaled")  # neither the active set nor the interior point gets there
def test_random_problems_meet_their_optimality_conditions(seed: int, kind: str) -> None:
    arguments, x0 = random_arguments(np.random.default_rng(seed), kind)
    qp = OcpQp(**arguments)
    s = QpSolver(qp, tolerance=1e-9).solve(x0)
    assert s.status == "ok"
    assert relative_residual(qp, s) <= 1e-7


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 100_000))
def test_the_plan_does_not_depend_on_the_units(seed: int) -> None:
    plain, x0 = random_arguments(np.random.default_rng(seed), "feasible")
    scaled, scaled_x0 = random_arguments(np.random.default_rng(seed), "scaled")
    one = QpSolver(OcpQp(**plain), tolerance=1e-9).solve(x0)
    other = QpSolver(OcpQp(**scaled), tolerance=1e-9).solve(scaled_x0)
    assert one.status == other.status == "ok"
    assert other.objective == pytest.approx(one.objective, rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(other.u / scaled["ubu"], one.u / plain["ubu"], atol=1e-5)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 100_000))
@example(1232)  # an inexact line search went round in circles
def test_infeasible_problems_come_with_a_proof(seed: int) -> None:
    arguments, x0 = random_arguments(np.random.default_rng(seed), "infeasible")
    qp = OcpQp(**arguments)
    s = QpSolver(qp).solve(x0)
    assert s.status == "primal_infeasible"
    assert proves_infeasible(qp, s)
    assert (s.u >= -0.6).all()
    assert (s.u <= 0.6).all()
    assert np.isfinite(s.x).all()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 100_000))
def test_both_methods_agree(seed: int) -> None:
    arguments, x0 = random_arguments(np.random.default_rng(seed), "feasible")
    qp = OcpQp(**arguments)
    one = QpSolver(qp, tolerance=1e-8).solve(x0)
    other = QpSolver(qp, tolerance=1e-8, method="interior_point").solve(x0)
    assert one.objective == pytest.approx(other.objective, rel=1e-5, abs=1e-5)


def test_a_warm_solve_from_another_state_is_exact() -> None:
    rng = np.random.default_rng(5)
    qp = OcpQp(**BASE, lbx=[-2.0, -0.5], ubx=[2.0, 0.5])
    warm, x = QpSolver(qp, tolerance=1e-9), np.array([1.5, 0.0])
    for _ in range(60):
        s = warm.solve(x)
        cold = QpSolver(qp, tolerance=1e-9).solve(x)
        assert s.status == cold.status == "ok"
        np.testing.assert_allclose(s.u, cold.u, atol=1e-7)
        assert max(residuals(qp, s).values()) < 1e-7
        x = A @ x + B @ s.u[0] + rng.normal(0, 0.02, 2) * [1, 0.5]
        x[1] = np.clip(x[1], -0.5, 0.5)


def test_an_unbounded_problem_is_named() -> None:
    qp = OcpQp(A=A, B=B, Q=np.zeros((2, 2)), R=[[0.0]], N=5, r=[1.0])
    s = QpSolver(qp).solve([0.0, 0.0])
    assert s.status == "dual_infeasible"
    assert np.isfinite(s.u).all()


def test_a_linear_programme_agrees_with_scipy() -> None:
    N = 8
    qp = OcpQp(
        A=A, B=B, Q=np.zeros((2, 2)), R=[[0.0]], N=N, lbu=[-1.0], ubu=[1.0], q=[1.0, 0.3],
        lbx=[-1e30, -0.3], ubx=[1e30, 0.3],
    )  # fmt: skip
    x0 = np.array([1.0, 0.1])
    s = QpSolver(qp, tolerance=1e-9).solve(x0)
    effect = [np.zeros((2, N))]
    free = [x0]
    for k in range(N):
        effect.append(A @ effect[-1])
        effect[-1][:, k] += B[:, 0]
        free.append(A @ free[-1])
    cost = sum(np.array([1.0, 0.3]) @ e for e in effect[1:])
    speed = np.array([e[1] for e in effect[1:]])
    drift = np.array([f[1] for f in free[1:]])
    best = linprog(
        cost, np.r_[speed, -speed], np.r_[0.3 - drift, 0.3 + drift], bounds=[(-1, 1)] * N
    )
    constant = sum(np.array([1.0, 0.3]) @ f for f in free[1:])
    assert s.status == "ok"
    assert s.objective == pytest.approx(best.fun + constant, abs=1e-6)


def test_a_terminal_set_and_cross_costs() -> None:
    S = np.array([[0.2, -0.1]])
    qp = OcpQp(**BASE, S=S, terminal=TerminalSet(np.eye(2), [-0.01, -0.02], [0.01, 0.02]))
    s = QpSolver(qp, tolerance=1e-9).solve([0.5, 0.0])
    assert s.status == "ok"
    assert (np.abs(s.x[-1]) <= np.array([0.01, 0.02]) + 1e-8).all()
    assert max(residuals(qp, s).values()) < 1e-7
    stage = sum(0.5 * x @ x + 0.05 * u @ u + u @ S @ x for x, u in zip(s.x[:-1], s.u, strict=True))
    total = stage + 0.5 * s.x[-1] @ s.x[-1] - 0.5 * s.x[0] @ s.x[0]
    assert s.objective == pytest.approx(total, abs=1e-9)


def test_rates_hold_from_the_last_input_on() -> None:
    qp = OcpQp(**BASE, rate=([-0.2], [0.15]))
    solver = QpSolver(qp, tolerance=1e-9)
    s = solver.solve([1.0, 0.0], last_input=[0.3])
    assert s.status == "ok"
    assert s.x.shape == (21, 2)
    change = np.diff(np.r_[0.3, s.u[:, 0]])
    assert change.min() == pytest.approx(-0.2, abs=1e-7)
    assert change.max() <= 0.15 + 1e-7
    with pytest.raises(ConfigError, match="last_input"):
        QpSolver(OcpQp(**BASE)).solve([1.0, 0.0], last_input=[0.0])


def test_a_free_first_state_is_the_best_one() -> None:
    q = np.random.default_rng(0).normal(0, 1, (21, 2))
    box = np.array([0.5, 0.2])
    qp = OcpQp(**BASE, q=q, lbx=-box, ubx=box, free_x0=True)
    s = QpSolver(qp, tolerance=1e-9).solve()
    assert s.status == "ok"
    assert s.x.shape == (21, 2)
    fixed = QpSolver(OcpQp(**BASE, q=q, lbx=-box, ubx=box), tolerance=1e-9)

    def cost(x0: np.ndarray) -> float:
        return float(fixed.solve(x0).objective + 0.5 * x0 @ x0 + q[0] @ x0)

    assert s.objective == pytest.approx(cost(s.x[0]), abs=1e-7)
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = np.clip(s.x[0] + rng.normal(0, 0.05, 2), -box, box)
        if fixed.solve(other).status == "ok":
            assert cost(other) >= s.objective - 1e-8
    with pytest.raises(ConfigError, match="x0"):
        QpSolver(qp).solve([0.0, 0.0])


def test_update_changes_the_problem_and_keeps_the_solver() -> None:
    solver = QpSolver(OcpQp(**BASE))
    before = solver.solve([1.0, 0.0])
    solver.update(ubu=[0.1], lbu=[-0.1])
    after = solver.solve([1.0, 0.0])
    assert np.abs(after.u).max() <= 0.1 + 1e-7 < np.abs(before.u).max()
    np.testing.assert_allclose(
        after.u, QpSolver(OcpQp(**{**BASE, "ubu": [0.1], "lbu": [-0.1]})).solve([1.0, 0.0]).u,
        atol=1e-6,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="no such argument"):
        solver.update(Z=1)
    with pytest.raises(ShapeError, match="Q"):
        solver.update(Q=np.eye(3))


def test_rows_with_an_l1_price_alone_are_violated_only_when_that_is_cheaper() -> None:
    for price, violated in ((1e4, False), (1e-3, True)):
        qp = OcpQp(**BASE, soft=SoftRows([[1.0, 0.0]], [0.5], price, 0.0))
        s = QpSolver(qp, tolerance=1e-8).solve([1.0, 0.0])
        assert s.status == "ok"
        assert (s.max_slack > 1e-6) == violated
        assert max(residuals(qp, s).values()) < 1e-8 * (1 + price)


@pytest.mark.parametrize("bad", [{"lg": [0.0]}, {"C": np.eye(2), "lg": [1, 1], "ug": [0, 0]}])
def test_bad_rows_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="lg"):
        OcpQp(**BASE, **bad)
