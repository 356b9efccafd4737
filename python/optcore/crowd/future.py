"""What really happens next: for judging forecasts, never for a robot that is judged itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.crowd.frame import CrowdFrame
from optcore.crowd.scene import Track

__all__ = ["TrueFuture"]

_GONE_S = 1.0  # a tracker keeps somebody who left this long


class TrueFuture:
    """True positions ahead of the people in a frame, linear between rows.

    Args:
        tracks: everybody of the recording; one person may have several tracks.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._tracks: dict[int, list[Track]] = {}
        for track in tracks:
            self._tracks.setdefault(track.person, []).append(track)

    def __call__(self, frame: CrowdFrame, ahead: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return (P, K, 2) m at `ahead` (K,) s after the frame; NaN once a person has left.

        Somebody who is only just noticed to be gone keeps the last position at the first instant.
        """
        at = frame.time + ahead
        future = np.full((len(frame.ids), len(at), 2), np.nan)
        for row, person in enumerate(frame.ids.tolist()):
            for track in self._tracks.get(person, ()):
                if track.start_s <= frame.time <= track.end_s + _GONE_S:
                    there = at <= track.end_s
                    for i in range(2):
                        future[row, there, i] = np.interp(
                            at[there], track.time, track.position[:, i]
                        )
            if np.isnan(future[row, 0, 0]):
                future[row, 0] = frame.row_position[row]
        return future
