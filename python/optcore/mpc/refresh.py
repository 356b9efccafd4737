"""New numbers in a solver's problem, unchecked: for loops that make the arrays themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optcore.mpc.solver import QpSolver

__all__ = ["load"]


def load(solver: QpSolver, **arrays: NDArray[np.float64]) -> None:
    """Write arrays with their stage axis (as OcpQp.arrays) over the problem's; warm starts stay."""
    held = solver.problem.arrays
    for name, values in arrays.items():
        held[name][...] = values
    solver._native.set(held)
