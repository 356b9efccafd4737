"""Belief and forecast of single people, outside any loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ShapeError
from optcore.loop.motion_model import MotionModel

__all__ = ["Forecaster"]

_Floats = NDArray[np.float64]


class Forecaster:
    """The control loop's own belief filter and forecasts, one person at a time.

    Shapes   G = goals, H = G + 1 hypotheses, K = steps ahead.
    """

    def __init__(self, model: MotionModel) -> None:
        self.model = model
        self._native = _native.loop.Forecaster(model.to_native())

    def posteriors(self, positions: ArrayLike) -> _Floats:
        """Goal posterior after each row of a track, (n, G); the first row is the prior.

        Args:
            positions: (n, 2) m, one belief period apart.
        """
        rows = np.ascontiguousarray(positions, np.float64)
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise ShapeError(f"positions: need (n, 2), got {rows.shape}")
        return self._native.posteriors(rows)

    def forecast(
        self,
        position: ArrayLike,
        velocity: ArrayLike,
        posterior: ArrayLike,
        steps: int = 12,
        step_s: float = 0.4,
    ) -> tuple[_Floats, _Floats, _Floats]:
        """Forecast one person from position (2,) m, velocity (2,) m/s and goal posterior (G,).

        Returns:
            weights (H,), means (H, K, 2) m and covariances (H, K, 3) m^2 (xx, xy, yy) at
            step_s, 2 step_s, ..., K step_s ahead.
        """
        return self._native.forecast(
            np.ascontiguousarray(position, np.float64),
            np.ascontiguousarray(velocity, np.float64),
            np.ascontiguousarray(posterior, np.float64),
            steps,
            step_s,
        )
