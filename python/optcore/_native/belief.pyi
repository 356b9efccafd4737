import numpy as np
from numpy.typing import NDArray

from optcore._native import Device

def update(
    log_beliefs: NDArray[np.float64],
    log_likelihoods: NDArray[np.float64],
    *,
    device: Device = ...,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]: ...
