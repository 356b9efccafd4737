"""Functions made faster by what their own calls show, with evidence, and undone where it fails."""

from __future__ import annotations

from optcore.optimization_manager.manager import OptimizationManager
from optcore.optimization_manager.optimized import OptimizedFunction
from optcore.optimization_manager.proposals import Proposal
from optcore.optimization_manager.purity import Purity, purity_of

__all__ = ["OptimizationManager", "OptimizedFunction", "Proposal", "Purity", "purity_of"]
