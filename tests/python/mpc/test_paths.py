"""The solver's paths beside each other and beside PIQP."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kkt import proves_infeasible, random_arguments, relative_residual

from optcore.errors import ConfigError
from optcore.mpc import OcpQp, QpSolver

SEEDS = st.integers(0, 100_000)


def piqp_plan(qp: OcpQp, x0: np.ndarray) -> tuple[np.ndarray, float]:
    """Inputs (N, nu) and objective to 1e-10, from the dense stacked programme."""
    piqp = pytest.importorskip("piqp", reason="piqp is not installed")
    a, (n, m, N, g) = qp.arrays, qp.size
    w = n + m
    P, c, low, high = np.zeros((N * w, N * w)), np.zeros(N * w), [], []
    E, e = np.zeros((N * n, N * w)), np.zeros(N * n)
    G, under, over = np.zeros((g * (N + 1), N * w)), a["lg"].ravel().copy(), a["ug"].ravel().copy()
    for k in range(N):
        u, x = slice(k * w, k * w + m), slice(k * w + m, (k + 1) * w)
        P[u, u], P[x, x] = a["R"][k], a["Q"][k + 1]
        c[u], c[x] = a["r"][k], a["q"][k + 1]
        low += [a["lbu"][k], a["lbx"][k + 1]]
        high += [a["ubu"][k], a["ubx"][k + 1]]
        follow = slice(k * n, (k + 1) * n)
        E[follow, u], E[follow, x], e[follow] = a["B"][k], -np.eye(n), -a["b"][k]
        rows, after = slice(k * g, (k + 1) * g), slice((k + 1) * g, (k + 2) * g)
        G[rows, u], G[after, x] = a["D"][k], a["C"][k + 1]
        if k > 0:
            E[follow, k * w - n : k * w] = a["A"][k]
    e[:n] -= a["A"][0] @ x0
    shift = a["C"][0] @ x0
    under[:g], over[:g] = under[:g] - shift, over[:g] - shift
    solver = piqp.DenseSolver()
    for name in ("eps_abs", "eps_rel", "eps_duality_gap_abs", "eps_duality_gap_rel"):
        setattr(solver.settings, name, 1e-10)
    solver.setup(P, c, E, e, G, under, over, np.concatenate(low), np.concatenate(high))
    assert solver.solve() == piqp.Status.PIQP_SOLVED
    z = np.array(solver.result.x)
    return z.reshape(N, w)[:, :m], float(0.5 * z @ P @ z + c @ z)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(SEEDS)
def test_agrees_with_piqp_on_every_path(seed: int) -> None:
    arguments, x0 = random_arguments(np.random.default_rng(seed), "feasible")
    qp = OcpQp(**arguments)
    u, objective = piqp_plan(qp, x0)
    for method in ("auto", "riccati", "interior_point", "condensed"):
        tight = 1e-6 if method == "interior_point" else 1e-9
        s = QpSolver(qp, tolerance=min(tight, 1e-9), method=method).solve(x0)
        assert s.status == "ok", method
        assert s.objective == pytest.approx(objective, rel=1e-7, abs=1e-7), method
        np.testing.assert_allclose(s.u, u, atol=1e-4 if method == "interior_point" else 1e-5)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(SEEDS, st.sampled_from(["feasible", "degenerate", "scaled"]))
def test_a_kept_model_gives_the_same_plans(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    arguments, x0 = random_arguments(rng, kind)
    qp = OcpQp(**arguments)
    kept, anew = QpSolver(qp, tolerance=1e-9), QpSolver(qp, tolerance=1e-9, method="riccati")
    condensed = 0
    for _ in range(4):
        q = np.asarray(arguments["q"]) * rng.uniform(0.5, 1.5)
        kept.update(q=q)
        anew.update(q=q)
        one, other = kept.solve(x0), anew.solve(x0, warm_start=False)
        assert one.status == other.status == "ok"
        assert relative_residual(kept.problem, one) <= 1e-7
        assert one.objective == pytest.approx(other.objective, rel=1e-6, abs=1e-6)
        condensed += one.method == "condensed"
    assert condensed >= 3 or kind == "degenerate"  # its inputs without a cost need the other path


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS)
def test_a_kept_model_without_a_feasible_point(seed: int) -> None:
    arguments, x0 = random_arguments(np.random.default_rng(seed), "infeasible")
    feasible = {**arguments, "lbx": np.full_like(arguments["lbx"], -1e30)}
    solver = QpSolver(OcpQp(**feasible), tolerance=1e-9)
    for _ in range(3):
        assert solver.solve(x0).status == "ok"
    solver.update(lbx=arguments["lbx"])
    for _ in range(3):
        s = solver.solve(x0)
        assert s.status == "primal_infeasible"
        assert proves_infeasible(solver.problem, s)
    solver.update(lbx=feasible["lbx"])
    for _ in range(3):
        assert solver.solve(x0).status == "ok"


def chain(N: int) -> dict[str, Any]:
    h = 0.1
    return {
        "A": [[1.0, h], [0.0, 1.0]], "B": [[h * h / 2], [h]], "Q": np.diag([1.0, 0.1]),
        "R": [[0.1]], "N": N, "lbu": [-1.0], "ubu": [1.0], "lbx": [-1e30, -0.8], "ubx": [1e30, 0.8],
    }  # fmt: skip


def test_the_choice_of_a_path() -> None:
    qp = OcpQp(**chain(20))
    solver = QpSolver(qp)
    methods = [solver.solve([3.0, 0.0], warm_start=False).method for _ in range(3)]
    assert methods[0] != "condensed"
    assert methods[1:] == ["condensed", "condensed"]
    solver.update(A=[[1.0, 0.2], [0.0, 1.0]])
    assert solver.solve([3.0, 0.0]).method != "condensed"
    assert solver.solve([3.0, 0.0]).method == "condensed"
    assert QpSolver(qp, method="condensed").solve([3.0, 0.0]).method == "condensed"
    riccati = QpSolver(qp, method="riccati")
    assert "condensed" not in [riccati.solve([3.0, 0.0]).method for _ in range(3)]
    with pytest.raises(ConfigError, match="method must be one of"):
        QpSolver(qp, method="dense")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["auto", "riccati", "interior_point"])
def test_a_thousand_stages(method: Any) -> None:
    qp = OcpQp(**chain(1000))
    solver = QpSolver(qp, tolerance=1e-8, method=method)
    for x0 in ([30.0, 0.0], [29.0, 0.5], [-5.0, 0.0]):
        s = solver.solve(x0)
        assert s.status == "ok"
        assert relative_residual(qp, s) <= 1e-6
