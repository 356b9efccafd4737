"""What a people tracker on a robot gives at one control period."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CrowdFrame"]


class CrowdFrame(NamedTuple):
    """Everybody in sight at one instant: n people, told apart by `ids`, in no promised order.

    A filter may read everything except `position` and `present`, which are the truth at `time`
    and serve safety figures only. Everything else follows from rows not later than `time`.

    A person appears with the first row, and stays one row period after the last one: only the row
    that does not come tells that the person left. In that time `present` is False.
    """

    step: int
    """Number of the control period, from 0."""
    time: float
    """Seconds on the scene's clock."""
    ids: NDArray[np.int64]
    """(n,) person numbers."""
    position: NDArray[np.float64]
    """(n, 2) m, true position now; the last one where `present` is False."""
    present: NDArray[np.bool_]
    """(n,) the person is really there."""
    observed: NDArray[np.float64]
    """(n, 2) m, interpolated between the two newest rows, one row period late."""
    observed_at: NDArray[np.float64]
    """(n,) s, the instant `observed` belongs to: `time` less one row period, but never before the
    person's first row, so right after it the person seems to stand."""
    row_position: NDArray[np.float64]
    """(n, 2) m, the newest row; fresher than `observed`."""
    row_time: NDArray[np.float64]
    """(n,) s, the instant of the newest row."""
    velocity: NDArray[np.float64]
    """(n, 2) m/s, backward difference of the two newest rows; zero where there is only one."""
    rows_seen: NDArray[np.int64]
    """(n,) rows of this track so far, from 1."""
    new_row: NDArray[np.bool_]
    """(n,) the newest row became visible since the last frame."""
    counted: NDArray[np.bool_]
    """(n,) the person counts in prediction and intent figures."""
    left: NDArray[np.int64]
    """(m,) people who were in the last frame and are gone."""
