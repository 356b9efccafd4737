import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

class OcpSolver:
    def __init__(self, nx: int, nu: int, horizon: int, rows: int) -> None: ...
    @property
    def bytes(self) -> int: ...
    def set(self, arrays: dict[str, _Floats]) -> None: ...
    def solve(
        self, x0: object, warm: bool, tolerance: float, max_iterations: int, method: int
    ) -> (
        tuple[
            str,
            _Floats,
            _Floats,
            float,
            int,
            dict[str, float],
            float,
            tuple[_Floats, _Floats, _Floats],
            str,
            float,
        ]
        | None
    ): ...

def solve_qp(
    P: _Floats,
    q: _Floats,
    G: _Floats | None,
    h: _Floats | None,
    A: _Floats | None,
    b: _Floats | None,
    lb: _Floats | None,
    ub: _Floats | None,
    tolerance: float,
    max_iterations: int,
) -> tuple[
    str,
    _Floats,
    _Floats,
    _Floats,
    _Floats,
    float,
    float,
    float,
    float,
    int,
    float,
]: ...
def model_size(kind: int) -> tuple[int, int, int]: ...
def linearise(
    kind: int, parameters: _Floats, x: _Floats, u: _Floats, h: float, steps: int
) -> tuple[_Floats, _Floats, _Floats]: ...
