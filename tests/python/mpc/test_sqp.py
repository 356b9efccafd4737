"""Sqp against scipy's SLSQP from the same start, in closed loop, and past obstacles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from optcore.errors import ConfigError, ShapeError
from optcore.mpc import models
from optcore.mpc.obstacles import Disc, half_planes
from optcore.mpc.sqp import Sqp


def single_shooting(
    model: models.NativeModel, x0: np.ndarray, N: int, h: float, Q: Any, R: Any, P: Any, limit: Any
) -> tuple[np.ndarray, float]:
    """The optimum over the inputs alone, by SLSQP with exact gradients."""

    def cost(v: np.ndarray) -> tuple[float, np.ndarray]:
        u = v.reshape(N, model.nu)
        x, total = [x0], 0.0
        slopes = []
        for k in range(N):
            following, A, B = model.linearise(x[k][None], u[k][None], h)
            x.append(following[0])
            slopes.append((A[0], B[0]))
            total += 0.5 * u[k] @ R @ u[k]
            total += 0.5 * x[-1] @ (P if k == N - 1 else Q) @ x[-1]
        gradient, costate = np.zeros_like(u), P @ x[N]
        for k in range(N - 1, -1, -1):
            gradient[k] = R @ u[k] + slopes[k][1].T @ costate
            costate = slopes[k][0].T @ costate + (Q @ x[k] if k > 0 else 0.0)
        return total, gradient.ravel()

    best = minimize(
        cost, np.zeros(N * model.nu), jac=True, method="SLSQP",
        bounds=list(zip(-limit, limit, strict=True)) * N,
        options={"ftol": 1e-14, "maxiter": 2000},
    )  # fmt: skip
    return best.x.reshape(N, model.nu), float(best.fun)


@pytest.mark.parametrize(
    ("model", "x0", "weights", "limit", "h"),
    [
        (models.unicycle(), [1.5, 1.0, 0.5], ([1, 1, 0.1], [0.1, 0.1]), [1.0, 2.0], 0.1),
        (models.pendulum(), [1.2, -0.5], ([1, 0.1], [0.05]), [3.0], 0.1),
    ],
    ids=["unicycle", "pendulum"],
)
def test_the_optimum_is_slsqps(
    model: models.NativeModel, x0: Any, weights: Any, limit: Any, h: float
) -> None:
    N, Q, R = 20, np.diag(weights[0]), np.diag(weights[1])
    bound, start = np.array(limit), np.array(x0)
    nlp = Sqp(model, N, h, Q, R, P=10 * Q, lbu=-bound, ubu=bound)
    s = nlp.solve(start)
    u, best = single_shooting(model, start, N, h, Q, R, 10 * Q, bound)
    assert s.status == "ok"
    assert s.defect < 1e-7
    assert s.objective == pytest.approx(best, rel=1e-6)
    np.testing.assert_allclose(s.u, u, atol=2e-3)


def test_real_time_iterations_stabilise_a_cart_pole() -> None:
    model, h = models.cart_pole(steps=2), 0.05
    nlp = Sqp(model, 30, h, np.diag([1.0, 10.0, 0.1, 0.1]), [[0.01]], lbu=[-20.0], ubu=[20.0])
    state = np.array([0.5, 0.4, 0.0, 0.0])
    for _ in range(120):
        s = nlp.step(state)
        assert s.status == "ok"
        state = model.step(state, s.u[0], h)
    assert np.abs(state).max() < 0.02


def test_a_path_keeps_the_margin_around_a_disc() -> None:
    N, h = 30, 0.1
    Q, R = np.diag([1.0, 1.0, 0.01, 0.01]), 0.05 * np.eye(2)
    nlp = Sqp(models.double_integrator(), N, h, Q, R, lbu=[-3, -3], ubu=[3, 3], obstacles=2)
    start = np.array([-2.0, 0.1, 0.0, 0.0])
    spread = np.diag([0.01, 0.04])
    disc = Disc([-1.0, 0.0], 0.4, spread, 0.05)
    free = nlp.solve(start)
    nlp.reset()
    kept = nlp.solve(start, obstacles=[disc])
    assert kept.status == "ok"
    away = kept.x[1:, :2] - [-1.0, 0.0]
    distance = np.linalg.norm(away, axis=1)
    normal = away / distance[:, None]
    sigma = np.sqrt(np.einsum("ki,ij,kj->k", normal, spread, normal))
    assert (norm.cdf((0.4 - distance) / sigma) <= 0.05 + 1e-6).all()
    assert np.linalg.norm(free.x[1:, :2] - [-1.0, 0.0], axis=1).min() < 0.4  # it would have hit
    assert kept.objective > free.objective


def test_half_planes_touch_the_disc() -> None:
    path = np.array([[2.0, 0.0], [0.0, 3.0]])
    normals, offsets = half_planes([Disc([0.0, 0.0], 0.5)], path)
    np.testing.assert_allclose(normals[:, 0], [[1, 0], [0, 1]])
    np.testing.assert_allclose(offsets[:, 0], 0.5)


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda s: s.solve([0.0]), ShapeError, "x0 must be"),
        (lambda s: s.solve([np.nan, 0, 0]), ConfigError, "x0 must be finite"),
        (lambda s: s.solve([0, 0, 0], np.zeros((2, 3))), ShapeError, "reference must be"),
        (lambda s: s.solve([0, 0, 0], obstacles=[Disc([0, 0], 1.0)]), ConfigError, "obstacles"),
        (lambda s: s.solve([0, 0, 0], start=([0], [0])), ShapeError, "start must be"),
    ],
)
def test_bad_arguments_are_named(call: Any, error: type[Exception], word: str) -> None:
    nlp = Sqp(models.unicycle(), 5, 0.1, np.eye(3), np.eye(2))
    with pytest.raises(error, match=word):
        call(nlp)
