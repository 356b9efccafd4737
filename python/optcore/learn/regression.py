"""Several Gaussian processes over the same inputs, learning from a stream what is new to them.

Each output has hyper-parameters of its own. Points that the processes already foretell are not
kept: the window stays small, and so do the costs of a prediction and of the next point.

Shapes   n points kept, d inputs, o outputs, K queries.
Source   Rasmussen & Williams (2006), algorithm 2.1; draws of whole functions by pathwise
         conditioning: Wilson et al., "Efficiently sampling functions from Gaussian process
         posteriors", ICML (2020), with waves after Rahimi & Recht, NeurIPS (2007).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError, OptcoreError, ShapeError
from optcore.gp import RBF, GaussianProcess

__all__ = ["Hyper", "OnlineRegression", "SampledFunctions"]

Array = NDArray[np.float64]


class Hyper(NamedTuple):
    """Hyper-parameters of the process of one output."""

    length_scale: Array  # (d,) in units of the inputs
    variance: float
    noise: float

    def process(self, X: Array, y: Array, capacity: int | None = None) -> GaussianProcess:
        """Conditioned on data; repeated points get the least jitter that lets them."""
        kernel = RBF(length_scale=self.length_scale, variance=self.variance)
        gp = GaussianProcess(kernel, self.noise, max_jitter=1e-3 * self.variance)
        gp.fit(X, y, capacity=capacity)
        return gp


class OnlineRegression:
    """o processes over d inputs.

    Args:
        inputs, outputs: d and o.
        capacity: most points kept; the oldest leaves when there is no room.
        novelty: a point is kept when its predicted variance exceeds `novelty` times the noise, or
            when a prediction missed it by more than three deviations. 0 keeps all.
    """

    def __init__(
        self, inputs: int, outputs: int, *, capacity: int = 400, novelty: float = 1.0
    ) -> None:
        if inputs < 1 or outputs < 1:
            raise ConfigError(f"inputs, outputs: need at least 1, got {inputs}, {outputs}")
        if capacity < 4:
            raise ConfigError(f"capacity: need at least 4, got {capacity}")
        if not (np.isfinite(novelty) and novelty >= 0):
            raise ConfigError(f"novelty: need >= 0, got {novelty}")
        self.inputs, self.outputs = inputs, outputs
        self.capacity, self.novelty = capacity, float(novelty)
        self.hyper: list[Hyper] = []
        self.tuned = 0  #: how often hyper-parameters were replaced
        self.replaced = 0  #: how often the points were not merely appended to
        self.seen = 0  #: points ever offered
        self._gps: list[GaussianProcess] = []
        self._X, self._Y = np.empty((0, inputs)), np.empty((0, outputs))  # before hyper-parameters

    @property
    def ready(self) -> bool:
        """Whether there are hyper-parameters, and so predictions."""
        return bool(self._gps)

    def __len__(self) -> int:
        return len(self._gps[0]) if self._gps else len(self._X)

    def points(self) -> tuple[Array, Array]:
        """(n, d) and (n, o) kept, oldest first (copies)."""
        if not self._gps:
            return self._X.copy(), self._Y.copy()
        return self._gps[0].X.copy(), np.column_stack([gp.Y for gp in self._gps])

    # --- learning -----------------------------------------------------------------------------

    def observe(self, x: Array, y: Array) -> bool:
        """Take in one point, (d,) and (o,); returns whether it was kept.

        Raises:
            ShapeError, ConfigError: other shapes, NaN or infinity.
        """
        if x.shape != (self.inputs,) or y.shape != (self.outputs,):
            raise ShapeError(
                f"observe: need ({self.inputs},) and ({self.outputs},), got {x.shape}, {y.shape}"
            )
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ConfigError("observe: need finite numbers")
        self.seen += 1
        if not self._gps:
            self._X, self._Y = np.vstack([self._X, x]), np.vstack([self._Y, y])
            if len(self._X) > self.capacity:
                self._X, self._Y = self._X[1:], self._Y[1:]
            return True
        if not self._is_new(x, y):
            return False
        if len(self) == self.capacity:
            for gp in self._gps:
                gp.drop(0)
            self.replaced += 1
        for gp, value in zip(self._gps, y, strict=True):
            gp.append(x, value)
        return True

    def _is_new(self, x: Array, y: Array) -> bool:
        for gp, value in zip(self._gps, y, strict=True):
            mean, variance = gp.predict(x[None])
            missed = (value - mean[0]) ** 2 > 9.0 * (variance[0] + gp.noise)
            if missed or variance[0] > self.novelty * gp.noise:
                return True
        return False

    def adopt(self, hyper: list[Hyper]) -> None:
        """Condition the points kept on these hyper-parameters, one for each output."""
        X, Y = self.points()
        self.restore(hyper, X, Y, self.seen)

    def restore(self, hyper: list[Hyper], X: Array, Y: Array, seen: int) -> None:
        """Be what another one was, from its `hyper`, `points()` and `seen`.

        Raises:
            ShapeError: not one hyper-parameter set an output, or points of another shape.
            ConfigError: more points than the capacity.
            OptcoreError: no points.
        """
        if X.shape[1:] != (self.inputs,) or Y.shape != (len(X), self.outputs):
            raise ShapeError(
                f"X, Y: need (n, {self.inputs}), (n, {self.outputs}), got {X.shape}, {Y.shape}"
            )
        if len(X) > self.capacity:
            raise ConfigError(f"capacity: {self.capacity} points have no room for {len(X)}")
        if hyper and len(hyper) != self.outputs:
            raise ShapeError(f"hyper: need {self.outputs}, one per output, got {len(hyper)}")
        if hyper and not len(X):
            raise OptcoreError("no points to condition on: observe() first")
        self.seen = seen
        if not hyper:
            self._X, self._Y = np.array(X), np.array(Y)
            return
        room = self.capacity + 1
        self._gps = [one.process(X, Y[:, j], room) for j, one in enumerate(hyper)]
        self.hyper = list(hyper)
        self.tuned += 1

    # --- predicting ---------------------------------------------------------------------------

    def mean(self, X: Array) -> Array:
        """(K, o) posterior means at (K, d)."""
        gps = self._ready()
        out = np.empty((len(X), len(gps)))
        for j, gp in enumerate(gps):
            out[:, j] = gp.mean(X)
        return out

    def predict(self, X: Array) -> tuple[Array, Array]:
        """(K, o) means and (K, o) variances of the latent functions."""
        answers = [gp.predict(X) for gp in self._ready()]
        means, variances = zip(*answers, strict=True)
        return np.column_stack(means), np.column_stack(variances)

    def gradient(self, X: Array) -> Array:
        """(K, o, d) derivatives of the means."""
        return np.stack([np.asarray(gp.gradient(X)) for gp in self._ready()], axis=1)

    @property
    def noise(self) -> Array:
        """(o,) variances of the noise."""
        return np.array([one.noise for one in self.hyper])

    def _ready(self) -> list[GaussianProcess]:
        if not self._gps:
            raise OptcoreError("no hyper-parameters yet: train first")
        return self._gps


class SampledFunctions:
    """One function for each output from the posterior of an OnlineRegression.

    A draw of waves from the prior, plus the posterior mean of what it lacks to be the data. It
    learns with its source (`follow`), and stays the same draw of the prior as it does.
    """

    def __init__(self, source: OnlineRegression, rng: np.random.Generator, waves: int) -> None:
        self._source, self._rng, self._count = source, rng, waves
        self._draw()

    def follow(self) -> None:
        """Learn what the source learnt since; other hyper-parameters mean another draw."""
        if self._source.tuned != self._tuned:
            self._draw()
        elif self._source.replaced != self._replaced:
            self._condition()
        elif len(self._source) > len(self._gps[0]):
            X, Y = (rows[len(self._gps[0]) :] for rows in self._source.points())
            lack = self._lack(X, Y)
            for j, gp in enumerate(self._gps):
                gp.append(X, lack[:, j])

    def mean(self, X: Array) -> Array:
        """(K, o) values at (K, d)."""
        out = self._waves(X)
        for j, gp in enumerate(self._gps):
            out[:, j] += gp.mean(X)
        return out

    def gradient(self, X: Array) -> Array:
        """(K, o, d)."""
        slopes = np.stack([np.asarray(gp.gradient(X)) for gp in self._gps], axis=1)
        frequency = self._frequency.astype(np.float64)
        falls = np.sin(X @ frequency + self._phase) * self._weight
        for j in range(len(self._gps)):
            own = slice(j * self._count, (j + 1) * self._count)
            slopes[:, j] -= falls[:, own] @ frequency[:, own].T
        return slopes

    def _draw(self) -> None:
        rng, count, d = self._rng, self._count, self._source.inputs
        self._hyper, self._tuned = list(self._source.hyper), self._source.tuned
        # single precision: a wave costs a tenth, and the data correct what the waves add up to
        frequency = [
            rng.standard_normal((d, count)) / one.length_scale[:, None] for one in self._hyper
        ]
        weight = [
            np.sqrt(2.0 * one.variance / count) * rng.standard_normal(count) for one in self._hyper
        ]
        self._frequency = np.hstack(frequency).astype(np.float32)
        self._phase = rng.uniform(0.0, 2 * np.pi, count * len(self._hyper)).astype(np.float32)
        self._weight = np.hstack(weight).astype(np.float32)
        self._condition()

    def _condition(self) -> None:
        X, Y = self._source.points()
        lack, room = self._lack(X, Y), self._source.capacity + 1
        self._gps = [one.process(X, lack[:, j], room) for j, one in enumerate(self._hyper)]
        self._replaced = self._source.replaced

    def _lack(self, X: Array, Y: Array) -> Array:
        """What noisy observations of the prior draw lack to be the data."""
        noise = np.sqrt(self._source.noise) * self._rng.standard_normal(Y.shape)
        return np.asarray(Y - self._waves(X) - noise)

    def _waves(self, X: Array) -> Array:
        """(K, o) the draw from the prior."""
        height = np.cos(X.astype(np.float32) @ self._frequency + self._phase)
        height *= self._weight
        sums = height.reshape(len(X), len(self._hyper), self._count).sum(axis=2)
        return np.asarray(sums, np.float64)
