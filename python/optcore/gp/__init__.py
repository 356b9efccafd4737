"""Gaussian process regression: exact, with gradients, growing and shrinking point by point."""

from __future__ import annotations

from optcore.gp.batch import GaussianProcessBatch
from optcore.gp.gaussian_process import GaussianProcess
from optcore.gp.hyperparameters import LogNormal, OptimizationResult
from optcore.gp.kernels import RBF, Matern

__all__ = [
    "RBF",
    "GaussianProcess",
    "GaussianProcessBatch",
    "LogNormal",
    "Matern",
    "OptimizationResult",
]
