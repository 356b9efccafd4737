"""Categorical beliefs: Bayes' rule in log space, a batch at a time.

Shapes   B = batch (people, particles), K = hypotheses (intents).
Units    natural log of probability (nats) in and out.
Source   Thrun, Burgard & Fox, *Probabilistic Robotics* (2005), section 2.4; shifted log-sum-exp:
         Blanchard, Higham & Higham, IMA J. Numer. Anal. 41(4) (2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import InferenceError, ShapeError

__all__ = ["update_beliefs"]


def update_beliefs(
    log_beliefs: ArrayLike,
    log_likelihoods: ArrayLike,
    *,
    device: _native.Device | None = None,
) -> NDArray[np.float64]:
    """Return the posterior (B, K) after one observation; the prior is not modified.

    Args:
        log_beliefs: (B, K) prior; rows need not be normalised.
        log_likelihoods: (B, K) log p(observation | intent), any common offset per row.
        device: where to compute; default the CPU.

    Raises:
        ShapeError: the two arrays are not both (B, K).
        InferenceError: some row has no intent that explains the observation, or holds NaN or
            +inf; ``.rows`` lists them, and no row is returned.

    Example:
        >>> np.exp(update_beliefs(np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]]))).round(3)
        array([[0.9, 0.1]])
    """
    posterior = np.array(log_beliefs, dtype=np.float64, order="C")
    likelihoods = np.ascontiguousarray(log_likelihoods, dtype=np.float64)
    if posterior.ndim != 2 or posterior.shape != likelihoods.shape or posterior.shape[1] == 0:
        raise ShapeError(
            "log_beliefs and log_likelihoods: need two (B, K) arrays with K >= 1, "
            f"got {posterior.shape} and {likelihoods.shape}"
        )
    _, statuses = _native.belief.update(
        posterior, likelihoods, device=device or _native.Device.cpu()
    )
    bad = np.flatnonzero(statuses < 0)
    if bad.size:
        reason = _native.Status(int(statuses[bad[0]])).name
        raise InferenceError(
            f"update_beliefs: row {bad[0]} of {len(statuses)} failed: {reason}", rows=bad.tolist()
        )
    return posterior
