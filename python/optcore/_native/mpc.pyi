import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

class OcpSolver:
    def __init__(self, nx: int, nu: int, horizon: int, rows: int) -> None: ...
    def set(self, arrays: dict[str, _Floats]) -> None: ...
    def solve(
        self, x0: _Floats, warm: bool, tolerance: float, max_iterations: int
    ) -> tuple[str, _Floats, _Floats, float, int, float, float, float, float]: ...
