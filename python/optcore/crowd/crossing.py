"""A task for the robot: cross the main flow of people where it is busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optcore.crowd.scene import Scene, Track, bounds_of
from optcore.errors import ConfigError

__all__ = ["Crossing", "suggest_crossing"]

_LANE_M = 1.0  # half width of the strip whose traffic counts
_AT_END_M = 1.0  # somebody this near stands in the way at the start or the goal
_FIRST_S = 3.0  # the start should be free this long


class Crossing(NamedTuple):
    """Where a robot begins and where it goes, both (2,) m."""

    start: NDArray[np.float64]
    goal: NDArray[np.float64]


def suggest_crossing(
    scene: Scene,
    tracks: Sequence[Track] | None = None,
    *,
    margin_m: float = 1.0,
    least_m: float = 8.0,
) -> Crossing:
    """Return a start and a goal on both sides of the main flow.

    The flow is the axis people move along, whichever way. Of thirteen lines across it, half a metre
    apart around the middle of the walkers, the one with the most walkers and the freest ends is
    taken. It reads the whole of `tracks`, also what comes later: it sets the task and is no part of
    what the robot knows.

    Args:
        scene: gives the walked area.
        tracks: the people to cross, e.g. those of the test part; None takes all of the scene.
        margin_m: how far outside the walked area the robot may stand.
        least_m: distance of start and goal, where area and margin allow it.

    Raises:
        ConfigError: there is no track, or a length is negative or not finite.
    """
    walkers = scene.tracks if tracks is None else tuple(tracks)
    if not walkers:
        raise ConfigError("need at least one track to cross, got none")
    if not (0.0 <= margin_m < np.inf and 0.0 <= least_m < np.inf):
        raise ConfigError(f"need margin_m, least_m >= 0, got {margin_m} and {least_m}")
    position = np.concatenate([track.position for track in walkers])
    time = np.concatenate([track.time for track in walkers])
    moves = [np.diff(track.position, axis=0, append=track.position[-1:]) for track in walkers]
    move = np.concatenate(moves)
    weight = np.sqrt((move * move).sum(axis=1))

    along = _flow_axis(move, weight)
    across = np.array([-along[1], along[0]])
    box = np.array(bounds_of((*scene.tracks, *walkers)))
    box += np.array([-margin_m, -margin_m, margin_m, margin_m])
    middle = _weighted_median(position, weight)

    instants = max(len(np.unique(time)), 1)
    chosen: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for offset in sorted(np.arange(-3.0, 3.5, 0.5), key=abs):
        origin = np.clip(middle + offset * along, box[:2], box[2:])
        side = (position - origin) @ across
        lane = np.abs((position - origin) @ along) < _LANE_M
        low, high = _ends(side[lane], origin, across, box, margin_m=margin_m, least_m=least_m)
        ends = origin + low * across, origin + high * across
        traffic = weight[lane & (side > low) & (side < high)].sum() / max(weight.sum(), 1e-9)
        blocked = sum(_nearby(position, end).sum() for end in ends) / instants
        score = float(traffic - 0.5 * blocked)
        if chosen is None or score > chosen[0] + 1e-12:
            chosen = (score, *ends)
    assert chosen is not None
    _, first, second = chosen
    early = time < time.min() + _FIRST_S
    if _nearby(position[early], first).sum() > _nearby(position[early], second).sum():
        first, second = second, first
    return Crossing(first, second)


def _flow_axis(move: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector of the axis of motion; doubling the angle makes there and back the same."""
    moving = weight > 1e-6
    dx, dy = move[moving].T
    sine = (2.0 * dx * dy / weight[moving]).sum()
    cosine = ((dx * dx - dy * dy) / weight[moving]).sum()
    angle = 0.5 * np.arctan2(sine, cosine)
    return np.array([np.cos(angle), np.sin(angle)])


def _weighted_median(
    position: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Middle of those who move, each axis by itself; of everybody if nobody moves."""
    if weight.sum() <= 0.0:
        weight = np.ones_like(weight)
    middle = np.empty(2)
    for axis in range(2):
        order = np.argsort(position[:, axis], kind="stable")
        share = np.cumsum(weight[order])
        middle[axis] = position[order[np.searchsorted(share, 0.5 * share[-1])], axis]
    return middle


def _ends(
    side: NDArray[np.float64],
    origin: NDArray[np.float64],
    across: NDArray[np.float64],
    box: NDArray[np.float64],
    *,
    margin_m: float,
    least_m: float,
) -> tuple[float, float]:
    """Where the line through `origin` begins and ends: around the walkers, inside the box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hits = np.concatenate(((box[:2] - origin) / across, (box[2:] - origin) / across))
    hits = np.where(np.isfinite(hits), hits, np.inf)
    lowest = float(np.max(hits[hits <= 0.0], initial=-np.inf))
    highest = float(np.min(hits[hits >= 0.0], initial=np.inf))
    low, high = np.percentile(side, [2.0, 98.0]) if side.size else (0.0, 0.0)
    low, high = max(low - margin_m, lowest), min(high + margin_m, highest)
    # Too short: grow on both sides, and on one where the other has come to the edge.
    low = max(min(low, 0.5 * (low + high - least_m)), lowest)
    high = min(max(high, low + least_m), highest)
    low = max(min(low, high - least_m), lowest)
    return float(low), float(high)


def _nearby(position: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which positions (n, 2) block an end."""
    away = position - end
    near: NDArray[np.bool_] = (away * away).sum(axis=1) < _AT_END_M**2
    return near
