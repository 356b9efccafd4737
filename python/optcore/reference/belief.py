"""Beliefs in plain NumPy, in the precision of their arguments: oracle of the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "boltzmann_log_likelihood",
    "hmm_log_filter",
    "imm_step",
    "kalman_step",
    "log_sum_exp",
    "regression_posterior",
]

Floats = NDArray[np.floating[Any]]


def log_sum_exp(x: Floats, axis: int) -> Floats:
    """log sum exp along an axis; -inf where all entries are."""
    peak = np.max(x, axis=axis, keepdims=True)
    finite = np.where(np.isfinite(peak), peak, 0)
    with np.errstate(divide="ignore"):
        total: Floats = np.log(np.exp(x - finite).sum(axis=axis)) + finite.squeeze(axis)
    return total


def hmm_log_filter(
    log_prior: Floats, transition: Floats, log_likelihoods: Floats, *, predict_first: bool
) -> tuple[Floats, Floats]:
    """Log beliefs (T, K) and log evidence (T,) by log-sum-exp throughout."""
    with np.errstate(divide="ignore"):
        log_transition = np.log(transition)
    belief = log_prior
    beliefs, evidence = [], []
    for t, log_likelihood in enumerate(log_likelihoods):
        if t > 0 or predict_first:
            belief = log_sum_exp(belief[:, None] + log_transition, axis=0)
        joint = belief + log_likelihood
        total = log_sum_exp(joint, axis=0)
        belief = joint - total
        beliefs.append(belief)
        evidence.append(total)
    return np.array(beliefs), np.array(evidence)


def boltzmann_log_likelihood(
    start: Floats, end: Floats, goals: Floats, betas: Floats, headings: int = 32
) -> Floats:
    """(G, B) log-likelihood of a step, relative to a uniform heading."""
    angle = 2 * np.pi * np.arange(headings, dtype=start.dtype) / headings
    step = end - start
    turned = np.stack(
        [
            np.cos(angle) * step[0] - np.sin(angle) * step[1],
            np.sin(angle) * step[0] + np.cos(angle) * step[1],
        ],
        axis=-1,
    )
    before = np.linalg.norm(goals - start, axis=-1)
    after = np.linalg.norm(goals[:, None] - (start + turned), axis=-1)
    utility = betas[:, None] * (before[:, None] - after)[:, None, :]
    normaliser = log_sum_exp(utility, axis=-1) - np.log(headings)
    result: Floats = utility[..., 0] - normaliser
    return result


def kalman_step(
    F: Floats, Q: Floats, H: Floats, R: Floats, x: Floats, P: Floats, z: Floats
) -> tuple[Floats, Floats, float]:
    """Predict and update in Joseph's form: mean (d,), covariance (d, d), log p(z)."""
    x, P = F @ x, F @ P @ F.T + Q
    S = H @ P @ H.T + R
    gain = np.linalg.solve(S, H @ P).T
    error = z - H @ x
    keep = np.eye(len(x)) - gain @ H
    quadratic = error @ np.linalg.solve(S, error)
    log = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * S)[1])
    return x + gain @ error, keep @ P @ keep.T + gain @ R @ gain.T, float(log)


def imm_step(
    models: list[tuple[Floats, Floats, Floats, Floats]],
    switching: Floats,
    probability: Floats,
    means: Floats,
    covariances: Floats,
    z: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Interacting multiple models (F, Q, H, R): probability (M,), means (M, d), covariances."""
    predicted = probability @ switching
    logs, new_means, new_covariances = [], [], []
    for j, (F, Q, H, R) in enumerate(models):
        share = probability * switching[:, j] / predicted[j]
        mean = share @ means
        off = means - mean
        mixed = np.einsum("i,iab->ab", share, covariances + off[:, :, None] * off[:, None, :])
        x, P, log = kalman_step(F, Q, H, R, mean, mixed, z)
        logs.append(np.log(predicted[j]) + log)
        new_means.append(x)
        new_covariances.append(P)
    joint = np.array(logs)
    weights = np.exp(joint - log_sum_exp(joint, axis=0))
    return weights, np.array(new_means), np.array(new_covariances)


def regression_posterior(
    X: Floats, Y: Floats, variance: float, scatter: float, degrees: float
) -> tuple[Floats, Floats, Floats, float]:
    """All observations at once: coefficients (d, p), covariance factor (d, d), Psi (p, p), nu."""
    precision = np.eye(X.shape[1]) / variance + X.T @ X
    mean = np.linalg.solve(precision, X.T @ Y)
    psi = scatter * np.eye(Y.shape[1]) + Y.T @ Y - mean.T @ precision @ mean
    return mean, np.linalg.inv(precision), psi, degrees + len(X)
