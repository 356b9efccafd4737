"""Solvers that are kept for the next request: few enough, and small enough."""

from __future__ import annotations

from typing import Any

import pytest

from optcore.service.solving import Solvers


def body(x0: float = 1.0, weight: float = 1.0) -> dict[str, Any]:
    problem = {"A": [[1.0]], "B": [[0.1]], "Q": [[weight]], "R": [[0.1]], "N": 20,
               "lbu": [-1.0], "ubu": [1.0]}  # fmt: skip
    return {"problem": problem, "x0": [x0]}


def kept(solvers: Solvers) -> int:
    return len(solvers._known)


def test_the_same_problem_is_kept_and_answers_alike() -> None:
    solvers = Solvers(8, 2**30, 1e9)
    first = solvers.solve(body())
    solvers.solve(body(-3.0))
    assert solvers.solve(body()) == first
    assert kept(solvers) == 1


def test_no_more_problems_are_kept_than_allowed() -> None:
    solvers = Solvers(3, 2**30, 1e9)
    answers = [solvers.solve(body(weight=1.0 + i)) for i in range(10)]
    assert kept(solvers) == 3
    assert solvers.solve(body(weight=1.0)) == answers[0]  # built anew


@pytest.mark.parametrize("room", [0, 1, 2])
def test_no_more_memory_is_kept_than_allowed(room: int) -> None:
    one = Solvers(1, 2**30, 1e9)
    one.solve(body())
    ((solver, _),) = one._known.values()
    assert solver.nbytes > 1000
    solvers = Solvers(64, (room + 0.5) * solver.nbytes, 1e9)
    for i in range(5):
        assert solvers.solve(body(weight=1.0 + i))["status"] == "ok"
    assert kept(solvers) == room
