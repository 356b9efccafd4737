"""optcore: real-time inference and control for robots that share space with people.

Three native kernels (Gaussian processes, the MPC quadratic programme, Bayesian beliefs), the
control loop that joins them, and the workbench that keeps them fast. Importing this package loads
NumPy and the native core; all else (SciPy, matplotlib, Redis, CUDA) is loaded at first use.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from optcore import errors
from optcore._native import Device, Status

try:
    __version__ = version("optcore")
except PackageNotFoundError:  # a source tree on PYTHONPATH that was never installed
    __version__ = "0+unknown"

__all__ = ["Device", "Status", "__version__", "errors"]
