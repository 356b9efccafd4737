"""Learns how the people of a scene move from tracks seen before: goals, fields, spreads.

Source: goals as ends of tracks follow Ziebart et al., "Planning-based prediction for pedestrians",
IROS 2009; the fields are Gaussian processes (Rasmussen & Williams 2006) on pooled samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.crowd import Track
from optcore.errors import ShapeError
from optcore.loop.motion_model import MotionModel

__all__ = ["find_goals", "learn_motion_model", "resample"]

_Floats = NDArray[np.float64]

_PERIOD_S = 0.4
_POINTS = 200  # training points kept per goal
_LENGTH_SCALE = np.array([2.0, 2.0, 0.5, 0.5])  # m, m, m/s, m/s
_NOISE = 0.25**2  # (m/s)^2, one row's change of velocity around the field
_LEAST_ROWS = 4
_LAGS = 12


def resample(track: Track, period_s: float = _PERIOD_S) -> _Floats:
    """Positions of a track every `period_s`, (n, 2) m, linear between rows."""
    steps = int((track.end_s - track.start_s) / period_s + 1e-6)
    at = track.start_s + period_s * np.arange(steps + 1)
    return np.stack([np.interp(at, track.time, track.position[:, i]) for i in range(2)], axis=1)


def find_goals(tracks: Sequence[Track], n_goals: int = 4, seed: int = 0) -> _Floats:
    """Centres of the ends of complete tracks, (G, 2) m, G <= n_goals; none without tracks.

    k-means++ and Lloyd's iterations; ends further than 10^5 m are passed over.
    """
    from scipy.cluster.vq import kmeans2

    ends = np.array([t.position[-1] for t in tracks if t.complete and len(t) >= _LEAST_ROWS])
    if ends.size == 0:
        return np.zeros((0, 2))
    ends = ends[(np.abs(ends) < 1e5).all(axis=1)]
    distinct = len(np.unique(ends.round(3), axis=0))
    count = min(n_goals, distinct)
    if count == 0:
        return np.zeros((0, 2))
    centres, label = kmeans2(ends, count, minit="++", seed=seed)
    return np.asarray(centres[np.bincount(label, minlength=count) > 0], np.float64)


def learn_motion_model(
    tracks: Sequence[Track],
    goals: ArrayLike | None = None,
    n_goals: int = 4,
    seed: int = 0,
) -> MotionModel:
    """Learn from what was seen before.

    Args:
        tracks: training part of a scene. Only complete tracks teach where people go.
        goals: (G, 2) m; None finds them by k-means on track ends.
        n_goals: how many to look for when `goals` is None.
        seed: of the k-means start.

    Returns:
        the model; without any complete track it holds constant velocity alone.
    """
    if goals is None:
        centres = find_goals(tracks, n_goals, seed)
    else:
        centres = np.array(goals, np.float64)
        if centres.ndim != 2 or centres.shape[1] != 2:
            raise ShapeError(f"goals must be (G, 2), got {centres.shape}")
    walks: list[list[_Floats]] = [[] for _ in centres]
    for track in tracks:
        if not track.complete or len(track) < _LEAST_ROWS or len(centres) == 0:
            continue
        nearest = int(np.argmin(((centres - track.position[-1]) ** 2).sum(axis=1)))
        walk = resample(track)
        if len(walk) >= _LEAST_ROWS:
            walks[nearest].append(walk)
    known = [g for g, goal_walks in enumerate(walks) if goal_walks]
    base = _with_spreads(MotionModel(), tracks)
    if not known:
        return base
    fields = [_pool(walks[g]) for g in known]
    prior = np.array([len(walks[g]) + 1.0 for g in known])
    return MotionModel(
        goals=centres[known],
        prior=prior / prior.sum(),
        offsets=np.cumsum([0] + [len(f[0]) for f in fields]),
        points=np.concatenate([f[0] for f in fields]),
        targets=np.concatenate([f[1] for f in fields]),
        noise=np.concatenate([_NOISE / f[2] for f in fields]),
        count=np.concatenate([f[2] for f in fields]),
        length_scale=_LENGTH_SCALE,
        spread_along=base.spread_along,
        spread_across=base.spread_across,
    )


def _pool(walks: list[_Floats]) -> tuple[_Floats, _Floats, _Floats]:
    """Samples of one goal in at most _POINTS cells: mean state, mean change, number of samples."""
    state, change = [], []
    for walk in walks:
        velocity = np.diff(walk, axis=0) / _PERIOD_S
        state.append(np.hstack([walk[1:-1], velocity[:-1]]))
        change.append(np.diff(velocity, axis=0))
    x, y = np.concatenate(state), np.concatenate(change)
    scaled = x / _LENGTH_SCALE
    cell = _farthest_points(scaled, _POINTS)
    count = np.bincount(cell).astype(np.float64)
    pooled_x = np.stack([np.bincount(cell, x[:, i]) / count for i in range(4)], axis=1)
    pooled_y = np.stack([np.bincount(cell, y[:, i]) / count for i in range(2)], axis=1)
    return pooled_x, pooled_y, count


def _farthest_points(scaled: _Floats, limit: int) -> NDArray[np.intp]:
    """Cell of every sample around at most `limit` centres chosen farthest first (Gonzalez 1985)."""
    cell = np.zeros(len(scaled), np.intp)
    distance = ((scaled - scaled[0]) ** 2).sum(axis=1)
    for centre in range(1, min(limit, len(scaled))):
        farthest = int(np.argmax(distance))
        if distance[farthest] < 1e-12:
            break
        new = ((scaled - scaled[farthest]) ** 2).sum(axis=1)
        closer = new < distance
        cell[closer] = centre
        distance[closer] = new[closer]
    return np.unique(cell, return_inverse=True)[1]


def _with_spreads(model: MotionModel, tracks: Sequence[Track]) -> MotionModel:
    """The errors of constant velocity on the training tracks, by lag, along and across."""
    errors: list[list[_Floats]] = [[] for _ in range(_LAGS)]
    for track in tracks:
        walk = resample(track)
        velocity = np.diff(walk, axis=0) / _PERIOD_S
        for lag in range(1, min(_LAGS, len(walk) - 2) + 1):
            start, v = walk[1 : len(walk) - lag], velocity[: len(velocity) - lag]
            error = walk[1 + lag :] - start - lag * _PERIOD_S * v
            speed = np.linalg.norm(v, axis=1, keepdims=True)
            along = np.where(speed > 0.05, v / np.maximum(speed, 1e-9), [1.0, 0.0])
            across = np.stack([-along[:, 1], along[:, 0]], axis=1)
            errors[lag - 1].append(
                np.stack([(error * along).sum(axis=1), (error * across).sum(axis=1)], axis=1)
            )
    if any(len(e) == 0 or sum(map(len, e)) < 50 for e in errors):
        return model
    spread = np.array([np.sqrt((np.concatenate(e) ** 2).mean(axis=0)) for e in errors])
    return MotionModel(
        spread_along=np.tile(spread[:, 0], (2, 1)), spread_across=np.tile(spread[:, 1], (2, 1))
    )
