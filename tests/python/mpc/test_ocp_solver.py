"""The MPC kernel against stored references, scipy, and its own optimality conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp, QpSolver, SoftRows

PROBLEMS = (
    "cartpole_4_1_50",
    "mass_spring_24_6_50",
    "mass_spring_8_3_15",
    "quadrotor_12_4_30",
    "random_16_4_40_s2",
    "random_24_6_50_s3",
    "random_40_10_30_s5",
    "random_6_2_20_s1",
    "random_tv_12_4_30_s4",
)


def stored(path: Path) -> tuple[OcpQp, dict[str, Any]]:
    d = dict(np.load(path))
    N = int(d["N"])
    if len(d["A"]) != N:  # long horizons store one A, B, b, R and Q = [stage, terminal]
        for name in ("A", "B", "b", "R"):
            d[name] = np.repeat(d[name].reshape(-1, *d[name].shape[1:])[:1], N, axis=0)
        d["Q"] = np.concatenate([np.repeat(d["Q"][:1], N, axis=0), d["Q"][-1:]])
    names = ("A", "B", "b", "Q", "R", "q", "r", "lbx", "ubx", "lbu", "ubu")
    return OcpQp(**{name: d[name] for name in names}), d


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("tolerance", [1e-6, 1e-9])
def test_stored_problems(data_dir: Path, name: str, tolerance: float) -> None:
    qp, d = stored(data_dir / "mpc/ocp" / f"{name}.npz")
    s = QpSolver(qp, tolerance=tolerance).solve(d["x0"])
    assert s.status == "ok"
    bounds = qp.N * (qp.nx + qp.nu) * 2
    assert abs(s.objective - d["obj"]) <= 2 * bounds * tolerance
    assert s.objective >= d["obj"] - 1e-7 * max(1.0, abs(d["obj"]))
    assert (s.u >= d["lbu"] - 10 * tolerance).all()
    assert (s.u <= d["ubu"] + 10 * tolerance).all()
    assert (s.x[1:] >= d["lbx"][1:] - 10 * tolerance).all()
    assert (s.x[1:] <= d["ubx"][1:] + 10 * tolerance).all()
    follow = np.einsum("kij,kj->ki", d["A"], s.x[:-1]) + np.einsum("kij,kj->ki", d["B"], s.u)
    np.testing.assert_allclose(s.x[1:], follow + d["b"], atol=1e-11 * max(1, abs(s.x).max()))
    if tolerance == 1e-9:
        np.testing.assert_allclose(s.u, d["u_opt"], atol=2e-3)


def double_integrator(N: int = 12, **more: Any) -> OcpQp:
    h = 0.2
    A = np.block([[np.eye(2), h * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    B = np.vstack([0.5 * h * h * np.eye(2), h * np.eye(2)])
    return OcpQp(
        A=A, B=B, Q=np.diag([1.0, 1.0, 0.3, 0.3]), R=0.2 * np.eye(2), N=N, lbu=[-2, -2], ubu=[2, 2],
        **more,
    )  # fmt: skip


def test_soft_rows_agree_with_scipy() -> None:
    l1, l2, h, N = 5.0, 2.0, 0.2, 6
    normal = np.array([0.6, 0.8, 0.0, 0.0])
    qp = double_integrator(N, soft=SoftRows([normal], [0.4], l1, l2))
    x0 = np.array([1.0, -0.5, 0.0, 0.3])
    s = QpSolver(qp, tolerance=1e-9).solve(x0)
    A, B = qp.arrays["A"][0], qp.arrays["B"][0]

    def roll(u: np.ndarray) -> np.ndarray:
        x = [x0]
        for k in range(N):
            x.append(A @ x[-1] + B @ u[2 * k : 2 * k + 2])
        return np.array(x[1:])

    def cost(v: np.ndarray) -> float:
        u, slack = v[: 2 * N], v[2 * N :]
        x = roll(u)
        track = 0.5 * ((x @ np.diag([1.0, 1.0, 0.3, 0.3])) * x).sum()
        return float(track + 0.1 * (u**2).sum() + l1 * slack.sum() + 0.5 * l2 * (slack**2).sum())

    columns = [roll(e) @ normal - roll(np.zeros(2 * N)) @ normal for e in np.eye(2 * N)]
    matrix = np.hstack([np.array(columns).T, np.eye(N)])
    rows = LinearConstraint(matrix, 0.4 - roll(np.zeros(2 * N)) @ normal, np.inf)
    best = minimize(
        cost,
        np.r_[np.zeros(2 * N), np.ones(N)],
        method="SLSQP",
        constraints=[rows],
        bounds=[(-2, 2)] * (2 * N) + [(0, None)] * N,
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert s.status == "ok"
    assert s.objective == pytest.approx(best.fun, rel=1e-5)
    np.testing.assert_allclose(s.u.ravel(), best.x[: 2 * N], atol=2e-3)
    assert h * N > 0


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_random_problems_satisfy_the_optimality_conditions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nx, nu, N = int(rng.integers(1, 7)), int(rng.integers(1, 4)), int(rng.integers(1, 15))
    A = rng.normal(0, 1, (N, nx, nx)) / np.sqrt(nx)
    B = rng.normal(0, 1, (N, nx, nu))
    q_root = rng.normal(0, 1, (nx, nx))
    qp = OcpQp(
        A=A, B=B, Q=q_root @ q_root.T, R=np.eye(nu), q=rng.normal(0, 1, (N + 1, nx)),
        r=rng.normal(0, 1, (N, nu)), b=rng.normal(0, 0.3, (N, nx)),
        lbu=np.full(nu, -0.5), ubu=np.full(nu, 0.5),
    )  # fmt: skip
    s = QpSolver(qp, tolerance=1e-9).solve(rng.normal(0, 1, nx))
    assert s.status == "ok"
    a = qp.arrays
    costate = a["Q"][N] @ s.x[N] + a["q"][N]
    for k in range(N - 1, -1, -1):
        gradient = a["R"][k] @ s.u[k] + a["r"][k] + B[k].T @ costate
        # inside the box the gradient vanishes; at a bound it points outwards
        scale = 1e-4 * (1 + np.abs(gradient).max())
        inside = np.abs(s.u[k]) < 0.5 - 1e-5
        assert (np.abs(gradient[inside]) < scale).all()
        assert (gradient[s.u[k] >= 0.5 - 1e-5] < scale).all()
        assert (gradient[s.u[k] <= -0.5 + 1e-5] > -scale).all()
        costate = a["Q"][k] @ s.x[k] + a["q"][k] + A[k].T @ costate


def test_a_warm_start_saves_iterations_and_changes_nothing() -> None:
    solver = QpSolver(double_integrator(), tolerance=1e-8)
    cold = solver.solve([1, 0, 0, 0], warm_start=False)
    warm = solver.solve([1, 0, 0, 0])
    assert warm.iterations <= cold.iterations
    np.testing.assert_allclose(warm.u, cold.u, atol=1e-5)


def test_an_infeasible_problem_does_not_poison_the_next() -> None:
    solver = QpSolver(double_integrator(lbx=[-1, -1, -1, -1], ubx=[1, 1, 1, 1]))
    good = solver.solve([0.5, 0, 0, 0])
    assert good.status == "ok"
    bad = solver.solve([50.0, 0, 0, 0])
    assert bad.status in ("primal_infeasible", "max_iterations")
    again = solver.solve([0.5, 0, 0, 0])
    assert again.status == "ok"
    np.testing.assert_allclose(again.u, good.u, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"Q": np.eye(3)}, ShapeError, "Q must be"),
        ({"Q": np.full((4, 4), np.nan)}, ConfigError, "Q holds NaN"),
        ({"Q": np.triu(np.ones((4, 4)))}, ConfigError, "Q must be symmetric"),
        ({"lbu": [3, 3]}, ConfigError, "lbu must not exceed ubu"),
        ({"N": 0}, ConfigError, "N"),
        ({"soft": SoftRows(np.ones((1, 3)), [0.0])}, ShapeError, "soft.C"),
        ({"soft": SoftRows(np.ones((1, 4)), [0.0], -1.0)}, ConfigError, "soft.l1"),
    ],
)
def test_bad_problems_are_named(change: dict[str, Any], error: type[Exception], word: str) -> None:
    arguments: dict[str, Any] = {
        "A": np.eye(4), "B": np.ones((4, 2)), "Q": np.eye(4), "R": np.eye(2), "N": 5,
        "lbu": [-2, -2], "ubu": [2, 2],
    }  # fmt: skip
    with pytest.raises(error, match=word):
        OcpQp(**{**arguments, **change})


def test_bad_states_are_named() -> None:
    solver = QpSolver(double_integrator())
    with pytest.raises(ShapeError, match="x0"):
        solver.solve([1.0, 2.0])
    with pytest.raises(ConfigError, match="x0"):
        solver.solve([np.nan, 0, 0, 0])


def test_a_cost_that_is_not_positive_definite_is_reported() -> None:
    qp = OcpQp(A=np.eye(1), B=np.eye(1), Q=-np.eye(1), R=-np.eye(1), N=3)
    assert QpSolver(qp).solve([1.0]).status == "not_positive_definite"
