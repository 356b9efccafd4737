"""Nonlinear model predictive control by sequential quadratic programming.

Source   Nocedal & Wright, *Numerical Optimization* (2006), chapter 18; Diehl, Bock & Schloeder, "A
         real-time iteration scheme for nonlinear optimization in optimal feedback control", SIAM J.
         Control Optim. 43(5) (2005).
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError
from optcore.mpc.augment import NO_BOUND
from optcore.mpc.models import Model
from optcore.mpc.obstacles import Disc, half_planes
from optcore.mpc.ocp import OcpQp, SoftRows
from optcore.mpc.refresh import load
from optcore.mpc.solver import QpSolver

__all__ = ["NlpSolution", "Sqp"]

_Floats = NDArray[np.float64]


class NlpSolution(NamedTuple):
    """Outcome of one solve or step."""

    status: str
    """ok, max_iterations, step_too_short, or the status of the programme that failed"""
    u: _Floats
    """(N, nu)"""
    x: _Floats
    """(N + 1, nx)"""
    objective: float
    defect: float
    """largest gap between a state and where the model takes the one before"""
    step: float
    """largest change that the last programme asked for"""
    iterations: int
    solve_time: float
    """s"""


class Sqp:
    """minimise sum (x - xr)'Q(x - xr) / 2 + (u - ur)'R(u - ur) / 2 under x[k+1] = f(x[k], u[k]).

    Multiple shooting: every stage's state is a variable, so a start need not follow the model. The
    Hessian is that of the cost (Gauss-Newton), exact for the cost and without the model's
    curvature. `solve` iterates to the optimum, its steps shortened until they lower the merit
    cost + penalty * (gaps in the dynamics + violated half-planes); `step` does one iteration from
    the last plan, shifted, in constant time: what a control loop calls.

    Args:
        model: of optcore.mpc.models, or anything with its three members
        N: stages      dt: seconds of one
        Q, R: (nx, nx), (nu, nu)
        P: (nx, nx) terminal cost; Q when left out
        lbx, ubx, lbu, ubu: bounds (nx,), (nu,); None for none
        obstacles: most discs that will be given to solve or step
        slack_price: of the soft half-planes, per metre

    Raises:
        ShapeError, ConfigError: an argument is no good; it is named.

    Example:
        >>> import numpy as np
        >>> from optcore.mpc import models
        >>> from optcore.mpc.sqp import Sqp
        >>> nlp = Sqp(models.unicycle(), 20, 0.1, np.eye(3), 0.1 * np.eye(2))
        >>> s = nlp.solve([1.0, 0.5, 0.0])
        >>> s.status, s.u.shape, s.defect < 1e-6
        ('ok', (20, 2), True)
    """

    def __init__(
        self,
        model: Model,
        N: int,
        dt: float,
        Q: ArrayLike,
        R: ArrayLike,
        *,
        P: ArrayLike | None = None,
        lbx: ArrayLike | None = None,
        ubx: ArrayLike | None = None,
        lbu: ArrayLike | None = None,
        ubu: ArrayLike | None = None,
        obstacles: int = 0,
        slack_price: float = 1e3,
        tolerance: float = 1e-8,
        max_iterations: int = 100,
    ) -> None:
        n, m = model.nx, model.nu
        if not (np.isfinite(dt) and dt > 0):
            raise ConfigError(f"dt must be positive, got {dt}")
        if not 0 < tolerance < 1:
            raise ConfigError(f"tolerance must lie in (0, 1), got {tolerance}")
        if max_iterations < 1:
            raise ConfigError(f"max_iterations must be at least 1, got {max_iterations}")
        if obstacles < 0 or (obstacles > 0 and n < 2):
            raise ConfigError(f"obstacles must be 0 or more, with two positions, got {obstacles}")
        self._model, self._dt, self._obstacles = model, float(dt), obstacles
        self._tolerance, self._max_iterations = tolerance, max_iterations
        self._slack_price = slack_price
        soft = None
        if obstacles > 0:  # rows that hold everywhere until discs are given
            soft = SoftRows(np.zeros((obstacles, n)), np.full(obstacles, -1.0), slack_price)
        problem = OcpQp(
            A=np.eye(n), B=np.zeros((n, m)), Q=Q, R=R, N=N, P=P, lbx=lbx, ubx=ubx, lbu=lbu,
            ubu=ubu, soft=soft,
        )  # fmt: skip
        self._qp = QpSolver(problem, tolerance=min(1e-2 * tolerance, 1e-9))
        self._real_time = QpSolver(problem, tolerance=1e-6)
        self._Q, self._R = problem.arrays["Q"].copy(), problem.arrays["R"].copy()
        self._low, self._high = problem.arrays["lbu"][0].copy(), problem.arrays["ubu"][0].copy()
        self.N, self.nx, self.nu = problem.N, n, m
        self.reset()

    def reset(self) -> None:
        """Forget the last plan."""
        self._x: _Floats | None = None
        self._u = np.clip(np.zeros((self.N, self.nu)), self._low, self._high)

    def solve(
        self,
        x0: ArrayLike,
        reference: ArrayLike | None = None,
        input_reference: ArrayLike | None = None,
        *,
        start: tuple[ArrayLike, ArrayLike] | None = None,
        obstacles: list[Disc] | None = None,
    ) -> NlpSolution:
        """Iterate to the optimum.

        Args:
            x0: (nx,)
            reference: (nx,) or (N + 1, nx); zero when left out
            input_reference: (nu,) or (N, nu); zero when left out
            start: x (N + 1, nx) and u (N, nu) to begin from; else the last plan, else the model
                rolled out with inputs at zero
            obstacles: discs to keep out of

        Raises:
            ShapeError, ConfigError: an argument is no good; it is named.
        """
        begin = time.perf_counter()
        x0 = self._state(x0)
        targets = self._targets(reference, input_reference)
        x, u = self._begin(x0, start)
        discs = self._discs(obstacles)
        penalty, change, defect = 1.0, np.inf, np.inf
        status = "max_iterations"
        iterations = 0
        while iterations < self._max_iterations:
            # The planes of an iteration stay for its line search: they are its model's.
            planes = half_planes(discs, x[:, :2])
            answer = self._linear(self._qp, x, u, x0, targets, planes)
            iterations += 1
            if answer[0] != "ok":
                status = answer[0]
                break
            dx, du = answer[1] - x, answer[2] - u
            change = max(float(np.abs(dx).max()), float(np.abs(du).max()))
            scale = 1.0 + max(float(np.abs(x).max()), float(np.abs(u).max()))
            cost, violation = self._merit(x0, x, u, targets, planes)
            if change <= self._tolerance * scale and violation <= self._tolerance * scale:
                x, u = answer[1], answer[2]
                status = "ok"
                break
            # The penalty must outweigh what the step may cost per unit of violation.
            slope = self._slope(x, u, dx, du, targets)
            slope += self._slack_cost(x + dx, planes) - self._slack_cost(x, planes)
            curved = 0.5 * self._quadratic(dx, du)
            if violation > 1e-14:
                penalty = max(penalty, 2.0 * (slope + curved) / violation)
            predicted = slope - penalty * violation
            alpha = 1.0
            while True:
                trial = x + alpha * dx, u + alpha * du
                found = self._merit(x0, *trial, targets, planes)
                gain = cost + penalty * violation - found[0] - penalty * found[1]
                if gain >= -1e-4 * alpha * min(predicted, 0.0) - 1e-13 * (1 + abs(cost)):
                    break
                alpha *= 0.5
                if alpha < 1e-8:
                    break
            if alpha < 1e-8:
                status = "step_too_short"
                break
            x, u = trial
        cost = self._cost(x, u, targets) + self._slack_cost(x, half_planes(discs, x[:, :2]))
        following = self._model.linearise(np.ascontiguousarray(x[:-1]), u, self._dt)[0]
        defect = float(np.abs(following - x[1:]).max())
        self._x, self._u = x, u
        elapsed = time.perf_counter() - begin
        return NlpSolution(status, u, x, cost, defect, change, iterations, elapsed)

    def step(
        self,
        x0: ArrayLike,
        reference: ArrayLike | None = None,
        input_reference: ArrayLike | None = None,
        *,
        obstacles: list[Disc] | None = None,
    ) -> NlpSolution:
        """One real-time iteration: the last plan shifted by a stage, one linearisation, one solve.

        Arguments as solve(). After a failed programme the shifted plan is returned and kept.
        """
        begin = time.perf_counter()
        x0 = self._state(x0)
        targets = self._targets(reference, input_reference)
        if self._x is None:
            x, u = self._begin(x0, None)
        else:
            u = np.vstack([self._u[1:], self._u[-1:]])
            last = self._model.linearise(self._x[-1:], u[-1:], self._dt)[0]
            x = np.vstack([self._x[1:], last])
        discs = self._discs(obstacles)
        planes = half_planes(discs, x[:, :2])
        status, new_x, new_u, following = self._linear(self._real_time, x, u, x0, targets, planes)
        change = 0.0
        if status == "ok":
            change = max(float(np.abs(new_x - x).max()), float(np.abs(new_u - u).max()))
            x, u = new_x, new_u
        self._x, self._u = x, u
        cost = self._cost(x, u, targets)
        defect = float(np.abs(following - x[1:]).max())
        elapsed = time.perf_counter() - begin
        return NlpSolution(status, u, x, cost, defect, change, 1, elapsed)

    # --- the pieces of an iteration ---

    def _linear(
        self,
        solver: QpSolver,
        x: _Floats,
        u: _Floats,
        x0: _Floats,
        targets: tuple[_Floats, _Floats],
        planes: tuple[_Floats, _Floats],
    ) -> tuple[str, _Floats, _Floats, _Floats]:
        """Status, states and inputs of the programme linearised at (x, u), and f(x, u)."""
        following, A, B = self._model.linearise(np.ascontiguousarray(x[:-1]), u, self._dt)
        offset = following - np.einsum("kij,kj->ki", A, x[:-1]) - np.einsum("kij,kj->ki", B, u)
        arrays = {
            "A": A,
            "B": B,
            "b": offset,
            "q": -np.einsum("kij,kj->ki", self._Q, targets[0]),
            "r": -np.einsum("kij,kj->ki", self._R, targets[1]),
        }
        if self._obstacles > 0:
            normals, offsets = planes
            C = np.zeros((self.N + 1, self._obstacles, self.nx))
            lower = np.full((self.N + 1, self._obstacles), -1.0)
            C[:, : normals.shape[1], :2], lower[:, : normals.shape[1]] = normals, offsets
            lower[0] = -NO_BOUND  # the first state is given
            arrays |= {"C": C, "lg": lower}
        load(solver, **arrays)
        s = solver.solve(x0, warm_start=True)
        return s.status, s.x, s.u, following

    def _merit(
        self,
        x0: _Floats,
        x: _Floats,
        u: _Floats,
        targets: tuple[_Floats, _Floats],
        planes: tuple[_Floats, _Floats],
    ) -> tuple[float, float]:
        """Cost, with what violated half-planes cost, and the sum of all gaps in the dynamics."""
        following = self._model.linearise(np.ascontiguousarray(x[:-1]), u, self._dt)[0]
        gaps = float(np.abs(following - x[1:]).sum() + np.abs(x[0] - x0).sum())
        cost = self._cost(x, u, targets) + self._slack_cost(x, planes)
        if not np.isfinite(cost + gaps):
            return np.inf, np.inf
        return cost, gaps

    def _cost(self, x: _Floats, u: _Floats, targets: tuple[_Floats, _Floats]) -> float:
        dx, du = x[1:] - targets[0][1:], u - targets[1]
        total = np.einsum("ki,kij,kj->", dx, self._Q[1:], dx)
        return 0.5 * float(total + np.einsum("ki,kij,kj->", du, self._R, du))

    def _slack_cost(self, x: _Floats, planes: tuple[_Floats, _Floats]) -> float:
        normals, offsets = planes
        short = offsets - np.einsum("kdi,ki->kd", normals, x[:, :2]) if offsets.size else offsets
        slack = np.maximum(short[1:], 0.0)
        return float((self._slack_price * slack + 0.5 * slack**2).sum())

    def _slope(
        self, x: _Floats, u: _Floats, dx: _Floats, du: _Floats, targets: tuple[_Floats, _Floats]
    ) -> float:
        first = np.einsum("ki,kij,kj->", x[1:] - targets[0][1:], self._Q[1:], dx[1:])
        return float(first + np.einsum("ki,kij,kj->", u - targets[1], self._R, du))

    def _quadratic(self, dx: _Floats, du: _Floats) -> float:
        first = np.einsum("ki,kij,kj->", dx[1:], self._Q[1:], dx[1:])
        return float(first + np.einsum("ki,kij,kj->", du, self._R, du))

    # --- arguments ---

    def _state(self, x0: ArrayLike) -> _Floats:
        state = np.asarray(x0, np.float64)
        if state.shape != (self.nx,):
            raise ShapeError(f"x0 must be ({self.nx},), got {state.shape}")
        if not np.isfinite(state).all():
            raise ConfigError(f"x0 must be finite, got {state}")
        return state

    def _targets(
        self, reference: ArrayLike | None, input_reference: ArrayLike | None
    ) -> tuple[_Floats, _Floats]:
        found = []
        for name, values, shape in (
            ("reference", reference, (self.N + 1, self.nx)),
            ("input_reference", input_reference, (self.N, self.nu)),
        ):
            array = np.zeros(shape) if values is None else np.asarray(values, np.float64)
            if array.shape not in (shape, shape[1:]):
                raise ShapeError(f"{name} must be {shape[1:]} or {shape}, got {array.shape}")
            if not np.isfinite(array).all():
                raise ConfigError(f"{name} must be finite")
            found.append(np.array(np.broadcast_to(array, shape)))
        return found[0], found[1]

    def _begin(
        self, x0: _Floats, start: tuple[ArrayLike, ArrayLike] | None
    ) -> tuple[_Floats, _Floats]:
        if start is not None:
            x, u = (np.array(part, np.float64) for part in start)
            if x.shape != (self.N + 1, self.nx) or u.shape != (self.N, self.nu):
                raise ShapeError(
                    f"start must be ({self.N + 1}, {self.nx}) and ({self.N}, {self.nu}), "
                    f"got {x.shape} and {u.shape}"
                )
            return x, u
        if self._x is not None:
            return self._x.copy(), self._u.copy()
        x, u = np.empty((self.N + 1, self.nx)), self._u.copy()
        x[0] = x0
        for k in range(self.N):
            x[k + 1] = self._model.linearise(x[k : k + 1], u[k : k + 1], self._dt)[0][0]
        return x, u

    def _discs(self, obstacles: list[Disc] | None) -> list[Disc]:
        discs = list(obstacles or [])
        if len(discs) > self._obstacles:
            raise ConfigError(
                f"obstacles: room for {self._obstacles} (see Sqp(obstacles=)), got {len(discs)}"
            )
        return discs
