"""mpc: the QP solver beside its peers on stored control problems.

Fairness: set-up (structure, symbolic work, factors that may be kept) is untimed for everybody in
the cold, closed-loop and call cases, and timed for everybody in the dense ones; one call includes
what a new state changes (right-hand sides, condensed gradients). What is kept of a model differs:
DAQP and quadprog keep the condensed Hessian's factor, "optcore" that of the recursion and the rows
it has met; the interior points and "optcore, nothing kept" factor anew in every call. Answers are
judged by the same function before anything is timed: violation of dynamics and bounds, and distance
of the objective from a reference known to 1e-11, both at most ten times the tolerance, relative to
the problem.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from areas.mpc_peers import dense
from areas.mpc_peers.ocp_peers import PEERS, Plan, Solve
from areas.mpc_peers.problem import Floats, OcpFile
from harness import Case, Disagreement, Probe, Trial

COLD = {  # file: tolerances
    "mass_spring_8_3_15": (1e-6,),
    "cartpole_4_1_50": (1e-6,),
    "random_6_2_20_s1": (1e-6,),
    "quadrotor_12_4_30": (1e-6, 1e-9),
    "random_tv_12_4_30_s4": (1e-6, 1e-9),
    "random_16_4_40_s2": (1e-6,),
    "random_24_6_50_s3": (1e-6,),
    "random_40_10_30_s5": (1e-6,),
    "mass_spring_24_6_200": (1e-6,),
}

HPIPM = "hpipm in casadi (generic build)"


def cold(trial: Trial, name: str, tolerance: float) -> None:
    """One solve without memory of the last."""
    problem = OcpFile(trial.data(f"mpc/ocp/{name}.npz"))

    def build(make: Callable[[OcpFile, float, bool], Solve]) -> Callable[[], Plan]:
        return partial(make(problem, tolerance, False), problem.x0)

    for peer, make in PEERS.items():
        trial.contestant(peer)(partial(build, make))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        found = {peer: problem.judge(*plan) for peer, plan in answers.items()}
        _refuse(found, 10 * tolerance)
        violation, excess = found["optcore"]
        return {"violation": violation, "objective_error": excess}


def _refuse(found: Mapping[str, tuple[float, float]], limit: float) -> None:
    wrong = {
        peer: f"violation {violation:.2g}, objective off by {excess:.2g}"
        for peer, (violation, excess) in found.items()
        if not max(violation, excess) <= limit
    }
    if wrong:
        raise Disagreement("; ".join(f"{n}: {why}" for n, why in wrong.items()), wrong)


class ClosedLoop:
    """The quadrotor, disturbed: state' = A state + B u + w, the problem solved in every step."""

    def __init__(self, problem: OcpFile, disturbance: Floats, solve: Solve) -> None:
        self._A, self._B = problem.arrays["A"][0], problem.arrays["B"][0]
        self._b, self._start = problem.arrays["b"][0], problem.x0
        self._w, self._solve = disturbance, solve
        self._step, self._state = 0, self._start

    def _one(self) -> int:
        begin = time.perf_counter_ns()
        u = self._solve(self._state)[0].ravel()[: self._B.shape[1]]
        elapsed = time.perf_counter_ns() - begin
        self._state = self._A @ self._state + self._B @ u + self._b + self._w[self._step]
        self._step += 1
        if self._step == len(self._w):
            self._step, self._state = 0, self._start
        return elapsed

    def final_state(self) -> Floats:
        """After all steps, from the start."""
        self._step, self._state = 0, self._start
        for _ in range(len(self._w) - 1):
            self._one()
        state: Floats = self._A @ self._state + self._b + self._w[-1]
        state += self._B @ self._solve(self._state)[0].ravel()[: self._B.shape[1]]
        return state

    def steps(self, count: int) -> list[float]:
        """Microseconds of each of the next steps."""
        return [self._one() * 1e-3 for _ in range(count)]

    def means(self, count: int) -> list[float]:
        """Means over as many whole runs."""
        self._step, self._state = 0, self._start
        return [float(np.mean(self.steps(len(self._w)))) for _ in range(count)]


# name of the contestant: peer, warm
LOOPS = {
    "optcore": ("optcore", True),
    "optcore cold": ("optcore", False),
    f"{HPIPM}, cold": (HPIPM, False),
    "piqp multistage, cold": ("piqp multistage", False),
    "daqp condensed, warm": ("daqp condensed", True),
    "osqp, warm": ("osqp", True),
}


def closed_loop(trial: Trial, mean: bool) -> None:
    """1000 steps with kicks; the first state is the problem's, so a run is the same for all."""
    problem = OcpFile(trial.data("mpc/ocp/quadrotor_12_4_30.npz"))
    disturbance = np.load(trial.data("mpc/ocp/quadrotor_closed_loop_seed7.npz"))["w"]
    if trial.quick:
        disturbance = disturbance[:200]

    def build(peer: str, warm: bool) -> Probe:
        loop = ClosedLoop(problem, disturbance, PEERS[peer](problem, 1e-6, warm))
        return Probe(loop.means if mean else loop.steps, loop.final_state)

    for name, (peer, warm) in LOOPS.items():
        trial.contestant(name)(partial(build, peer, warm))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        # Who solves to a residual of 1e-6 comes no closer than about that; optcore's bar is 1e-8.
        exact = answers.get("daqp condensed, warm", answers["optcore"])
        off = {name: float(np.abs(state - exact).max()) for name, state in answers.items()}
        _refuse({name: (value, 0.0) for name, value in off.items()}, 1e-4)
        return {"final_state_off": off["optcore"]}


def python_call(trial: Trial) -> None:
    """A double integrator in the plane, nx 4, nu 2, N 20, warm: one call from Python."""
    h = 0.1
    A = np.block([[np.eye(2), h * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    B = np.vstack([0.5 * h * h * np.eye(2), h * np.eye(2)])
    bound = np.full(4, 1e30)
    bound[2:] = 1.0
    problem = OcpFile.from_arrays(
        A=A, B=B, Q=np.diag([1.0, 1.0, 0.1, 0.1]), R=0.1 * np.eye(2), N=20,
        lbx=-bound, ubx=bound, lbu=-np.ones(2), ubu=np.ones(2), x0=np.array([2.0, -1.0, 0.0, 0.0]),
    )  # fmt: skip
    states = problem.x0 + 0.01 * np.random.default_rng(0).normal(size=(64, 4))

    def build(name: str) -> Callable[[], Plan]:
        solve = PEERS[name](problem, 1e-6, True)
        turn = iter(range(1 << 62))
        return lambda: solve(states[next(turn) % len(states)])

    for name in ("optcore", "osqp", "daqp condensed", "piqp multistage"):
        trial.contestant(name)(partial(build, name))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        exact = PEERS["daqp condensed"](problem, 1e-9, False)(states[0])
        problem.x0 = states[0]
        problem.objective = problem.cost(*exact)
        found = {name: problem.judge(*plan) for name, plan in answers.items()}
        _refuse(found, 1e-5)
        return {"violation": found["optcore"][0], "objective_error": found["optcore"][1]}


def cases() -> list[Case]:
    found = [
        Case(f"mpc/cold/{name}" + ("@1e-9" if tol == 1e-9 else ""),
             partial(cold, name=name, tolerance=tol), "us", samples=101, seconds=12)
        for name, tolerances in COLD.items()
        for tol in tolerances
    ]  # fmt: skip
    found += [
        Case("mpc/closed_loop/quadrotor", partial(closed_loop, mean=False), "us", samples=1000),
        Case("mpc/closed_loop/quadrotor", partial(closed_loop, mean=True), "us", "mean", samples=3),
        Case("mpc/python_call/4_2_20", python_call, "us", samples=301),
    ]
    return found + dense.cases()
