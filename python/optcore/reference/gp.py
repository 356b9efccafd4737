"""Gaussian process regression in plain NumPy: slow, short, and the oracle of the tests.

Shapes   n = training points, d = inputs, m = queries, b = inducing inputs.
Units    variances: output units squared; length scales: input units; likelihoods: nats.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), sections 2.2, 4.2,
         5.4; the bound of inducing inputs: Titsias, AISTATS (2009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gp", "correlation", "covariance", "sparse_bound", "sparse_predict"]

Array = NDArray[np.float64]


def correlation(r: Array, shape: str) -> tuple[Array, Array]:
    """k(r) and k'(r) / r for "rbf", "matern12", "matern32" or "matern52"; r >= 0, unit scale."""
    if shape == "rbf":
        value = np.exp(-0.5 * r**2)
        return value, -value
    if shape == "matern12":
        value = np.exp(-r)
        return value, np.where(r > 0, -value / np.where(r > 0, r, 1.0), 0.0)
    if shape == "matern32":
        s = np.sqrt(3.0) * r
        return (1 + s) * np.exp(-s), -3.0 * np.exp(-s)
    if shape == "matern52":
        s = np.sqrt(5.0) * r
        return (1 + s + s**2 / 3) * np.exp(-s), -5.0 / 3.0 * (1 + s) * np.exp(-s)
    raise ValueError(f"shape: unknown {shape!r}")


def covariance(A: Array, B: Array, scales: Array, variance: float, shape: str = "rbf") -> Array:
    """(len(A), len(B)) covariances of the latent function."""
    difference = (A[:, None, :] - B[None, :, :]) / scales
    return variance * correlation(np.sqrt(np.sum(difference**2, axis=-1)), shape)[0]


@dataclass(frozen=True)
class Gp:
    """Exact posterior with zero mean: X (n, d), y (n,), scales (d,), noise > 0 a variance."""

    X: Array
    y: Array
    scales: Array
    variance: float
    noise: float
    shape: str = "rbf"

    def gram(self) -> Array:
        """(n, n) covariance of the observations."""
        latent = covariance(self.X, self.X, self.scales, self.variance, self.shape)
        return latent + self.noise * np.eye(len(self.X))

    def predict(self, Z: Array) -> tuple[Array, Array]:
        """Mean (m,) and covariance (m, m) of the latent function at Z (m, d)."""
        cross = covariance(self.X, Z, self.scales, self.variance, self.shape)
        prior = covariance(Z, Z, self.scales, self.variance, self.shape)
        both = np.linalg.solve(self.gram(), np.column_stack([self.y, cross]))
        return cross.T @ both[:, 0], prior - cross.T @ both[:, 1:]

    def gradient(self, z: Array) -> tuple[Array, Array]:
        """Derivatives (d,) of mean and variance with respect to one input z (d,)."""
        difference = (z - self.X) / self.scales
        r = np.sqrt(np.sum(difference**2, axis=1))
        value, slope = correlation(r, self.shape)
        rise = self.variance * slope[:, None] * difference / self.scales  # (n, d)
        both = np.linalg.solve(self.gram(), np.column_stack([self.y, self.variance * value]))
        return rise.T @ both[:, 0], -2.0 * rise.T @ both[:, 1]

    def log_marginal_likelihood(self) -> float:
        sign, determinant = np.linalg.slogdet(self.gram())
        assert sign > 0, "the covariance is not positive definite"
        fit = self.y @ np.linalg.solve(self.gram(), self.y)
        return float(-0.5 * (fit + determinant + len(self.y) * np.log(2 * np.pi)))

    def likelihood_gradient(self) -> Array:
        """With respect to the logarithms of (length scales, variance, noise): (d + 2,)."""
        inverse = np.linalg.inv(self.gram())
        weights = inverse @ self.y
        outer = np.outer(weights, weights) - inverse  # twice d value / d covariance
        difference = (self.X[:, None, :] - self.X[None, :, :]) / self.scales
        value, slope = correlation(np.sqrt(np.sum(difference**2, axis=-1)), self.shape)
        by_scale = [
            -0.5 * np.sum(outer * self.variance * slope * difference[..., f] ** 2)
            for f in range(len(self.scales))
        ]
        by_variance = 0.5 * np.sum(outer * self.variance * value)
        return np.array([*by_scale, by_variance, 0.5 * self.noise * np.trace(outer)])


def sparse_bound(gp: Gp, Z: Array, jitter: float = 0.0) -> float:
    """Lower bound of the log marginal likelihood from inducing inputs Z (b, d).

    log N(y | 0, Q + noise I) - tr(K - Q) / (2 noise) with Q = Knm Kmm^-1 Kmn, by its definition.
    """
    cross = covariance(Z, gp.X, gp.scales, gp.variance, gp.shape)
    inner = covariance(Z, Z, gp.scales, gp.variance, gp.shape) + jitter * np.eye(len(Z))
    q = cross.T @ np.linalg.solve(inner, cross)
    gram = q + gp.noise * np.eye(len(gp.y))
    _, determinant = np.linalg.slogdet(gram)
    fit = gp.y @ np.linalg.solve(gram, gp.y)
    value = -0.5 * (fit + determinant + len(gp.y) * np.log(2 * np.pi))
    return float(value - 0.5 * (len(gp.y) * gp.variance - np.trace(q)) / gp.noise)


def sparse_predict(gp: Gp, Z: Array, queries: Array, jitter: float = 0.0) -> tuple[Array, Array]:
    """Mean (m,) and variance (m,) of the bound's optimal posterior at `queries` (m, d)."""
    cross = covariance(Z, gp.X, gp.scales, gp.variance, gp.shape)
    inner = covariance(Z, Z, gp.scales, gp.variance, gp.shape) + jitter * np.eye(len(Z))
    k = covariance(Z, queries, gp.scales, gp.variance, gp.shape)
    sigma = inner + cross @ cross.T / gp.noise
    mean = k.T @ np.linalg.solve(sigma, cross @ gp.y) / gp.noise
    known = np.sum(k * np.linalg.solve(inner, k), axis=0)
    left = np.sum(k * np.linalg.solve(sigma, k), axis=0)
    return mean, gp.variance - known + left
