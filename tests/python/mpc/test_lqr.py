"""Riccati equations against scipy and published values; invariant sets by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_are

from optcore.errors import ConfigError, ShapeError, SolverError
from optcore.mpc.lqr import dare, finite_horizon, invariant_set

H = 0.1
A = np.array([[1.0, H], [0.0, 1.0]])
B = np.array([[0.5 * H * H], [H]])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_the_equation_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 8)), int(rng.integers(1, 4))
    a, b, root = rng.normal(size=(n, n)), rng.normal(size=(n, m)), rng.normal(size=(n, n))
    q, r = root @ root.T + 0.1 * np.eye(n), np.eye(m)
    found = dare(a, b, q, r)
    np.testing.assert_allclose(found.P, solve_discrete_are(a, b, q, r), rtol=1e-7)
    closed = a - b @ found.K
    right = q + found.K.T @ r @ found.K + closed.T @ found.P @ closed
    np.testing.assert_allclose(found.P, right, rtol=1e-6, atol=1e-6 * np.abs(found.P).max())


def test_long_horizons_reach_the_endless_one() -> None:
    Q, R, S = np.diag([1.0, 0.1]), np.array([[0.2]]), np.array([[0.05, 0.02]])
    endless, gains = dare(A, B, Q, R, S), finite_horizon(A, B, Q, R, 400, S=S)
    assert gains.P.shape == (401, 2, 2)
    np.testing.assert_allclose(gains.P[0], endless.P, rtol=1e-8)
    np.testing.assert_allclose(gains.K[0], endless.K, rtol=1e-8)
    # the terminal cost of the endless horizon makes every horizon endless
    short = finite_horizon(A, B, Q, R, 3, P=endless.P, S=S)
    np.testing.assert_allclose(short.K[2], endless.K, rtol=1e-9)


def test_the_invariant_set_is_invariant_and_the_largest() -> None:
    K = dare(A, B, np.eye(2), [[0.1]]).K
    closed = A - B @ K
    rows = np.vstack([np.eye(2), -np.eye(2), -K, K])
    limits = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 2.0])
    s = invariant_set(closed, rows, limits)
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.2, 1.2, size=(4000, 2))
    inside = (points @ s.H.T <= s.h + 1e-9).all(axis=1)
    assert 0.05 < inside.mean() < 0.95
    stays = np.ones(len(points), bool)
    moving = points
    for _ in range(200):
        stays &= (moving @ rows.T <= limits + 1e-9).all(axis=1)
        moving = moving @ closed.T
    np.testing.assert_array_equal(inside, stays)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ShapeError, match="B must be"):
        dare(A, np.ones((3, 1)), np.eye(2), np.eye(1))
    with pytest.raises(SolverError, match="stabilising"):
        dare([[2.0]], [[0.0]], [[1.0]], [[1.0]])
    with pytest.raises(ConfigError, match="h must be positive"):
        invariant_set(0.5 * np.eye(2), np.eye(2), [1.0, 0.0])
    with pytest.raises(ConfigError, match="stable"):
        invariant_set(A, np.eye(2), [1.0, 1.0])
    with pytest.raises(ConfigError, match="N must"):
        finite_horizon(A, B, np.eye(2), np.eye(1), 0)
