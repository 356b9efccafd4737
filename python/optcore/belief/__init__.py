"""Beliefs: over what people want, over continuous states, over models."""

from __future__ import annotations

from optcore.belief.categorical import update_beliefs
from optcore.belief.continuous import (
    ExtendedKalmanFilter,
    GaussianSum,
    InteractingMultipleModel,
    KalmanBank,
    KalmanFilter,
    LinearGaussian,
    UnscentedKalmanFilter,
)
from optcore.belief.discrete import (
    DiscreteBayesBatch,
    DiscreteBayesFilter,
    hmm_filter,
    hmm_smoother,
    hmm_viterbi,
)
from optcore.belief.goal import GoalBelief
from optcore.belief.particle import ConstantVelocity, ParticleFilter, resample
from optcore.belief.regression import BayesianLinearRegression, NormalInverseWishart

__all__ = [
    "BayesianLinearRegression",
    "ConstantVelocity",
    "DiscreteBayesBatch",
    "DiscreteBayesFilter",
    "ExtendedKalmanFilter",
    "GaussianSum",
    "GoalBelief",
    "InteractingMultipleModel",
    "KalmanBank",
    "KalmanFilter",
    "LinearGaussian",
    "NormalInverseWishart",
    "ParticleFilter",
    "UnscentedKalmanFilter",
    "hmm_filter",
    "hmm_smoother",
    "hmm_viterbi",
    "resample",
    "update_beliefs",
]
