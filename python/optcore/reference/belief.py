"""Beliefs in plain NumPy, in the precision of their arguments: oracle of the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["boltzmann_log_likelihood", "hmm_log_filter", "log_sum_exp"]

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
