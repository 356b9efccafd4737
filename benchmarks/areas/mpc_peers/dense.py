"""mpc/dense: the problems of the mpc_qpbenchmark, each from its matrices, set-up included.

Times are those that a library takes itself around its native code (set-up and solve of one problem,
its memory included), so that nobody's Python layer counts. quadprog has no such clock: its whole
call is timed. A sample is the mean over the problems of a family.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy import sparse

from areas.mpc_peers.problem import Floats
from harness import Absent, Case, Disagreement, Probe, Trial
from harness.case import REPOSITORY

__all__ = ["cases"]

TOLERANCE = 1e-6
NATIVE = REPOSITORY / "build" / "peers"  # see scripts/install_peers.sh

Problem = Mapping[str, Floats]
Timed = tuple[Floats, float]  # x, seconds
Solve = Callable[[], Timed]


def optcore(p: Problem) -> Solve:
    from optcore.mpc import solve_qp

    def solve() -> Timed:
        s = solve_qp(p["P"], p["q"], p.get("G"), p.get("h"), p.get("A"), p.get("b"),
                     p.get("lb"), p.get("ub"))  # fmt: skip
        return s.x, s.solve_time

    return solve


def _daqp(find: Callable[[], ModuleType]) -> Callable[[Problem], Solve]:
    def build(p: Problem) -> Solve:
        daqp, n = find(), len(p["q"])
        parts = [(p["G"], np.full(len(p["h"]), -np.inf), p["h"], 0)]
        if "A" in p:
            parts.append((p["A"], p["b"], p["b"], 5))
        A = np.ascontiguousarray(np.vstack([matrix for matrix, *_ in parts]))
        if "lb" in p:  # bounds come first and have no rows
            parts.insert(0, (np.eye(n), p["lb"], p["ub"], 0))
        lower = np.concatenate([low for _, low, _, _ in parts])
        upper = np.concatenate([high for _, _, high, _ in parts])
        kind = np.concatenate([np.full(len(low), k, np.int32) for _, low, _, k in parts])

        def solve() -> Timed:
            x, _, flag, info = daqp.solve(p["P"], p["q"], A, upper, lower, kind.copy())
            if flag != 1:
                return np.full(n, np.nan), 0.0
            return x, info["setup_time"] + info["solve_time"]

        return solve

    return build


def _wheel() -> ModuleType:
    import daqp

    return daqp  # type: ignore[no-any-return]


@cache
def _built_here() -> ModuleType:
    found = list(NATIVE.glob("daqp*.so"))
    if not found:
        raise Absent("not built from source for this machine (scripts/install_peers.sh)")
    loader = importlib.machinery.ExtensionFileLoader("daqp", str(found[0]))
    spec = importlib.util.spec_from_file_location("daqp", found[0], loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _piqp(dense: bool) -> Callable[[Problem], Solve]:
    def build(p: Problem) -> Solve:
        import piqp

        n = len(p["q"])
        shape = (lambda m: m) if dense else sparse.csc_matrix
        A, b = p.get("A", np.zeros((0, n))), p.get("b", np.zeros(0))
        G, none = p["G"], np.full(len(p["h"]), -np.inf)
        low, high = p.get("lb"), p.get("ub")
        parts = shape(p["P"]), p["q"], shape(A), b, shape(G), none, p["h"], low, high

        def solve() -> Timed:
            solver = piqp.DenseSolver() if dense else piqp.SparseSolver()
            solver.settings.compute_timings = True
            solver.settings.eps_abs = solver.settings.eps_rel = TOLERANCE
            solver.settings.eps_duality_gap_abs = TOLERANCE
            solver.settings.eps_duality_gap_rel = TOLERANCE
            solver.setup(*parts)
            solver.solve()
            info = solver.result.info
            return solver.result.x.copy(), info.setup_time + info.solve_time

        return solve

    return build


def proxqp(p: Problem) -> Solve:
    from proxsuite import proxqp as prox

    n = len(p["q"])
    C, low, high = p["G"], np.full(len(p["h"]), -1e20), p["h"]
    if "lb" in p:
        C = np.vstack([C, np.eye(n)])
        low = np.concatenate([low, np.clip(p["lb"], -1e20, 1e20)])
        high = np.concatenate([high, np.clip(p["ub"], -1e20, 1e20)])
    A, b = p.get("A", np.zeros((0, n))), p.get("b", np.zeros(0))

    def solve() -> Timed:
        solver = prox.dense.QP(n, len(b), len(high))
        solver.settings.eps_abs, solver.settings.eps_rel = TOLERANCE, 0.0
        solver.settings.compute_timings = True
        solver.init(p["P"], p["q"], A, b, C, low, high)
        solver.solve()
        info = solver.results.info
        return np.asarray(solver.results.x), (info.setup_time + info.solve_time) * 1e-6

    return solve


def quadprog(p: Problem) -> Solve:
    import quadprog

    if "A" in p:
        raise Absent("the Hessian is only semidefinite")
    C = np.ascontiguousarray(-p["G"].T)

    def solve() -> Timed:
        begin = time.perf_counter()
        x = quadprog.solve_qp(p["P"], -p["q"], C, -p["h"])[0]
        return x, time.perf_counter() - begin

    return solve


SOLVERS: dict[str, Callable[[Problem], Solve]] = {
    "optcore": optcore,
    "daqp (wheel)": _daqp(_wheel),
    "daqp (built for this machine)": _daqp(_built_here),
    "piqp dense": _piqp(True),
    "piqp sparse": _piqp(False),
    "proxqp dense": proxqp,
    "quadprog (its whole call)": quadprog,
}


def family(trial: Trial, prefix: str) -> None:
    folder = trial.data("mpc/mpc_qpbenchmark")
    optimal = json.loads((folder / "optimal.json").read_text())
    names = sorted(name for name in optimal if name.startswith(prefix))
    problems = [_load(folder / f"{name}.npz") for name in names]

    def build(make: Callable[[Problem], Solve]) -> Probe:
        solves = [make(p) for p in problems]

        def sample(count: int) -> list[float]:
            return [1e6 * float(np.mean([s()[1] for s in solves])) for _ in range(count)]

        return Probe(sample, lambda: [solve()[0] for solve in solves])

    for name, make in SOLVERS.items():
        trial.contestant(name)(partial(build, make))
    trial.note("problems", str(len(problems)))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        worst, wrong = {}, {}
        for name, xs in answers.items():
            worst[name] = max(
                _distance(p, x, optimal[which]["obj"])
                for which, p, x in zip(names, problems, xs, strict=True)
            )
            if not worst[name] <= 10 * TOLERANCE:
                wrong[name] = f"violation or objective off by {worst[name]:.2g}"
        if wrong:
            raise Disagreement("; ".join(f"{n}: {why}" for n, why in wrong.items()), wrong)
        return {"off": worst.get("optcore", float("nan"))}


def _load(path: Path) -> Problem:
    p = {key: np.ascontiguousarray(value) for key, value in np.load(path).items()}
    if "lb" in p or "ub" in p:  # a box has both sides
        n = len(p["q"])
        p.setdefault("lb", np.full(n, -np.inf))
        p.setdefault("ub", np.full(n, np.inf))
    return p


def _distance(p: Problem, x: Floats, objective: float) -> float:
    """Largest violation of a constraint, or distance of the objective from the reference."""
    found = [float((p["G"] @ x - p["h"]).max())]
    if "A" in p:
        found.append(float(np.abs(p["A"] @ x - p["b"]).max()))
    if "lb" in p:
        found += [float((p["lb"] - x).max()), float((x - p["ub"]).max())]
    violation = max(found) / max(1.0, float(np.abs(x).max()))
    value = float(0.5 * x @ p["P"] @ x + p["q"] @ x)
    return max(violation, abs(value - objective) / max(1.0, abs(objective)))


def cases() -> list[Case]:
    return [
        Case(f"mpc/dense/{name}", partial(family, prefix=name.upper()), "us", samples=samples)
        for name, samples in (("lipmwalk", 101), ("whlipbal", 101), ("quadcmpc", 12))
    ]
