"""Ten thousand random programmes: right answer, right certificate, and a clean next solve.

Usage: python scripts/mpc_robustness.py [COUNT [FIRST_SEED]]

Every kind is solved at 1e-9, twice and cold, since the second time the model is a kept one and goes
another path; residuals are computed anew in NumPy and compared with the size of the numbers that
enter them. After an infeasible problem the same solver must solve a feasible one warm.
"""

from __future__ import annotations

import collections
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python" / "mpc"))

from kkt import proves_infeasible, random_arguments, relative_residual

from optcore.mpc import OcpQp, QpSolver, Solution

KINDS = ("feasible", "infeasible", "degenerate", "scaled")
LIMIT = 1e-6


def verdict(seed: int, kind: str) -> tuple[str, float]:
    """What came of one problem, and its largest relative residual when it was solved."""
    rng = np.random.default_rng(seed)
    arguments, x0 = random_arguments(rng, kind)
    qp = OcpQp(**arguments)
    solver = QpSolver(qp, tolerance=1e-9)
    answer, worst = judged(qp, solver.solve(x0))
    again, residual = judged(qp, solver.solve(x0, warm_start=False))
    if again != answer:
        return f"{answer}, then {again}", np.inf
    worst = max(worst, residual)
    if kind == "infeasible":
        relaxed = {"lbx": np.full_like(arguments["lbx"], -1e30)}
        solver.update(**relaxed)
        if solver.solve(x0).status != "ok":
            return "next solve failed", np.inf
    return answer, worst


def judged(qp: OcpQp, s: Solution) -> tuple[str, float]:
    """The answer in words, and its largest relative residual when it was solved."""
    if not (np.isfinite(s.x).all() and np.isfinite(s.u).all()):
        return "NaN returned", np.inf
    worst = 0.0
    if s.status == "ok":
        worst = relative_residual(qp, s)
        answer = "solved" if worst < LIMIT else f"ok, but residual {worst:.0e}"
    elif s.status == "primal_infeasible":
        answer = "certified" if proves_infeasible(qp, s) else "false certificate"
    else:
        answer = s.status
    return answer, worst


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    wrong = 0
    for kind in KINDS:
        answers: collections.Counter[str] = collections.Counter()
        worst = 0.0
        for seed in range(first, first + count // len(KINDS)):
            answer, residual = verdict(seed, kind)
            answers[answer] += 1
            if answer == "solved":
                worst = max(worst, residual)
        right = answers["certified" if kind == "infeasible" else "solved"]
        wrong += sum(answers.values()) - right
        print(f"{kind:11} {dict(answers)}  largest relative residual {worst:.1e}")
    print(f"{wrong} of {count} without the right answer")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
