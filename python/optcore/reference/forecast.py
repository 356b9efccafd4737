"""Belief over goals and forecasts of one person in plain NumPy: oracle of the tests.

Takes the fields of optcore.loop.MotionModel by name, so that it depends on NumPy alone.

Shapes   G = goals, B = rationality levels, K = steps ahead, z = (px, py, vx, vy).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ForecastModel"]

_Floats = NDArray[np.float64]

_TINY = 1e-6  # 1/(state volume): where nobody was ever seen all goals are alike


class ForecastModel:
    """Exact Gaussian process fields (Rasmussen & Williams 2006, algorithm 2.1), all in double."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.fields = [
            slice(int(a), int(b))
            for a, b in zip(model.offsets[:-1], model.offsets[1:], strict=True)
        ]
        self._inverse = []
        for rows in self.fields:
            covariance = model.signal_variance * self._correlation(
                model.points[rows], model.points[rows]
            ) + np.diag(model.noise[rows])
            self._inverse.append(np.linalg.inv(covariance))

    def _correlation(self, a: _Floats, b: _Floats) -> _Floats:
        difference = (a[:, None] - b[None]) / self.model.length_scale
        result: _Floats = np.exp(-0.5 * (difference**2).sum(axis=2))
        return result

    def field(self, goal: int, z: _Floats) -> tuple[_Floats, float, float]:
        """Change of velocity (2,) m/s per belief period, its variance, and the density at z."""
        rows, s2 = self.fields[goal], self.model.signal_variance
        k = self._correlation(z[None], self.model.points[rows])[0]
        change = s2 * k @ self._inverse[goal] @ self.model.targets[rows]
        variance = s2 - s2 * k @ self._inverse[goal] @ k * s2
        count = self.model.count[rows]
        return change, float(variance), float(k @ count / count.sum())

    def posteriors(self, positions: _Floats) -> _Floats:
        """Goal posterior after each row of a track, (n, G); the first row is the prior."""
        m = self.model
        prior = (m.prior[:, None] * m.beta_prior).ravel()
        joint, out = prior.copy(), [m.prior]
        for before, after in itertools.pairwise(positions):
            z = np.concatenate([after, (after - before) / m.belief_period])
            density = np.array([self.field(g, z)[2] for g in range(len(m.goals))])
            everybody = m.prior @ density
            evidence = m.temper * np.log(
                (density + m.epsilon * everybody + _TINY) / (everybody + _TINY)
            )
            joint = (1 - m.switching) * joint + m.switching * prior
            joint = joint * np.exp((m.betas[None] * evidence[:, None]).ravel())
            joint /= joint.sum()
            out.append(joint.reshape(len(m.goals), -1).sum(axis=1))
        return np.array(out)

    def forecast(
        self, position: _Floats, velocity: _Floats, steps: int, step: float
    ) -> tuple[_Floats, _Floats]:
        """Means (H, K, 2) and covariances (H, K, 3) of every hypothesis, constant velocity last."""
        m, share = self.model, step / self.model.belief_period
        means, covariances = [], []
        for goal in range(len(m.goals) + 1):
            constant = goal == len(m.goals)
            z = np.concatenate([position, velocity])
            velocity_variance = position_variance = variance = 0.0
            mean, covariance = [], []
            for k in range(1, steps + 1):
                if not constant:
                    change, fresh, _ = self.field(goal, z)
                    variance = fresh if (k - 1) % m.variance_stride == 0 else variance
                    z[2:] += share * change
                    velocity_variance += share * variance
                    position_variance += step**2 * velocity_variance
                z[:2] += step * z[2:]
                mean.append(z[:2].copy())
                covariance.append(self._spread(velocity, k * step, constant, position_variance))
            means.append(mean)
            covariances.append(covariance)
        return np.array(means), np.array(covariances)

    def _spread(self, velocity: _Floats, t: float, constant: bool, extra: float) -> _Floats:
        m, kind = self.model, int(constant)
        lag = np.concatenate([[0.0], m.spread_lag])
        along, across = (
            min(np.interp(t, lag, np.concatenate([[0.0], table[kind]])) ** 2 + extra, m.cap**2)
            for table in (m.spread_along, m.spread_across)
        )
        speed = np.hypot(*velocity)
        c, s = (1.0, 0.0) if speed < 0.05 else velocity / speed
        return np.array(
            [
                c * c * along + s * s * across,
                c * s * (along - across),
                s * s * along + c * c * across,
            ]
        )
