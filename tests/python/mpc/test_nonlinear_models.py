"""Models: exact Jacobians against differences, the physics against conserved quantities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import models

NATIVE = [
    models.double_integrator(), models.unicycle(), models.bicycle(1.2, steps=2),
    models.differential_drive(0.4), models.pendulum(0.7, 1.3, 0.2), models.cart_pole(1.1, 0.3, 0.6),
    models.quadrotor(0.8, (0.02, 0.03, 0.04), steps=3), models.arm7(),
]  # fmt: skip


@pytest.mark.parametrize("model", NATIVE, ids=lambda m: m.name)
def test_jacobians_agree_with_differences(model: models.NativeModel) -> None:
    rng = np.random.default_rng(1)
    x, u = 0.5 * rng.normal(size=(6, model.nx)), 0.5 * rng.normal(size=(6, model.nu))
    following, A, B = model.linearise(x, u, 0.1)
    assert following.shape == x.shape
    d = 1e-6
    for i in range(model.nx):
        e = d * np.eye(model.nx)[i]
        slope = model.linearise(x + e, u, 0.1)[0] - model.linearise(x - e, u, 0.1)[0]
        np.testing.assert_allclose(A[:, :, i], slope / (2 * d), atol=2e-8)
    for i in range(model.nu):
        e = d * np.eye(model.nu)[i]
        slope = model.linearise(x, u + e, 0.1)[0] - model.linearise(x, u - e, 0.1)[0]
        np.testing.assert_allclose(B[:, :, i], slope / (2 * d), atol=2e-8)


def test_the_pendulum_and_the_cart_pole_keep_their_energy() -> None:
    swing = models.pendulum(0.7, 1.3, 0.0, steps=200)
    x = swing.step([1.0, 0.5], [0.0], 2.0)

    def energy(state: np.ndarray) -> float:
        return 0.5 * 0.7 * 1.3**2 * state[1] ** 2 - 0.7 * 9.81 * 1.3 * np.cos(state[0])

    assert energy(x) == pytest.approx(energy(np.array([1.0, 0.5])), rel=1e-8)
    M, m, length, g = 1.1, 0.3, 0.6, 9.81
    cart = models.cart_pole(M, m, length, g, steps=400)

    def total(s: np.ndarray) -> float:
        _, angle, v, w = s
        speed2 = v**2 + 2 * v * w * length * np.cos(angle) + (length * w) ** 2
        return 0.5 * M * v**2 + 0.5 * m * speed2 + m * g * length * np.cos(angle)

    start = np.array([0.0, 0.4, 0.3, -0.2])
    assert total(cart.step(start, [0.0], 2.0)) == pytest.approx(total(start), rel=1e-8)


def test_steps_agree_with_scipys_integrator() -> None:
    bike = models.bicycle(1.5, steps=20)

    def rate(_: float, s: np.ndarray) -> list[float]:
        return [s[3] * np.cos(s[2]), s[3] * np.sin(s[2]), s[3] * np.tan(0.2) / 1.5, 0.5]

    exact = solve_ivp(rate, (0, 1), [0.1, 0.2, 0.3, 2.0], rtol=1e-10, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(bike.step([0.1, 0.2, 0.3, 2.0], [0.5, 0.2], 1.0), exact, atol=1e-8)


def test_the_quadrotor_hovers_and_spins_as_euler_says() -> None:
    quad = models.quadrotor(0.8, (0.02, 0.03, 0.04), steps=50)
    hover = np.zeros(12)
    np.testing.assert_allclose(quad.step(hover, [0.8 * 9.81, 0, 0, 0], 1.0), hover, atol=1e-12)
    spin = hover.copy()
    spin[9:] = [0.3, -0.2, 0.5]
    inertia = np.array([0.02, 0.03, 0.04])
    after = quad.step(spin, [0, 0, 0, 0], 0.5)[9:]
    assert inertia @ after**2 == pytest.approx(inertia @ spin[9:] ** 2, rel=1e-9)
    assert np.linalg.norm(inertia * after) == pytest.approx(np.linalg.norm(inertia * spin[9:]))


def test_users_models_agree_with_the_native_one() -> None:
    native = models.unicycle()

    def rate(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.array([u[0] * np.cos(x[2]), u[0] * np.sin(x[2]), u[1]])

    def jacobian(x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        c, s = np.cos(x[2]), np.sin(x[2])
        return (
            np.array([[0, 0, -u[0] * s], [0, 0, u[0] * c], [0, 0, 0]]),
            np.array([[c, 0], [s, 0], [0, 1]]),
        )

    x, u = np.random.default_rng(2).normal(size=(4, 3)), np.ones((4, 2))
    exact, rough = models.FunctionModel(rate, 3, 2, jacobian), models.FunctionModel(rate, 3, 2)
    assert exact.exact
    assert not rough.exact
    for a, b, c in zip(
        native.linearise(x, u, 0.2), exact.linearise(x, u, 0.2), rough.linearise(x, u, 0.2),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(b, a, atol=1e-13)
        np.testing.assert_allclose(c, a, atol=1e-8)


def test_bad_models_are_named() -> None:
    with pytest.raises(ConfigError, match="wheelbase"):
        models.bicycle(-1.0)
    with pytest.raises(ShapeError, match="inertia"):
        models.quadrotor(inertia=(1.0, 2.0))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="rate must return"):
        models.FunctionModel(lambda x, u: x[:1], 2, 1).step([0, 0], [0], 0.1)
    with pytest.raises(ShapeError, match="x must be"):
        models.unicycle().step([0, 0], [0, 0], 0.1)
