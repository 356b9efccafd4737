"""Figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.learn.coordinates import Coordinates
from optcore.learn.record import Episode, Record

__all__ = ["coverage", "model_errors", "plan_times", "summary"]

Array = NDArray[np.float64]


def _misses(episode: Episode, coordinates: Coordinates) -> tuple[Array, Array, Array]:
    """(T, nx) errors and deviations of the steps foretold, and (T, nx) changes."""
    states = coordinates.state(np.array(episode.observations))
    wide = np.full((len(episode.means), coordinates.nx), np.nan)
    means, variances = wide.copy(), wide.copy()
    for k, (mean, variance) in enumerate(zip(episode.means, episode.variances, strict=True)):
        if len(mean) == coordinates.nx:
            means[k], variances[k] = mean, variance
    changes = coordinates.difference(states[1:], states[:-1])
    return coordinates.difference(states[1:], means), np.sqrt(variances), changes


def model_errors(episode: Episode, coordinates: Coordinates) -> Array:
    """(nx,) root mean square error of one-step predictions, in units of the changes' own.

    Predictions were made before the step. nan: there were none.
    """
    error, _, changes = _misses(episode, coordinates)
    known = np.isfinite(error).all(axis=1)
    if not known.any():
        return np.full(coordinates.nx, np.nan)
    scale = np.sqrt(np.mean(changes**2, axis=0))
    return np.asarray(np.sqrt(np.mean(error[known] ** 2, axis=0)) / np.maximum(scale, 1e-12))


def coverage(episodes: Sequence[Episode], coordinates: Coordinates) -> float | None:
    """Share of next states inside the central 90 % foretold; None: nothing was foretold."""
    inside: list[NDArray[np.bool_]] = []
    for episode in episodes:
        error, deviation, _ = _misses(episode, coordinates)
        known = np.isfinite(error).all(axis=1)
        inside.append((np.abs(error[known]) <= 1.6449 * deviation[known]).ravel())
    together = np.concatenate(inside) if inside else np.empty(0, bool)
    return float(together.mean()) if together.size else None


def plan_times(episodes: Sequence[Episode]) -> Array:
    """Seconds of each plan but the first of an episode, which may search longer."""
    times = [[t for t in episode.plan_times if t > 0][1:] for episode in episodes]
    return np.array([t for one in times for t in one])


def summary(record: Record) -> dict[str, Any]:
    """The run as plain data for JSON."""
    times = plan_times(record.episodes)
    verdicts = [verdict for episode in record.episodes for verdict in episode.verdicts]
    return {
        "task": record.task,
        "seed": record.seed,
        "returns": [episode.total for episode in record.episodes],
        "steps": [episode.steps for episode in record.episodes],
        "points": [episode.points for episode in record.episodes],
        "model_errors": [
            [None if np.isnan(e) else float(e) for e in model_errors(episode, record.coordinates)]
            for episode in record.episodes
        ],
        "coverage_90": coverage(record.episodes, record.coordinates),
        "plan_ms": {
            "median": float(1e3 * np.median(times)),
            "p99": float(1e3 * np.quantile(times, 0.99)),
        }
        if times.size
        else None,
        "trainings": {
            "adopted": int(sum(v.accepted for v in verdicts)),
            "refused": int(sum(not v.accepted and np.isfinite(v.after) for v in verdicts)),
            "failed": int(sum(not np.isfinite(v.after) for v in verdicts)),
        },
    }
