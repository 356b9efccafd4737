"""The three kernels behind the calls of the user's manual."""

from __future__ import annotations

from optcore.algorithm_optimizer.bayesian_rl import BayesianRLOptimizer, Decision
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.gp import GPInferenceOptimizer, GPInferenceStatistics
from optcore.algorithm_optimizer.mpc import MPCOptimizer, MPCResult
from optcore.algorithm_optimizer.suite import AlgorithmOptimizerSuite

__all__ = [
    "AlgorithmOptimizerSuite",
    "BayesianRLOptimizer",
    "Decision",
    "GPInferenceOptimizer",
    "GPInferenceStatistics",
    "MPCOptimizer",
    "MPCResult",
    "OptimizationConfig",
]
