"""Model predictive control in one call, warm from cycle to cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import OcpQp, QpSolver
from optcore.mpc.refresh import load

__all__ = ["MPCOptimizer", "MPCResult"]

_Floats = NDArray[np.float64]
Model = tuple[ArrayLike, ArrayLike] | Callable[[float], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True)
class MPCResult(Mapping[str, Any]):
    """Outcome of one solve; also a mapping of its fields, as in result["optimal_controls"][0]."""

    optimal_controls: _Floats
    """(N, nu)"""
    predicted_states: _Floats
    """(N + 1, nx)"""
    cost: float
    """sum of (x - reference)'Q(x - reference) / 2 + u'R u / 2 over the horizon"""
    status: str
    """ok, max_iterations, primal_infeasible, not_finite, not_positive_definite"""
    iterations: int
    solve_time: float
    """s"""

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        return [field.name for field in fields(self)]


class MPCOptimizer:
    """Tracks a reference with a linear model under bounds.

    Args:
        model: (A, B) with x[k+1] = A x[k] + B u[k], or a function of dt that gives them. Left out:
            a single integrator where nx = nu, a double integrator (positions, then velocities)
            where nx = 2 nu.
        input_limits: (low, high), numbers or (nu,); None for no bounds
        state_limits: (low, high), numbers or (nx,)
        tolerance: of the solver
        method: of the solver: "auto", "active_set" or "interior_point"
        warm_start: start each solve from the last plan

    Example:
        >>> import numpy as np
        >>> from optcore.algorithm_optimizer.mpc import MPCOptimizer
        >>> mpc = MPCOptimizer(input_limits=(-1.0, 1.0))
        >>> r = mpc.solve([0.0, 0.0], [1.0, 0.0], 10, 0.1, np.eye(2), 0.1 * np.eye(1))
        >>> r["optimal_controls"].shape, float(r["optimal_controls"][0, 0].round(3))
        ((10, 1), 1.0)
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        input_limits: tuple[ArrayLike, ArrayLike] | None = None,
        state_limits: tuple[ArrayLike, ArrayLike] | None = None,
        tolerance: float = 1e-6,
        method: Literal["auto", "active_set", "interior_point"] = "auto",
        warm_start: bool = True,
    ) -> None:
        self.tolerance, self.method, self.warm_start = tolerance, method, warm_start
        self._model = model
        self._input_limits, self._state_limits = input_limits, state_limits
        self._key: object = None
        self._tracking: _Tracking | None = None

    def solve(
        self,
        initial_state: ArrayLike,
        reference: ArrayLike,
        horizon: int,
        dt: float,
        Q: ArrayLike,
        R: ArrayLike,
    ) -> MPCResult:
        """Plan from a state; as long as horizon, dt, Q and R stay, calls are warm.

        Args:
            initial_state: (nx,)
            reference: (nx,), or (N, nx) for stages 1 to N, or (N + 1, nx) with the present one;
                a longer one is cut
            horizon: stages N
            dt: seconds of one stage
            Q: (nx, nx), or (nx,) for its diagonal      R: (nu, nu), or (nu,)

        Raises:
            ShapeError: an array has another shape; it is named.
            ConfigError: a value is out of range, or no model fits nx and nu.
        """
        x0 = np.ascontiguousarray(_numbers("initial_state", initial_state))
        if x0.ndim != 1 or len(x0) < 1:
            raise ShapeError(f"initial_state must be (nx,), got {x0.shape}")
        q, r = _numbers("Q", Q), _numbers("R", R)
        settings = (self.tolerance, self.method)
        key = (x0.shape, horizon, dt, q.shape, q.tobytes(), r.shape, r.tobytes(), settings)
        tracking = self._tracking
        if tracking is None or key != self._key:
            tracking = self._track(x0, horizon, dt, _weight("Q", q), _weight("R", r))
            self._tracking, self._key = tracking, key
        target = _reference(reference, tracking.stages, len(x0))
        tracking.aim(target)
        s = tracking.solver.solve(x0, self.warm_start)
        return MPCResult(s.u, s.x, tracking.cost(s.x, s.u), s.status, s.iterations, s.solve_time)

    def reset(self) -> None:
        """Forget the last plan."""
        self._tracking = None

    def _track(self, x0: _Floats, horizon: int, dt: float, q: _Floats, r: _Floats) -> _Tracking:
        n, m = len(x0), len(r)
        if len(q) != n:
            raise ShapeError(f"Q must be ({n}, {n}) for this initial_state, got {q.shape}")
        number = int | float | np.number
        if not (isinstance(horizon, number) and 1 <= horizon <= 1000 and horizon == int(horizon)):
            raise ConfigError(f"horizon must be a whole number in 1 to 1000, got {horizon!r}")
        if not (isinstance(dt, number) and np.isfinite(dt) and dt > 0):
            raise ConfigError(f"dt must be positive, got {dt!r}")
        stages = int(horizon)
        return _Tracking(self._build(n, m, stages, float(dt), q, r), stages, q, r)

    def _build(self, n: int, m: int, stages: int, dt: float, q: _Floats, r: _Floats) -> QpSolver:
        A, B = self._matrices(n, m, dt)
        low_u, high_u = _limits("input_limits", self._input_limits, m)
        low_x, high_x = _limits("state_limits", self._state_limits, n)
        problem = OcpQp(A=A, B=B, Q=q, R=r, N=stages, lbu=low_u, ubu=high_u, lbx=low_x, ubx=high_x)
        return QpSolver(problem, tolerance=self.tolerance, method=self.method)

    def _matrices(self, n: int, m: int, dt: float) -> tuple[_Floats, _Floats]:
        if self._model is not None:
            A, B = self._model(dt) if callable(self._model) else self._model
            a, b = np.asarray(A, np.float64), np.asarray(B, np.float64)
            if a.shape != (n, n) or b.shape != (n, m):
                raise ShapeError(
                    f"model must give A ({n}, {n}) and B ({n}, {m}), got {a.shape}, {b.shape}"
                )
            return a, b
        eye = np.eye(m)
        if n == m:
            return eye, dt * eye
        if n == 2 * m:
            zero = np.zeros((m, m))
            return np.block([[eye, dt * eye], [zero, eye]]), np.vstack(
                [0.5 * dt * dt * eye, dt * eye]
            )
        raise ConfigError(
            f"no model is known for {n} states and {m} inputs (only for nx = nu and nx = 2 nu); "
            "give one: MPCOptimizer(model=(A, B)), or model=function of dt that returns them"
        )


class _Tracking:
    """A solver, its weights and what it follows at present."""

    def __init__(self, solver: QpSolver, stages: int, q: _Floats, r: _Floats) -> None:
        self.solver, self.stages, self._q, self._r = solver, stages, q, r
        self._target = np.full((stages + 1, len(q)), np.nan)

    def aim(self, target: _Floats) -> None:
        """Follow (N + 1, nx) or (nx,); the solver is told only of changes."""
        if (self._target == target).all():
            return
        self._target[...] = target
        load(self.solver, q=-self._target @ self._q)

    def cost(self, x: _Floats, u: _Floats) -> float:
        error = (x - self._target).ravel()
        of_states = error @ ((x - self._target) @ self._q).ravel()
        return 0.5 * float(of_states + u.ravel() @ (u @ self._r).ravel())


def _numbers(name: str, values: ArrayLike) -> _Floats:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: need an array of numbers ({error})") from None


def _weight(name: str, array: _Floats) -> _Floats:
    if array.ndim == 1:
        array = np.diag(array)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ShapeError(f"{name} must be square or a diagonal, got {array.shape}")
    return array


def _reference(values: ArrayLike, stages: int, n: int) -> _Floats:
    array = _numbers("reference", values)
    good = array.shape == (n,) or (array.ndim == 2 and array.shape[1] == n and len(array) >= stages)
    if good:
        if not np.isfinite(array).all():
            raise ConfigError("reference must be finite")
        if array.ndim == 1:
            return array
        if len(array) == stages:
            return np.vstack([array[:1], array])
        return array[: stages + 1]
    raise ShapeError(
        f"reference must be ({n},), ({stages}, {n}) or ({stages + 1}, {n}), got {array.shape}"
    )


def _limits(
    name: str, limits: tuple[ArrayLike, ArrayLike] | None, size: int
) -> tuple[_Floats | None, _Floats | None]:
    if limits is None:
        return None, None
    try:
        low, high = (np.array(np.broadcast_to(np.asarray(v, np.float64), (size,))) for v in limits)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name} must be (low, high), numbers or ({size},)") from error
    return np.maximum(low, -1e30), np.minimum(high, 1e30)
