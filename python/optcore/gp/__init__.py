"""Gaussian process regression: exact, with gradients, growing and shrinking point by point."""

from __future__ import annotations

from optcore.gp.batch import GaussianProcessBatch
from optcore.gp.committee import CommitteeGaussianProcess
from optcore.gp.firmware import export_header
from optcore.gp.gaussian_process import GaussianProcess
from optcore.gp.hyperparameters import LogNormal, OptimizationResult
from optcore.gp.kernels import (
    RBF,
    Constant,
    Coregionalization,
    Linear,
    Matern,
    Periodic,
    RationalQuadratic,
    White,
)
from optcore.gp.sparse import SparseGaussianProcess
from optcore.gp.streaming import StreamingGaussianProcess, StreamingReport

__all__ = [
    "RBF",
    "CommitteeGaussianProcess",
    "Constant",
    "Coregionalization",
    "GaussianProcess",
    "GaussianProcessBatch",
    "Linear",
    "LogNormal",
    "Matern",
    "OptimizationResult",
    "Periodic",
    "RationalQuadratic",
    "SparseGaussianProcess",
    "StreamingGaussianProcess",
    "StreamingReport",
    "White",
    "export_header",
]
