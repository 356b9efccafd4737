"""Solvers of the optimal-control problem, each as its manual would have it used in a loop.

Every builder does the set-up (structure, symbolic work, what of the factorisation may be kept) and
gives a function of the measured state that returns the plan: (u (N, nu), x_1 .. x_N or None).
A cold function forgets the last solution; a warm one starts from it, where the solver can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from areas.mpc_peers.problem import Floats, OcpFile, infinite
from harness import Absent

__all__ = ["PEERS", "Plan", "Solve"]

Plan = tuple[Floats, Floats | None]
Solve = Callable[[Floats], Plan]

LARGEST_CONDENSED = 160  # inputs in all, beyond which nobody would condense


def _optcore(
    method: Literal["auto", "riccati"],
) -> Callable[[OcpFile, float, bool], Solve]:
    def build(p: OcpFile, tolerance: float, warm: bool) -> Solve:
        from optcore.mpc import OcpQp, QpSolver

        solver = QpSolver(OcpQp(**p.ocp_arguments()), tolerance=tolerance, method=method)
        for _ in range(2):  # "auto" keeps the model's factor from the second solve on
            solver.solve(p.x0, False)

        def solve(x0: Floats) -> Plan:
            s = solver.solve(x0, warm)
            return s.u, s.x[1:]

        return solve

    return build


def _piqp(method: str) -> Callable[[OcpFile, float, bool], Solve]:
    def build(p: OcpFile, tolerance: float, warm: bool) -> Solve:
        import piqp

        s, solver = p.stacked, piqp.SparseSolver()
        solver.settings.kkt_solver = getattr(piqp.KKTSolver, method)
        solver.settings.eps_abs = solver.settings.eps_rel = tolerance
        solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = tolerance
        solver.settings.max_iter = 200
        empty = sparse.csc_matrix((0, len(s.q)))
        solver.setup(
            s.P, s.q, s.E, s.right_hand_side(p.x0), empty, np.zeros(0), np.zeros(0), s.lb, s.ub
        )

        def solve(x0: Floats) -> Plan:
            solver.update(b=s.right_hand_side(x0))
            solver.solve()
            return p.split(solver.result.x)

        return solve

    return build


def hpipm_in_casadi(p: OcpFile, tolerance: float, warm: bool) -> Solve:
    """The build that casadi ships: for any x86-64, about three times slower than one for AVX2."""
    import casadi

    if warm:
        raise Absent("casadi's interface starts HPIPM cold")
    n, m, N, d = p.nx, p.nu, p.N, p.arrays
    w = n + m
    # z = (x_0, u_0, x_1, ..., x_N) with dense stage blocks, as the interface wants them; x_0 is
    # fixed by its bounds.
    size = N * w + n
    H, E = np.zeros((size, size)), np.zeros((N * n, size))
    H_there, E_there = np.zeros_like(H, bool), np.zeros_like(E, bool)
    g, lower, upper = np.zeros(size), np.zeros(size), np.zeros(size)
    for k in range(N + 1):
        x, stage = slice(k * w, k * w + n), slice(k * w, (k + 1) * w)
        H_there[stage, stage] = True
        lower[x], upper[x], g[x] = d["lbx"][k], d["ubx"][k], d["q"][k]
        H[x, x] = d["Q"][k]
        if k == N:
            break
        u, rows, following = (
            slice(k * w + n, (k + 1) * w),
            slice(k * n, (k + 1) * n),
            slice((k + 1) * w, (k + 1) * w + n),
        )
        lower[u], upper[u], g[u] = d["lbu"][k], d["ubu"][k], d["r"][k]
        H[u, u] = d["R"][k]
        E[rows, x], E[rows, u], E[rows, following] = d["A"][k], d["B"][k], -np.eye(n)
        E_there[rows, stage] = True
        E_there[rows, following] = np.eye(n, dtype=bool)
    H[:n, :n], g[:n] = 0.0, 0.0
    lower, upper, right = infinite(lower), infinite(upper), -d["b"].ravel()
    tolerances = {f"res_{what}_max": tolerance for what in "gbdm"}
    solver = casadi.conic(
        "s", "hpipm", {"h": _pattern(casadi, H_there), "a": _pattern(casadi, E_there)},
        {"hpipm": {"mode": "speed", "iter_max": 200, **tolerances}, "N": N, "nx": [n] * (N + 1),
         "nu": [m] * N + [0], "ng": [0] * (N + 1), "error_on_fail": False},
    )  # fmt: skip
    pair: Any = solver.buffer()
    buffer, call = pair
    held: dict[str, Any] = {  # the interface reads and writes all of them, asked or not
        "h": H.T[H_there.T], "g": g, "a": E.T[E_there.T], "lba": right, "uba": right,
        "lbx": lower, "ubx": upper,
    }  # fmt: skip
    for i in range(solver.n_in()):
        array = held.setdefault(solver.name_in(i), np.zeros(solver.nnz_in(i)))
        buffer.set_arg(i, memoryview(array))
    for i in range(solver.n_out()):
        array = held.setdefault("result " + solver.name_out(i), np.zeros(solver.nnz_out(i)))
        buffer.set_res(i, memoryview(array))

    def solve(x0: Floats, alive: object = buffer) -> Plan:
        lower[:n] = upper[:n] = x0
        call()
        z = held["result x"]
        stages = z[: N * w].reshape(N, w)
        x = np.vstack([stages[1:, :n], z[None, N * w :]])
        return stages[:, n:].copy(), x

    return solve


def _pattern(casadi: Any, there: NDArray[np.bool_]) -> Any:
    matrix = sparse.csc_matrix(there)
    matrix.sort_indices()
    return casadi.Sparsity(*matrix.shape, matrix.indptr.tolist(), matrix.indices.tolist())


def osqp(p: OcpFile, tolerance: float, warm: bool) -> Solve:
    import osqp

    s, solver = p.stacked, osqp.OSQP()
    equalities = len(s.e)
    A = sparse.csc_matrix(sparse.vstack([s.E, sparse.eye(len(s.q))]))
    low = np.concatenate([s.e, s.lb])
    high = np.concatenate([s.e, s.ub])
    solver.setup(
        s.P, s.q, A, low, high, verbose=False, eps_abs=tolerance, eps_rel=0.0, max_iter=20000,
        polishing=False, warm_starting=warm,
    )  # fmt: skip

    def solve(x0: Floats) -> Plan:
        low[:equalities] = high[:equalities] = s.right_hand_side(x0)
        solver.update(l=low, u=high)
        return p.split(solver.solve().x)

    return solve


def clarabel(p: OcpFile, tolerance: float, warm: bool) -> Solve:
    import clarabel

    if warm:
        raise Absent("no warm start")
    s = p.stacked
    upper, lower = np.isfinite(s.ub), np.isfinite(s.lb)
    eye = sparse.eye(len(s.q), format="csr")
    A = sparse.csc_matrix(sparse.vstack([s.E, eye[upper], -eye[lower]]))
    bounds = np.concatenate([s.ub[upper], -s.lb[lower]])
    cones = [clarabel.ZeroConeT(len(s.e)), clarabel.NonnegativeConeT(len(bounds))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.presolve_enable = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    P = sparse.csc_matrix(sparse.triu(s.P))
    right = np.concatenate([s.right_hand_side(p.x0), bounds])
    solver = clarabel.DefaultSolver(P, s.q, A, right, cones, settings)

    def solve(x0: Floats) -> Plan:
        solver.update(b=np.concatenate([s.right_hand_side(x0), bounds]))
        return p.split(np.array(solver.solve().x))

    return solve


def proxqp(p: OcpFile, tolerance: float, warm: bool) -> Solve:
    from proxsuite import proxqp as prox

    s = p.stacked
    solver = prox.sparse.QP(len(s.q), len(s.e), len(s.q))
    solver.settings.eps_abs, solver.settings.eps_rel = tolerance, 0.0
    status = prox.InitialGuess
    solver.settings.initial_guess = (
        status.WARM_START_WITH_PREVIOUS_RESULT if warm else status.NO_INITIAL_GUESS
    )
    eye = sparse.csc_matrix(sparse.eye(len(s.q)))
    solver.init(s.P, s.q, s.E, s.right_hand_side(p.x0), eye, _big(s.lb), _big(s.ub))

    def solve(x0: Floats) -> Plan:
        solver.update(b=s.right_hand_side(x0))
        solver.solve()
        return p.split(np.asarray(solver.results.x))

    return solve


def _big(bound: Floats) -> Floats:
    return np.clip(bound, -1e20, 1e20)


def _check_condensed(p: OcpFile) -> None:
    if p.N * p.nu > LARGEST_CONDENSED:
        raise Absent(f"not condensed beyond {LARGEST_CONDENSED} inputs")


def daqp(p: OcpFile, tolerance: float, warm: bool) -> Solve:
    """Condensed; the workspace with the factor of H is kept, only vectors are updated."""
    import daqp

    _check_condensed(p)
    c, model = p.condensed, daqp.Model()
    own = len(c.ub)
    high, low = np.concatenate([c.ub, c.high]), np.concatenate([c.lb, c.low])
    # The workspace keeps pointers to what it is given: these arrays live as long as it.
    upper, lower, f = high.copy(), low.copy(), c.f + c.F @ p.x0
    sense, H, G = np.zeros(len(high), np.int32), c.H.copy(), c.G.copy()
    model.settings = {"primal_tol": tolerance, "dual_tol": tolerance}
    model.setup(H, f, G, upper, lower, sense)

    def solve(x0: Floats) -> Plan:
        shift = c.L @ x0
        np.subtract(high[own:], shift, out=upper[own:])
        np.subtract(low[own:], shift, out=lower[own:])
        np.add(c.f, c.F @ x0, out=f)
        if not warm:
            sense[:] = 0
        model.update(f=f, bupper=upper, blower=lower, sense=None if warm else sense)
        return model.solve()[0], None

    return solve


def quadprog(p: OcpFile, tolerance: float, warm: bool) -> Solve:
    """Condensed, with the inverse factor of H kept."""
    import quadprog

    if warm:
        raise Absent("no warm start")
    _check_condensed(p)
    c = p.condensed
    eye = np.eye(len(c.f))
    parts = [(eye, c.lb, 1.0), (eye, c.ub, -1.0), (c.G, c.low, 1.0), (c.G, c.high, -1.0)]
    rows = [sign * matrix[np.isfinite(bound)] for matrix, bound, sign in parts]
    C = np.ascontiguousarray(np.vstack(rows).T)
    bounds = np.concatenate([sign * bound[np.isfinite(bound)] for _, bound, sign in parts])
    none = np.zeros((2 * len(eye), p.nx))
    low, high = np.isfinite(c.low), np.isfinite(c.high)
    L = np.vstack([none[: len(bounds) - low.sum() - high.sum()], c.L[low], -c.L[high]])
    inverse = np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(c.H)).T)

    def solve(x0: Floats) -> Plan:
        b = bounds - L @ x0
        return quadprog.solve_qp(inverse, -(c.f + c.F @ x0), C, b, 0, True)[0], None

    return solve


PEERS: dict[str, Callable[[OcpFile, float, bool], Solve]] = {
    "optcore": _optcore("auto"),
    "optcore, nothing kept": _optcore("riccati"),
    "piqp multistage": _piqp("sparse_multistage"),
    "piqp ldlt": _piqp("sparse_ldlt"),
    "hpipm in casadi (generic build)": hpipm_in_casadi,
    "daqp condensed": daqp,
    "quadprog condensed": quadprog,
    "proxqp": proxqp,
    "osqp": osqp,
    "clarabel": clarabel,
}
