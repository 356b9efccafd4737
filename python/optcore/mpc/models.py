"""Motion models for nonlinear MPC: the native ones with exact Jacobians, and the user's own.

Shapes   K = stages, nx states, nu inputs. SI units and radians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError

__all__ = [
    "FunctionModel",
    "Model",
    "NativeModel",
    "arm7",
    "bicycle",
    "cart_pole",
    "differential_drive",
    "double_integrator",
    "pendulum",
    "quadrotor",
    "unicycle",
]

_Floats = NDArray[np.float64]


class Model(Protocol):
    """What Sqp needs of a model."""

    @property
    def nx(self) -> int: ...
    @property
    def nu(self) -> int: ...

    def linearise(self, x: _Floats, u: _Floats, h: float) -> tuple[_Floats, _Floats, _Floats]:
        """States after h seconds with the input held, and their derivatives.

        Args:
            x, u: (K, nx), (K, nu)

        Returns:
            (K, nx), (K, nx, nx) by x, (K, nx, nu) by u
        """
        ...


@dataclass(frozen=True)
class NativeModel:
    """A model of ``optcore/mpc/models.hpp``, integrated by Runge-Kutta steps of fourth order; its
    Jacobians are exact, by forward-mode differentiation of those steps."""

    name: str
    kind: int
    parameters: tuple[float, ...] = ()
    steps: int = 1
    """Runge-Kutta steps per stage"""
    nx: int = field(init=False, default=0)
    nu: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        nx, nu, count = _native.mpc.model_size(self.kind)
        if len(self.parameters) != count:
            raise ShapeError(f"{self.name} has {count} parameters, got {len(self.parameters)}")
        if not np.isfinite(self.parameters).all():
            raise ConfigError(f"parameters of {self.name} must be finite, got {self.parameters}")
        if self.steps < 1:
            raise ConfigError(f"steps must be at least 1, got {self.steps}")
        object.__setattr__(self, "nx", nx)
        object.__setattr__(self, "nu", nu)

    def linearise(self, x: _Floats, u: _Floats, h: float) -> tuple[_Floats, _Floats, _Floats]:
        parameters = np.array(self.parameters, np.float64)
        return _native.mpc.linearise(self.kind, parameters, x, u, h, self.steps)

    def step(self, x: ArrayLike, u: ArrayLike, h: float) -> _Floats:
        """The state (nx,) after h seconds from x (nx,) with u (nu,) held."""
        return _one_step(self, x, u, h)


def _positive(**values: float) -> tuple[float, ...]:
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} must be positive, got {value}")
    return tuple(float(value) for value in values.values())


def double_integrator(steps: int = 1) -> NativeModel:
    """x = (px, py, vx, vy), u = accelerations (m/s^2)."""
    return NativeModel("double_integrator", 0, (), steps)


def unicycle(steps: int = 1) -> NativeModel:
    """x = (px, py, heading), u = (speed, turning rate)."""
    return NativeModel("unicycle", 1, (), steps)


def bicycle(wheelbase: float = 2.7, steps: int = 1) -> NativeModel:
    """x = (px, py, heading, speed), u = (acceleration, steering angle); m."""
    return NativeModel("bicycle", 2, _positive(wheelbase=wheelbase), steps)


def differential_drive(track: float = 0.5, steps: int = 1) -> NativeModel:
    """x = (px, py, heading, speeds of right and left wheel), u = their accelerations; m."""
    return NativeModel("differential_drive", 3, _positive(track=track), steps)


def pendulum(
    mass: float = 1.0,
    length: float = 1.0,
    damping: float = 0.1,
    gravity: float = 9.81,
    steps: int = 1,
) -> NativeModel:
    """x = (angle from hanging, rate), u = torque; kg, m, N m s, m/s^2."""
    if not (np.isfinite(damping) and damping >= 0):
        raise ConfigError(f"damping must not be negative, got {damping}")
    body = _positive(mass=mass, length=length)
    return NativeModel("pendulum", 4, (*body, float(damping), float(gravity)), steps)


def cart_pole(
    cart: float = 1.0,
    pole: float = 0.1,
    length: float = 0.5,
    gravity: float = 9.81,
    steps: int = 1,
) -> NativeModel:
    """x = (position, angle from upright, speed, rate), u = force; kg, kg, m, m/s^2."""
    values = _positive(cart=cart, pole=pole, length=length, gravity=gravity)
    return NativeModel("cart_pole", 5, values, steps)


def quadrotor(
    mass: float = 1.0,
    inertia: tuple[float, float, float] = (0.01, 0.01, 0.02),
    gravity: float = 9.81,
    steps: int = 1,
) -> NativeModel:
    """x = (position, roll, pitch, yaw, velocity, body rates), u = (thrust, torques); kg, kg m^2."""
    if len(inertia) != 3:
        raise ShapeError(f"inertia must have 3 values, got {len(inertia)}")
    axes = _positive(Ixx=inertia[0], Iyy=inertia[1], Izz=inertia[2])
    values = (*_positive(mass=mass, gravity=gravity), *axes)
    return NativeModel("quadrotor", 6, values, steps)


def arm7() -> NativeModel:
    """Seven joints commanded by their rates: x = angles, u = rates."""
    return NativeModel("arm7", 7)


@dataclass(frozen=True)
class FunctionModel:
    """A user's model: x' = rate(x, u), integrated by one Runge-Kutta step of fourth order.

    Without `jacobian` the derivatives are central differences of the step, good to about eight
    digits; `exact` says which.
    """

    rate: Callable[[_Floats, _Floats], ArrayLike]
    """x (nx,), u (nu,) to x' (nx,)"""
    nx: int
    nu: int
    jacobian: Callable[[_Floats, _Floats], tuple[ArrayLike, ArrayLike]] | None = None
    """x, u to d rate / d x (nx, nx) and d rate / d u (nx, nu)"""

    @property
    def exact(self) -> bool:
        return self.jacobian is not None

    def step(self, x: ArrayLike, u: ArrayLike, h: float) -> _Floats:
        """The state (nx,) after h seconds from x (nx,) with u (nu,) held."""
        state, held = np.asarray(x, np.float64), np.asarray(u, np.float64)
        k1 = self._rate(state, held)
        k2 = self._rate(state + 0.5 * h * k1, held)
        k3 = self._rate(state + 0.5 * h * k2, held)
        k4 = self._rate(state + h * k3, held)
        return np.asarray(state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))

    def linearise(self, x: _Floats, u: _Floats, h: float) -> tuple[_Floats, _Floats, _Floats]:
        one = self._differentiate if self.jacobian is not None else self._differences
        steps = [one(x[k], u[k], h) for k in range(len(x))]
        return tuple(np.array(part) for part in zip(*steps, strict=True))  # type: ignore[return-value]

    def _rate(self, x: _Floats, u: _Floats) -> _Floats:
        value = np.asarray(self.rate(x, u), np.float64)
        if value.shape != (self.nx,):
            raise ShapeError(f"rate must return ({self.nx},), got {value.shape}")
        return value

    def _differentiate(self, x: _Floats, u: _Floats, h: float) -> tuple[_Floats, _Floats, _Floats]:
        """The chain rule through the four stages."""
        assert self.jacobian is not None
        eye, total = np.eye(self.nx), np.zeros(self.nx)
        k, kx, ku = np.zeros(self.nx), np.zeros((self.nx, self.nx)), np.zeros((self.nx, self.nu))
        sum_x, sum_u = np.zeros_like(kx), np.zeros_like(ku)
        for ahead, weight in ((0.0, 1), (0.5, 2), (0.5, 2), (1.0, 1)):
            point = x + ahead * h * k
            fx, fu = (np.asarray(part, np.float64) for part in self.jacobian(point, u))
            if fx.shape != kx.shape or fu.shape != ku.shape:
                raise ShapeError(
                    f"jacobian must return {kx.shape}, {ku.shape}, got {fx.shape}, {fu.shape}"
                )
            k = self._rate(point, u)
            kx, ku = fx @ (eye + ahead * h * kx), fu + fx @ (ahead * h * ku)
            total, sum_x, sum_u = total + weight * k, sum_x + weight * kx, sum_u + weight * ku
        return x + h / 6 * total, eye + h / 6 * sum_x, h / 6 * sum_u

    def _differences(self, x: _Floats, u: _Floats, h: float) -> tuple[_Floats, _Floats, _Floats]:
        z = np.concatenate([x, u])
        columns = []
        for i in range(len(z)):
            d = 6e-6 * max(1.0, abs(z[i]))
            high, low = z.copy(), z.copy()
            high[i] += d
            low[i] -= d
            up = self.step(high[: self.nx], high[self.nx :], h)
            columns.append((up - self.step(low[: self.nx], low[self.nx :], h)) / (high[i] - low[i]))
        slopes = np.array(columns).T
        return self.step(x, u, h), slopes[:, : self.nx], slopes[:, self.nx :]


def _one_step(model: Model, x: ArrayLike, u: ArrayLike, h: float) -> _Floats:
    state, held = np.asarray(x, np.float64), np.asarray(u, np.float64)
    if state.shape != (model.nx,):
        raise ShapeError(f"x must be ({model.nx},), got {state.shape}")
    if held.shape != (model.nu,):
        raise ShapeError(f"u must be ({model.nu},), got {held.shape}")
    return np.asarray(model.linearise(state[None], held[None], h)[0][0])
