"""solve_qp against stored problems, scipy, and its own optimality conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import QpSolution, solve_qp


def breach(s: QpSolution, **p: Any) -> float:
    """Largest breach of the optimality conditions, from the problem's matrices."""
    gradient = p["P"] @ s.x + p["q"]
    found = [0.0]
    if "G" in p:
        slack = p["h"] - p["G"] @ s.x
        gradient = gradient + p["G"].T @ s.z
        found += [(-slack).max(), (-s.z).max(), np.minimum(np.abs(slack), np.abs(s.z)).max()]
    if "A" in p:
        gradient = gradient + p["A"].T @ s.y
        found.append(np.abs(p["A"] @ s.x - p["b"]).max())
    if "lb" in p:
        gradient = gradient + s.z_box
        found += [(p["lb"] - s.x).max(), (s.x - p["ub"]).max()]
        room = np.where(s.z_box > 0, p["ub"] - s.x, s.x - p["lb"])
        found.append(np.minimum(np.abs(s.z_box), room).max())
    return float(max(*found, np.abs(gradient).max()))


@pytest.mark.parametrize("family", ["LIPMWALK", "WHLIPBAL", "QUADCMPC"])
def test_problems_of_the_mpc_benchmark(data_dir: Path, family: str) -> None:
    folder = data_dir / "mpc" / "mpc_qpbenchmark"
    optimal = json.loads((folder / "optimal.json").read_text())
    for name in (n for n in optimal if n.startswith(family)):
        p = dict(np.load(folder / f"{name}.npz"))
        s = solve_qp(**p)
        assert s.status == "ok", name
        assert s.objective == pytest.approx(optimal[name]["obj"], rel=1e-8, abs=1e-8)
        assert max(s.residuals["primal"], s.residuals["dual"]) < 1e-7
        assert s.residuals["gap"] < 1e-6 * max(1, abs(s.objective))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 100_000))
def test_random_programmes_satisfy_the_optimality_conditions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, e = int(rng.integers(1, 25)), int(rng.integers(1, 40)), int(rng.integers(0, 4))
    rank = int(rng.integers(0, n + 1)) if rng.random() < 0.3 else n
    root = rng.normal(size=(n, rank)) * 10.0 ** rng.uniform(-1, 1, size=rank)
    inside = rng.normal(size=n)
    full = 1e-3 * (rank == n) * np.eye(n)  # singular, or of a condition that doubles resolve
    p: dict[str, Any] = {"P": root @ root.T + full, "q": rng.normal(size=n)}
    p["G"] = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-1, 1, size=(m, 1))
    p["h"] = p["G"] @ inside + rng.exponential(size=m) * (rng.random(m) < 0.8)  # some degenerate
    if e and e < n:
        p["A"] = rng.normal(size=(e, n))
        p["b"] = p["A"] @ inside
    p["lb"], p["ub"] = inside - rng.exponential(size=n), inside + rng.exponential(size=n)
    s = solve_qp(**p, tolerance=1e-8)
    assert s.status == "ok"
    scale = 1 + np.abs(p["P"]).max() + np.abs(s.z).max() + np.abs(s.z_box).max()
    assert breach(s, **p) < 1e-7 * scale


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 100_000))
def test_feasible_or_a_certificate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 8)), int(rng.integers(1, 20))
    G, h = rng.normal(size=(m, n)), rng.normal(size=m)
    P = np.eye(n)
    s = solve_qp(P, np.zeros(n), G, h)
    feasible = linprog(np.zeros(n), G, h, bounds=(None, None)).status == 0
    assert s.status == ("ok" if feasible else "primal_infeasible")
    if feasible:
        assert (G @ s.x <= h + 1e-8).all()
    else:
        size = s.z.max()
        assert (s.z >= -1e-12 * size).all()
        assert h @ s.z < 0
        np.testing.assert_allclose(G.T @ s.z, 0, atol=1e-8 * size)


def test_linear_programmes_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        G, c = rng.normal(size=(12, 5)), rng.normal(size=5)
        h = rng.uniform(0.5, 2, size=12)
        s = solve_qp(np.zeros((5, 5)), c, G, h, lb=-np.full(5, 3.0), ub=np.full(5, 3.0))
        best = linprog(c, G, h, bounds=[(-3, 3)] * 5)
        assert s.status == "ok"
        assert s.objective == pytest.approx(best.fun, abs=1e-6)


def test_unbounded_programmes_are_told_apart() -> None:
    s = solve_qp([[1.0, 0.0], [0.0, 0.0]], [0.0, -1.0], [[-1.0, 0.0]], [1.0])
    assert s.status == "dual_infeasible"


def test_indefinite_matrices_are_refused() -> None:
    assert solve_qp([[1.0, 0.0], [0.0, -1.0]], [0.0, 0.0]).status == "not_positive_definite"


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"P": np.eye(2)}, ShapeError, "P must be"),
        ({"P": np.full((3, 3), np.nan)}, ConfigError, "P must be finite"),
        ({"G": np.eye(2)}, ShapeError, "G must be"),
        ({"h": None}, ShapeError, "G and h"),
        ({"h": [np.nan, 0, 0]}, ConfigError, "h holds NaN"),
        ({"lb": np.ones(3), "ub": np.zeros(3)}, ConfigError, "lb must not exceed"),
        ({"tolerance": 0}, ConfigError, "tolerance"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], error: type[Exception], word: str) -> None:
    good: dict[str, Any] = {"P": np.eye(3), "q": np.ones(3), "G": np.eye(3), "h": np.ones(3)}
    with pytest.raises(error, match=word):
        solve_qp(**{**good, **change})


def test_the_plug_in_of_qpsolvers() -> None:
    qpsolvers = pytest.importorskip("qpsolvers", reason="optcore[test] brings it")
    from optcore.mpc.qpsolvers import optcore_solve_qp, register

    register()
    P, q = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([-2.0, -5.0])
    G, h = np.array([[1.0, 1.0]]), np.array([2.0])
    assert "optcore" in qpsolvers.available_solvers
    np.testing.assert_allclose(qpsolvers.solve_qp(P, q, G, h, solver="optcore"), [0.25, 1.75])
    np.testing.assert_allclose(optcore_solve_qp(P, q, G, h), [0.25, 1.75])
    problem = qpsolvers.Problem(P, q, G, h, lb=np.zeros(2), ub=np.ones(2))
    solution = qpsolvers.solve_problem(problem, solver="optcore")
    assert solution.found
    assert solution.is_optimal(1e-8)
