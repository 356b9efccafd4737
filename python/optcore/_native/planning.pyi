import numpy as np
from numpy.typing import NDArray

class PointBasedPlanner:
    def __init__(
        self,
        *,
        discount: float,
        class_begin: NDArray[np.int32],
        class_states: NDArray[np.int32],
        pair_begin: NDArray[np.int32],
        branch_target: NDArray[np.int32],
        branch_rows: NDArray[np.int32],
        row_begin: NDArray[np.int32],
        column: NDArray[np.int32],
        value: NDArray[np.float64],
        reward: NDArray[np.float64],
        lower: NDArray[np.float64],
        lower_action: NDArray[np.int32],
        upper: NDArray[np.float64],
        root_class: int,
        root: NDArray[np.float64],
    ) -> None: ...
    def improve(self, gap: float, seconds: float, max_bytes: float) -> bool: ...
    def progress(self) -> tuple[float, float, int, int, int, int, int, float]: ...
    def vectors(self, cls: int, size: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]: ...
    def bounds(self, cls: int, belief: NDArray[np.float64]) -> tuple[float, float, int]: ...
