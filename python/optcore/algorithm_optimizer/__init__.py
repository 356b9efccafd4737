"""The three kernels behind the calls of the user's manual."""

from __future__ import annotations

from optcore.algorithm_optimizer.bayesian_rl import BayesianRLOptimizer, Decision
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.gp import GPInferenceOptimizer, GPInferenceStatistics
from optcore.algorithm_optimizer.mpc import MPCOptimizer, MPCResult

__all__ = [
    "BayesianRLOptimizer",
    "Decision",
    "GPInferenceOptimizer",
    "GPInferenceStatistics",
    "MPCOptimizer",
    "MPCResult",
    "OptimizationConfig",
]
