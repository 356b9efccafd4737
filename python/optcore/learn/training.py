"""Choice of the model's hyper-parameters, beside the control loop and never to its harm.

A proposal is fitted to most of the points and adopted only where it foretells the others better
than what is in use. Where nothing was in use and the proposal is refused, a first guess from the
spread of the data is, so that the robot can plan at all. What failed is said, and so is a guess in
use: in the log, and in every report.

Source   Rasmussen & Williams (2006), section 5.4; log predictive density: their equation 2.34.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.errors import OptcoreError
from optcore.gp import RBF, GaussianProcess
from optcore.learn.regression import Hyper, OnlineRegression

__all__ = ["Trainer", "Verdict", "held_out_density", "initial", "propose"]

Array = NDArray[np.float64]
_log = logging.getLogger("optcore.learn")

_BLOCK = 5  # held-out points come in blocks of neighbours in time, which are alike
# Bounds, in units of the features' spread and of the changes' mean square.
_LENGTHS = 0.1, 100.0
_VARIANCE = 1e-2, 1e4
_NOISE = 1e-6, 0.3


@dataclass(frozen=True)
class Verdict:
    """One attempt to train the process of one state."""

    output: int  #: which state
    points: int  #: that the attempt had
    before: float  #: held-out log density per point of what was in use, or of a first guess, nats
    after: float  #: of the proposal; nan: it failed
    accepted: bool
    message: str
    of: str = "motion"  #: or "reward"


def initial(X: Array, y: Array) -> Hyper:
    """A start from the spread of the data."""
    spread = np.maximum(X.std(axis=0), 1e-3)
    power = max(float(np.mean(y**2)), 1e-12)
    return Hyper(2.0 * spread, power, 1e-3 * power)


def propose(X: Array, Y: Array, start: list[Hyper] | None = None) -> list[Hyper]:
    """Hyper-parameters of largest likelihood for each column of Y, within bounds.

    Raises:
        InferenceError: a column for which no start has a positive definite covariance.
    """
    return [_climb(X, Y[:, j], start[j] if start else None) for j in range(Y.shape[1])]


def _climb(X: Array, y: Array, start: Hyper | None) -> Hyper:
    """In units of the data's spread, where one pair of bounds suits every input."""
    spread = np.maximum(X.std(axis=0), 1e-3)
    power = max(float(np.mean(y**2)), 1e-12)
    begin = start or initial(X, y)
    kernel = RBF(
        length_scale=np.clip(begin.length_scale / spread, *_LENGTHS),
        variance=float(np.clip(begin.variance / power, *_VARIANCE)),
    )
    noise = float(np.clip(begin.noise / power, *_NOISE))
    gp = GaussianProcess(kernel, noise, max_jitter=1e-3).fit(X / spread, y / np.sqrt(power))
    gp.optimize(
        bounds={"length_scale": _LENGTHS, "variance": _VARIANCE, "noise": _NOISE},
        max_iterations=100,
        tolerance=1e-7,
    )
    found = gp.kernel
    assert isinstance(found, RBF)
    return Hyper(found.length_scales(X.shape[1]) * spread, found.variance * power, gp.noise * power)


def held_out(n: int) -> NDArray[np.bool_]:
    """(n,) which points judge: every fifth block of neighbours; of few points, every fifth."""
    block = max(1, min(_BLOCK, n // 10))
    return np.asarray((np.arange(n) // block) % 5 == 4)


def held_out_density(hyper: Hyper, X: Array, y: Array) -> float:
    """Mean log density, nats, of the held-out points given the others."""
    judge = held_out(len(X))
    mean, variance = hyper.process(X[~judge], y[~judge]).predict(X[judge])
    total = variance + hyper.noise
    error = (y[judge] - mean) ** 2
    return float(np.mean(-0.5 * (np.log(2 * np.pi * total) + error / total)))


def judge(output: int, X: Array, y: Array, current: Hyper | None) -> tuple[Hyper | None, Verdict]:
    """Propose, compare on held-out points, and say what came of it; raises nothing."""
    n, before, after = len(X), float("nan"), float("nan")
    judged = held_out(n)
    instead = "" if current else "; nothing was in use: a first guess from the data's spread is now"

    def refused(why: str, *, failed: bool) -> tuple[None, Verdict]:
        if failed or instead:
            _log.warning("state %d, %d points: %s%s", output, n, why, instead)
        return None, Verdict(output, n, before, after, False, why + instead)

    if not judged.any():
        return refused("too few points to judge a proposal by", failed=False)
    try:
        before = held_out_density(current or initial(X[~judged], y[~judged]), X, y)
        # from what is in use and from a fresh start: a climb may be stuck where it is
        starts = [None] if current is None else [current, None]
        found = [_climb(X[~judged], y[~judged], start) for start in starts]
        scores = [held_out_density(one, X, y) for one in found]
    except (OptcoreError, ArithmeticError, ValueError) as error:
        return refused(f"training failed: {error}", failed=True)
    best = int(np.argmax(scores))
    after = scores[best]
    if not np.isfinite(after):
        return refused("the proposal's held-out density is not finite", failed=True)
    if after <= before:
        return refused("the proposal foretells held-out points no better", failed=False)
    return found[best], Verdict(output, n, before, after, True, "adopted")


class Trainer:
    """Trains an OnlineRegression in another thread.

    `start` takes a copy of the points; `finish` adopts what was found. The caller chooses when to
    finish by counting steps, not seconds, so that a run repeats from its seed.
    """

    def __init__(self, regression: OnlineRegression) -> None:
        self._regression = regression
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="optcore-learn")
        self._running: Future[list[tuple[Hyper | None, Verdict]]] | None = None
        self.verdicts: list[Verdict] = []

    @property
    def running(self) -> bool:
        return self._running is not None

    def start(self) -> None:
        """Begin with the points kept now; without effect while a training is under way, or where
        there are none."""
        if self._running is None and len(self._regression):
            X, Y = self._regression.points()
            hyper: list[Hyper | None] = list(self._regression.hyper) or [None] * Y.shape[1]
            self._running = self._pool.submit(
                lambda: [judge(j, X, Y[:, j], one) for j, one in enumerate(hyper)]
            )

    def finish(self) -> list[Verdict]:
        """Wait for the end, adopt what is better, and return what was decided.

        Where nothing was in use, a refused proposal leaves a first guess from the data's spread in
        use; the verdict says so.
        """
        if self._running is None:
            return []
        answers, self._running = self._running.result(), None
        regression = self._regression
        old: list[Hyper | None] = list(regression.hyper) or [None] * len(answers)
        if any(found is not None for found, _ in answers) or not regression.ready:
            X, Y = regression.points()
            regression.adopt(
                [
                    found or before or initial(X, Y[:, j])
                    for j, ((found, _), before) in enumerate(zip(answers, old, strict=True))
                ]
            )
        verdicts = [verdict for _, verdict in answers]
        self.verdicts += verdicts
        return verdicts

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
