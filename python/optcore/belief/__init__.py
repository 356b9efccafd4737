"""Beliefs over what people want: discrete Bayes filters in log space."""

from __future__ import annotations

from optcore.belief.categorical import update_beliefs
from optcore.belief.discrete import DiscreteBayesFilter, hmm_filter
from optcore.belief.goal import GoalBelief
from optcore.belief.regression import BayesianLinearRegression, NormalInverseWishart

__all__ = [
    "BayesianLinearRegression",
    "DiscreteBayesFilter",
    "GoalBelief",
    "NormalInverseWishart",
    "hmm_filter",
    "update_beliefs",
]
