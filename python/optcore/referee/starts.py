"""Where and when the referee lets a robot start: the same for every forecast that is judged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optcore.crowd import Crossing, CrowdStream
from optcore.errors import ConfigError

__all__ = ["Start", "choose_starts"]

_FREE_M = 1.5  # nobody is this near where a robot starts
_ASIDE_M = 2.0  # lines across the flow are shifted by up to this
_TRIES = 40


class Start(NamedTuple):
    """One task: a frame of the stream, where from, where to."""

    step: int
    start: NDArray[np.float64]
    goal: NDArray[np.float64]


def choose_starts(
    stream: CrowdStream, crossing: Crossing, count: int, warm: int, seed: int
) -> list[Start]:
    """Frames spread evenly over a stream; ends of a crossing, either way, shifted sideways.

    Args:
        stream: the people.
        crossing: a line across their flow.
        count: how many starts.
        warm: frames needed before a start, in which the robot only watches.
        seed: of directions and shifts.

    Raises:
        ConfigError: the stream is shorter than the frames needed, or is never free to start in.
    """
    if len(stream) <= warm + 1:
        raise ConfigError(f"{stream.scene.source}: too short to start in: {len(stream)} frames")
    rng = np.random.default_rng(seed)
    span = crossing.goal - crossing.start
    aside = np.array([-span[1], span[0]]) / np.linalg.norm(span)
    # the last crossing should still meet people
    last = max(len(stream) - 1 - round(10.0 / stream.period_s), warm)
    starts = []
    for step in np.linspace(warm, last, count).round().astype(int):
        for _ in range(_TRIES):
            shift = rng.uniform(-_ASIDE_M, _ASIDE_M) * aside
            start, goal = crossing.start + shift, crossing.goal + shift
            if rng.random() < 0.5:
                start, goal = goal, start
            frame = stream.frame(int(step))
            there = frame.position[frame.present]
            if np.linalg.norm(there - start, axis=1).min(initial=np.inf) > _FREE_M:
                starts.append(Start(int(step), start, goal))
                break
    if not starts:
        raise ConfigError(f"{stream.scene.source}: no free place to start from was found")
    return starts
