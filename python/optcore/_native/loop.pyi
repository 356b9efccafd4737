from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._native.runtime import Histogram as Histogram

_Floats = NDArray[np.float64]

fallbacks: tuple[str, ...]
sides: tuple[str, ...]

class ControlLoop:
    def __init__(self, config: dict[str, float], model: dict[str, Any]) -> None: ...
    def step(
        self,
        time: float,
        robot: _Floats,
        goal: _Floats,
        ids: NDArray[np.int64],
        positions: _Floats,
        seen_at: _Floats,
        oracle: _Floats | None = None,
    ) -> tuple[Any, ...]: ...
    def plan(self) -> _Floats: ...
    def people(
        self,
    ) -> tuple[NDArray[np.int64], _Floats, _Floats, _Floats, NDArray[np.bool_]]: ...
    def reset(self) -> None: ...
    def latency(self) -> dict[str, Histogram]: ...

class Forecaster:
    def __init__(self, model: dict[str, Any]) -> None: ...
    def posteriors(self, positions: _Floats) -> _Floats: ...
    def forecast(
        self, position: _Floats, velocity: _Floats, posterior: _Floats, steps: int, step: float
    ) -> tuple[_Floats, _Floats, _Floats]: ...
