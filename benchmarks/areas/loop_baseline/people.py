"""Belief and forecast of everybody with scikit-learn and NumPy, as one would write them with care.

All people at once: one `predict` per goal and stage (a stage starts where the last one ended, so
stages cannot be joined), and one `predict(return_std=True)` per goal for the variances of all
stages that need one. The equations are those of optcore.loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from areas.loop_baseline.scene import STAGE_S, STAGES, Floats, MotionArrays

_TINY = 1e-6
_NEWCOMER_AGE_S = 1.5

Mean = Callable[[Floats], Floats]  # (m, 4) -> (m, 2)
Variance = Callable[[Floats], Floats]  # (m, 4) -> (m,)


def scikit_learn_field(model: MotionArrays, g: int) -> tuple[Mean, Variance]:
    """The field of goal g as a fitted GaussianProcessRegressor."""
    from sklearn import set_config
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    set_config(assume_finite=True, skip_parameter_validation=True)  # its own advice for speed
    rows = model.field(g)
    kernel = ConstantKernel(model.signal_variance, "fixed") * RBF(model.length_scale, "fixed")
    process = GaussianProcessRegressor(kernel, alpha=model.noise[rows], optimizer=None)
    process.fit(model.points[rows], model.targets[rows])

    def variance(z: Floats) -> Floats:
        deviation = process.predict(z, return_std=True)[1]
        return np.asarray(deviation[:, 0] ** 2)

    return process.predict, variance


def numpy_field(model: MotionArrays, g: int) -> tuple[Mean, Variance]:
    """The same by hand: no validation, the kernel as one matrix product and one exp."""
    from scipy.linalg import cho_factor, cho_solve

    rows = model.field(g)
    x = model.points[rows] / model.length_scale
    square = (x * x).sum(axis=1)
    gram = model.signal_variance * np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(axis=2))
    factor = cho_factor(gram + np.diag(model.noise[rows]), lower=True)
    weights = model.signal_variance * cho_solve(factor, model.targets[rows])
    inverse = np.linalg.inv(np.tril(factor[0]))

    def kernel(z: Floats) -> Floats:
        scaled = z / model.length_scale
        exponent = scaled @ x.T
        exponent -= 0.5 * square
        exponent -= 0.5 * (scaled * scaled).sum(axis=1)[:, None]
        return np.asarray(np.exp(exponent, out=exponent))

    def variance(z: Floats) -> Floats:
        explained = inverse @ kernel(z).T
        return np.asarray(
            model.signal_variance - model.signal_variance**2 * (explained**2).sum(axis=0)
        )

    return lambda z: kernel(z) @ weights, variance


@dataclass
class Crowd:
    """Forecast of the considered people, the nearest first; stages 0 to N."""

    weight: Floats  # (P, H)
    mean: Floats  # (P, H, N + 1, 2)
    covariance: Floats  # (P, H, N + 1, 3): xx, xy, yy
    order: NDArray[np.intp]  # (P,) row of the observation


class People:
    """Everybody in sight: velocities, beliefs over (goal, rationality), forecasts."""

    def __init__(
        self,
        model: MotionArrays,
        make_field: Callable[[MotionArrays, int], tuple[Mean, Variance]],
        considered: int,
    ) -> None:
        self._model = model
        self._considered = considered
        self._fields = [make_field(model, g) for g in range(len(model.goals))]
        self._scaled = [
            model.points[model.field(g)] / model.length_scale for g in range(len(model.goals))
        ]
        self._square = [(x * x).sum(axis=1) for x in self._scaled]
        self._share = [
            model.count[model.field(g)] / model.count[model.field(g)].sum()
            for g in range(len(model.goals))
        ]
        self._prior = model.prior[:, None] * model.beta_prior
        self._position = self._row = self._velocity = np.zeros((0, 2))
        self._seen_at = self._row_time = np.zeros(0)
        self._moved = np.zeros(0, bool)
        self._joint = np.zeros((0, *self._prior.shape))
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self._ids = np.zeros(0, np.int64)

    def observe(self, ids: NDArray[np.int64], position: Floats, seen_at: Floats) -> None:
        """Take over one cycle: positions (P, 2), each of the instant seen_at (P,)."""
        if not np.array_equal(ids, self._ids):
            self._arrange(ids, position, seen_at)
        elapsed = seen_at - self._seen_at
        moved = elapsed > 1e-9
        step = (position - self._position) / np.where(moved, elapsed, 1.0)[:, None]
        self._velocity = np.where(moved[:, None], step, self._velocity)
        self._moved |= moved
        self._position, self._seen_at = position.copy(), seen_at.copy()
        since = seen_at - self._row_time
        due = np.flatnonzero(since >= self._model.belief_period - 1e-6)
        if due.size:
            velocity = (position[due] - self._row[due]) / since[due, None]
            self._update(due, np.hstack([position[due], velocity]))
            self._row[due], self._row_time[due] = position[due], seen_at[due]

    def _arrange(self, ids: NDArray[np.int64], position: Floats, seen_at: Floats) -> None:
        """Rows in the order of `ids`: who is known keeps the row, newcomers start at the prior."""
        known = {int(name): row for row, name in enumerate(self._ids)}
        pairs = [(new, known[name]) for new, name in enumerate(ids.tolist()) if name in known]
        rows = {
            "_position": position.copy(),
            "_seen_at": seen_at.copy(),
            "_row": position.copy(),
            "_row_time": seen_at.copy(),
            "_velocity": np.zeros_like(position),
            "_moved": np.zeros(len(ids), bool),
            "_joint": np.tile(self._prior, (len(ids), 1, 1)),
        }
        for name, array in rows.items():
            for new, old in pairs:
                array[new] = getattr(self, name)[old]
            setattr(self, name, array)
        self._ids = ids.copy()

    def _update(self, due: NDArray[np.intp], z: Floats) -> None:
        model = self._model
        scaled = z / model.length_scale
        own = 0.5 * (scaled * scaled).sum(axis=1)[:, None]
        density = np.stack(
            [
                np.exp(scaled @ x.T - 0.5 * square - own) @ share
                for x, square, share in zip(self._scaled, self._square, self._share, strict=True)
            ],
            axis=1,
        )
        overall = (density @ model.prior)[:, None]
        ratio = (density + model.epsilon * overall + _TINY) / (overall + _TINY)
        evidence = np.log(ratio)
        log_likelihood = model.temper * evidence[:, :, None] * model.betas
        joint = (1.0 - model.switching) * self._joint[due] + model.switching * self._prior
        log_joint = np.log(joint) + log_likelihood
        log_joint -= log_joint.max(axis=(1, 2), keepdims=True)
        joint = np.exp(log_joint)
        self._joint[due] = joint / joint.sum(axis=(1, 2), keepdims=True)

    def posterior(self) -> Floats:
        """Probability of each goal, (P, G)."""
        return np.asarray(self._joint.sum(axis=2))

    def forecast(self, time: float, robot: Floats) -> Crowd:
        """Means and covariances of the nearest people at stages 0 (now) to N."""
        model = self._model
        goals = len(model.goals)
        distance = ((self._position - robot[:2]) ** 2).sum(axis=1)
        order = np.argsort(distance, kind="stable")[: self._considered]
        age = np.maximum(time - self._seen_at[order], 0.0)
        velocity = self._velocity[order]
        start = self._position[order] + age[:, None] * velocity
        shape = (len(order), goals + 1, STAGES + 1)
        mean = np.empty((*shape, 2))
        extra = np.zeros(shape)
        lead = STAGE_S * np.arange(STAGES + 1)
        mean[:, :, 0] = start[:, None]
        mean[:, goals] = start[:, None] + lead[:, None] * velocity[:, None]
        for g, (field, field_variance) in enumerate(self._fields):
            extra[:, g, 1:] = self._follow(field, field_variance, velocity, mean[:, g])
        weight = np.empty(shape[:2])
        weight[:, :goals] = (1.0 - model.cv_weight) * self.posterior()[order]
        weight[:, goals] = model.cv_weight
        spread_age = np.where(self._moved[order], age, age + _NEWCOMER_AGE_S)
        covariance = self._spread(velocity, spread_age[:, None] + lead, extra)
        return Crowd(weight, mean, covariance, order)

    def _follow(
        self, field: Mean, field_variance: Variance, velocity: Floats, mean: Floats
    ) -> Floats:
        """Walk everybody along one field into mean (P, N + 1, 2); the variance gained, (P, N)."""
        model = self._model
        share = STAGE_S / model.belief_period
        people = len(mean)
        z = np.concatenate([mean[:, 0], velocity], axis=1)
        knots = []
        for k in range(1, STAGES + 1):
            if (k - 1) % model.variance_stride == 0:
                knots.append(z.copy())
            z[:, 2:] += share * field(z)
            z[:, :2] += STAGE_S * z[:, 2:]
            mean[:, k] = z[:, :2]
        at_knots = field_variance(np.concatenate(knots)).reshape(len(knots), people)
        held = np.repeat(at_knots, model.variance_stride, axis=0)[:STAGES].T
        return np.asarray(STAGE_S**2 * np.cumsum(np.cumsum(share * held, axis=1), axis=1))

    def _spread(self, velocity: Floats, lead: Floats, extra: Floats) -> Floats:
        """Learned spread along and across the velocity plus the fields' own, capped."""
        model = self._model
        lag = np.concatenate([[0.0], model.spread_lag])

        def table(rows: Floats) -> Floats:
            kinds = [np.interp(lead, lag, np.concatenate([[0.0], row])) ** 2 for row in rows]
            goals = extra.shape[1] - 1
            square = np.repeat(np.stack(kinds, axis=1), [goals, 1], axis=1)
            return np.asarray(np.minimum(square + extra, model.cap**2))

        along, across = table(model.spread_along), table(model.spread_across)
        speed = np.linalg.norm(velocity, axis=1)
        slow = speed < 0.05
        c = np.where(slow, 1.0, velocity[:, 0] / np.where(slow, 1.0, speed))[:, None, None]
        s = np.where(slow, 0.0, velocity[:, 1] / np.where(slow, 1.0, speed))[:, None, None]
        return np.stack(
            [
                c * c * along + s * s * across,
                c * s * (along - across),
                s * s * along + c * c * across,
            ],
            axis=3,
        )
