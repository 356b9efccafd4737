"""How good forecasts and beliefs are on people never seen in training.

Protocol: 8 rows seen, 12 forecast, 0.4 s apart (Alahi et al., CVPR 2016); a person's goal is the
learned goal nearest to the end of a complete track of at least 10 rows and 3 m.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.crowd import Track
from optcore.loop import Forecaster, MotionModel
from optcore.loop.learning import resample
from optcore.run.metrics import coverage, displacement, intent_scores, reliability

__all__ = ["evaluate_intent", "evaluate_prediction"]

_SEEN, _AHEAD = 8, 12
_LEAST_ROWS, _LEAST_M = 10, 3.0
_SHARES = {"25": 0.25, "50": 0.5, "75": 0.75}
_SAMPLES = 20


def evaluate_prediction(
    model: MotionModel, tracks: Sequence[Track], counted: Collection[int], seed: int = 0
) -> dict[str, Any]:
    """Displacement errors of the belief-weighted forecast beside constant velocity's.

    Best of 20 draws 20 futures a window: a hypothesis by its weight, then one Gaussian deviation
    that grows with the hypothesis's own spread over the horizon.
    """
    forecaster = Forecaster(model)
    period = model.belief_period
    weights, means, covariances, truths = [], [], [], []
    for track in tracks:
        if track.person not in counted:
            continue
        rows = resample(track, period)
        for first in range(len(rows) - _SEEN - _AHEAD + 1):
            seen = rows[first : first + _SEEN]
            posterior = forecaster.posteriors(seen)[-1]
            velocity = (seen[-1] - seen[-2]) / period
            w, mean, covariance = forecaster.forecast(seen[-1], velocity, posterior, _AHEAD, period)
            weights.append(w)
            means.append(mean)
            covariances.append(covariance)
            truths.append(rows[first + _SEEN : first + _SEEN + _AHEAD])
    hypotheses = model.hypotheses
    weight = np.array(weights).reshape(-1, hypotheses)
    mean = np.array(means).reshape(-1, hypotheses, _AHEAD, 2)
    covariance = np.array(covariances).reshape(-1, hypotheses, _AHEAD, 3)
    truth = np.array(truths).reshape(-1, _AHEAD, 2)
    mixed = (weight[:, :, None, None] * mean).sum(axis=1)
    ade, fde = displacement(mixed, truth)
    cv_ade, cv_fde = displacement(mean[:, -1], truth)
    best_ade, best_fde = _best_of(weight, mean, covariance, truth, seed)
    return {
        "ade_m": ade,
        "fde_m": fde,
        "cv_ade_m": cv_ade,
        "cv_fde_m": cv_fde,
        "windows": len(truth),
        "horizon_s": _AHEAD * period,
        "best_of_20_ade_m": best_ade,
        "best_of_20_fde_m": best_fde,
        "coverage": coverage(weight, mean, covariance, truth),
    }


def _best_of(
    weight: NDArray[np.float64],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    truth: NDArray[np.float64],
    seed: int,
) -> tuple[float, float]:
    if len(truth) == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    rows = np.arange(len(truth))
    ade = np.full(len(truth), np.inf)
    fde = np.full(len(truth), np.inf)
    cumulative = weight.cumsum(axis=1)
    for _ in range(_SAMPLES):
        h = (cumulative < rng.random((len(truth), 1))).sum(axis=1).clip(0, weight.shape[1] - 1)
        xx, xy, yy = np.moveaxis(covariance[rows, h], -1, 0)
        z = rng.standard_normal((2, len(truth), 1))
        a = np.sqrt(xx)
        b = xy / a
        future = mean[rows, h] + np.stack(
            [a * z[0], b * z[0] + np.sqrt(np.maximum(yy - b**2, 0)) * z[1]], axis=-1
        )
        error = np.linalg.norm(future - truth, axis=2)
        ade = np.minimum(ade, error.mean(axis=1))
        fde = np.minimum(fde, error[:, -1])
    return float(ade.mean()), float(fde.mean())


def evaluate_intent(
    model: MotionModel, tracks: Sequence[Track], counted: Collection[int]
) -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.int64]]:
    """Goal beliefs when 25, 50 and 75 % of a track were seen.

    Returns:
        the figures (those at 50 % on top, all under "at"), the people judged and their goals.
    """
    people, goals = [], []
    posteriors: dict[str, list[NDArray[np.float64]]] = {share: [] for share in _SHARES}
    if len(model.goals):
        forecaster = Forecaster(model)
        for track in tracks:
            if track.person not in counted or not track.complete:
                continue
            rows = resample(track, model.belief_period)
            if len(rows) < _LEAST_ROWS or np.linalg.norm(rows[-1] - rows[0]) <= _LEAST_M:
                continue
            people.append(track.person)
            goals.append(int(np.argmin(((model.goals - rows[-1]) ** 2).sum(axis=1))))
            posterior = forecaster.posteriors(rows)
            for share, value in _SHARES.items():
                posteriors[share].append(posterior[max(int(value * len(rows)) - 1, 0)])
    truth = np.array(goals, np.int64)
    stacked = {k: np.array(v).reshape(len(v), len(model.goals)) for k, v in posteriors.items()}
    at = {share: intent_scores(p, model.prior, truth) for share, p in stacked.items()}
    table = reliability(stacked["50"], truth) if len(truth) else []
    return {**at["50"], "at": at, "reliability": table}, np.array(people, np.int64), truth
