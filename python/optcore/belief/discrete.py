"""Discrete Bayes filters: hidden Markov models and static hypotheses, never NaN.

Shapes   K = states, T = steps.
Units    natural log of probability (nats) in; probabilities out.
Source   Thrun, Burgard & Fox, *Probabilistic Robotics* (2005), chapter 2; Rabiner, Proc. IEEE
         77(2) (1989).
"""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError

__all__ = ["DiscreteBayesBatch", "DiscreteBayesFilter", "hmm_filter", "hmm_smoother", "hmm_viterbi"]


class DiscreteBayesFilter(_native.belief.DiscreteFilter):
    """Recursive belief over K states.

    A step costs one matrix-vector product and one vector exp; it changes to log-sum-exp by itself
    where probabilities would underflow, so no state is ever lost.

    Args:
        transition: (K, K), element [i, j] = p(next = j | now = i), rows sum to 1. None: the state
            stays, or is redrawn from the prior.
        prior: (K,) >= 0, any scale. None: uniform.
        states: K, needed only when neither of the two is given.
        switching: without a transition, the probability per step of a redraw from the prior.
        dtype: of the transition matrix as it is kept. float32 halves the memory that a step reads
            (it is used above 16 states); the belief is float64 all the same.
        reset_when_impossible: where no state explains an observation of step() or update(), start
            again from the prior and that observation, and return `Status.reset_to_prior`.

    Methods:
        step(log_likelihood): predict, then Bayes' rule with (K,) log p(observation | state), any
            common offset, -inf for impossible. Returns a `Status`; `zero_evidence` (nothing
            explains it) and `not_finite` (NaN or +inf) leave the belief as it was. Never raises
            for the values, only for a wrong shape.
        update(log_likelihood): Bayes' rule alone.
        predict(): one step ahead without an observation.
        forget(factor): exponential forgetting, belief ** factor, factor in [0, 1].
        filter(log_likelihoods, predict_first=True): a (T, K) sequence in one call; returns
            probabilities (T, K), log evidence (T,) (NaN where a row failed), status (T,).
        reset(): back to the prior.
        probabilities, log_probabilities: (K,) copies; log_evidence: of the last good observation.

    Example:
        >>> rain = DiscreteBayesFilter([[0.7, 0.3], [0.3, 0.7]])
        >>> rain.step(np.log([0.9, 0.2]))
        <Status.ok: 0>
        >>> rain.probabilities.round(3)
        array([0.818, 0.182])
    """

    def __init__(
        self,
        transition: ArrayLike | None = None,
        *,
        prior: ArrayLike | None = None,
        states: int | None = None,
        switching: float = 0.0,
        dtype: DTypeLike = np.float64,
        reset_when_impossible: bool = False,
    ) -> None:
        if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ConfigError(f"dtype: need float32 or float64, got {np.dtype(dtype)}")
        matrix = None if transition is None else np.ascontiguousarray(transition, np.float64)
        start = None if prior is None else np.ascontiguousarray(prior, np.float64)
        if matrix is not None and (matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]):
            raise ShapeError(f"transition: need (K, K), got {matrix.shape}")
        if start is not None and start.ndim != 1:
            raise ShapeError(f"prior: need (K,), got {start.shape}")
        if matrix is not None and switching != 0.0:
            raise ConfigError("switching: only without a transition matrix, which says it itself")
        sizes = {len(a) for a in (matrix, start) if a is not None}
        sizes |= set() if states is None else {states}
        if len(sizes) != 1 or min(sizes) < 1:
            raise ShapeError(
                "transition, prior, states: need one agreed number of states >= 1, "
                f"got {sorted(sizes) or 'none'}"
            )
        rounded = np.dtype(dtype) == np.float32
        resets = bool(reset_when_impossible)
        super().__init__(matrix, start, sizes.pop(), float(switching), rounded, resets)


class DiscreteBayesBatch(_native.belief.DiscreteBatch):
    """Independent beliefs of many objects over the same K states, stepped in one call.

    Beliefs are kept as probabilities: a state that falls below 1e-308 is lost. A filter of its own
    for each object keeps it.

    Args:
        beliefs: how many, N.
        transition: (K, K), element [i, j] = p(next = j | now = i), rows sum to 1.
        prior: (K,) >= 0 of every belief, any scale. None: uniform.

    Methods:
        step(log_likelihoods): predict, then Bayes' rule with (N, K) log p(observation | state).
            Returns (N,) the numbers of `Status`; rows with `zero_evidence` or `not_finite` keep
            their belief, and their log evidence is NaN.
        reset(): back to the prior.
        probabilities: (N, K) copy; log_evidence: (N,) of the last step.
    """

    def __init__(
        self, beliefs: int, transition: ArrayLike, *, prior: ArrayLike | None = None
    ) -> None:
        matrix = np.ascontiguousarray(transition, np.float64)
        start = None if prior is None else np.ascontiguousarray(prior, np.float64)
        try:
            count = operator.index(beliefs)
        except TypeError:
            raise ConfigError(f"beliefs: need a whole number, got {beliefs!r}") from None
        if count < 1:
            raise ShapeError(f"beliefs: need at least 1, got {count}")
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
            raise ShapeError(f"transition: need (K, K), got {matrix.shape}")
        if start is not None and start.shape != matrix.shape[:1]:
            raise ShapeError(f"prior: need {matrix.shape[:1]}, got {start.shape}")
        super().__init__(count, matrix, start)


def hmm_filter(
    startprob: ArrayLike, transmat: ArrayLike, log_likelihoods: ArrayLike
) -> tuple[NDArray[np.float64], float]:
    """Filtered state probabilities of a hidden Markov model.

    Args:
        startprob: (K,) probabilities of the state at the first observation.
        transmat: (K, K) transition matrix.
        log_likelihoods: (T, K) log p(observation t | state).

    Returns:
        (T, K) p(state t | observations up to t) and the log-likelihood of the sequence. Rows that
        cannot be used are skipped: they repeat the belief before them and add no evidence.
    """
    model = DiscreteBayesFilter(transmat, prior=startprob)
    rows = np.ascontiguousarray(log_likelihoods, np.float64)
    probabilities, evidence, _ = model.filter(rows, predict_first=False)
    return probabilities, float(np.nansum(evidence))


def hmm_smoother(
    startprob: ArrayLike, transmat: ArrayLike, log_likelihoods: ArrayLike, *, lag: int | None = None
) -> tuple[NDArray[np.float64], float]:
    """Smoothed state probabilities of a hidden Markov model.

    Args:
        startprob, transmat, log_likelihoods: as hmm_filter().
        lag: each state given observations up to `lag` steps later. None: given all of them.

    Returns:
        (T, K) probabilities and the log-likelihood of the sequence.
    """
    filtered, evidence = hmm_filter(startprob, transmat, log_likelihoods)
    matrix = np.ascontiguousarray(transmat, np.float64)
    steps = len(filtered) if lag is None else int(lag)
    return _native.belief.smooth(matrix, filtered, steps), evidence


def hmm_viterbi(
    startprob: ArrayLike, transmat: ArrayLike, log_likelihoods: ArrayLike
) -> tuple[NDArray[np.int32], float]:
    """Most probable sequence of states of a hidden Markov model.

    Returns:
        (T,) states and the joint log-probability of them and the observations.

    Raises:
        InferenceError: no sequence explains the observations.
    """
    with np.errstate(divide="ignore"):
        prior = np.log(np.asarray(startprob, np.float64))
        matrix = np.log(np.asarray(transmat, np.float64))
    return _native.belief.viterbi(
        prior, np.ascontiguousarray(matrix), np.ascontiguousarray(log_likelihoods, np.float64)
    )
