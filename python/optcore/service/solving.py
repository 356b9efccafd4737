"""MPC solves for many clients: problems kept factored, answers that depend on nobody else."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from optcore.errors import OptcoreError
from optcore.mpc import OcpQp, QpSolver
from optcore.service.body import Refused, array, number, only

__all__ = ["Solvers"]

_MATRICES = ("A", "B", "Q", "R", "S", "P", "C", "D")
_VECTORS = ("b", "q", "r", "lbx", "ubx", "lbu", "ubu", "lg", "ug")


class Solvers:
    """Solvers by the content of their problem, the least used forgotten. Thread-safe."""

    def __init__(self, most: int, most_bytes: float, max_work: float) -> None:
        self._most, self._most_bytes, self._max_work = most, most_bytes, max_work
        self._known: OrderedDict[bytes, tuple[QpSolver, threading.Lock]] = OrderedDict()
        self._lock = threading.Lock()

    def solve(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer {"problem": {...}, "x0": [...]}; each solve starts cold, hence is repeatable."""
        only(body, "problem", "x0")
        problem = body.get("problem")
        if not isinstance(problem, dict):
            raise Refused(422, "problem must be an object with A, B, Q, R, N and bounds")
        x0 = array(body, "x0", 1)
        solver, lock = self._solver(problem)
        try:
            with lock:
                found = solver.solve(x0, warm_start=False)
        except OptcoreError as error:
            raise Refused(422, str(error)) from None
        return {
            "status": found.status,
            "u": found.u.tolist(),
            "x": found.x.tolist(),
            "objective": found.objective,
            "iterations": found.iterations,
        }

    def _solver(self, problem: dict[str, Any]) -> tuple[QpSolver, threading.Lock]:
        key = hashlib.sha256(json.dumps(problem, sort_keys=True).encode()).digest()
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        made = self._built(problem), threading.Lock()
        with self._lock:
            kept = self._known.setdefault(key, made)
            while len(self._known) > self._most or self._bytes() > self._most_bytes:
                self._known.popitem(last=False)
        return kept

    def _bytes(self) -> int:
        return sum(solver.nbytes for solver, _ in self._known.values())

    def _built(self, problem: dict[str, Any]) -> QpSolver:
        only(problem, *_MATRICES, *_VECTORS, "N")
        arrays: dict[str, Any] = {n: array(problem, n, (2, 3)) for n in _MATRICES if n in problem}
        arrays |= {n: array(problem, n, (1, 2)) for n in _VECTORS if n in problem}
        for name in ("A", "B", "Q", "R"):
            if name not in arrays:
                raise Refused(422, f"problem: {name} is missing")
        horizon = number(problem, "N", 1, 1000)
        rows = int(np.asarray(arrays.get("C", arrays.get("D", np.empty((0, 0))))).shape[-2])
        width = arrays["A"].shape[-1] + arrays["B"].shape[-1] + rows
        if horizon * float(width) ** 3 > self._max_work:
            raise Refused(413, f"N (nx + nu + rows)^3 must not exceed {self._max_work:g}")
        try:
            # nothing is kept between solves: an answer does not depend on who asked before
            return QpSolver(OcpQp(N=horizon, **arrays), method="riccati")
        except (OptcoreError, ValueError) as error:
            raise Refused(422, f"problem: {error}") from None
