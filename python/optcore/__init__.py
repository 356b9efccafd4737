"""optcore: real-time inference and control for robots that share space with people.

Three native kernels (Gaussian processes, the MPC quadratic programme, Bayesian beliefs), the
control loop that joins them, and the workbench that keeps them fast. Importing this package loads
NumPy and the native core; all else (SciPy, matplotlib, Redis, CUDA) is loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optcore import errors
from optcore._native import Device, Status

if TYPE_CHECKING:
    from optcore.optimization_manager import OptimizationManager

__version__: str

__all__ = ["Device", "OptimizationManager", "Status", "__version__", "errors"]


def __getattr__(name: str) -> Any:
    if name == "OptimizationManager":
        from optcore.optimization_manager import OptimizationManager

        globals()[name] = OptimizationManager
        return OptimizationManager
    if name != "__version__":
        raise AttributeError(f"module 'optcore' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # costs as much as all the rest

    try:
        found = version("optcore")
    except PackageNotFoundError:  # a source tree on PYTHONPATH that was never installed
        found = "0+unknown"
    globals()[name] = found
    return found
