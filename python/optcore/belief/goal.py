"""Where a person is going, and how rationally: a joint belief from their steps alone.

Shapes   G = goals, B = rationality levels.
Units    metres; beta in 1/m (log-odds per metre of progress).
Source   Fisac et al., "Probabilistically safe robot planning with confidence-based human
         predictions", RSS 2018; Baker, Saxe & Tenenbaum, Cognition 113 (2009).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError

__all__ = ["GoalBelief"]


class GoalBelief:
    """Joint posterior over goal and rationality of a Boltzmann-rational person.

    A step of the person is likely under a goal in proportion to exp(beta * progress towards it),
    normalised over headings; beta 0 wanders, a large beta walks straight.

    Args:
        goals: (G, 2) m.
        betas: (B,) 1/m, >= 0.
        goal_prior, beta_prior: (G,), (B,) weights of any scale. None: uniform.
        switching: probability per step that goal and beta are drawn afresh from the prior.

    Example:
        >>> belief = GoalBelief([[10, 0], [0, 10]], betas=[1, 10])
        >>> for x in range(4):
        ...     status = belief.observe([x, 0.0])
        >>> belief.goals.round(2)
        array([0.97, 0.03])
    """

    def __init__(
        self,
        goals: ArrayLike,
        betas: ArrayLike,
        *,
        goal_prior: ArrayLike | None = None,
        beta_prior: ArrayLike | None = None,
        switching: float = 0.02,
    ) -> None:
        places = np.ascontiguousarray(goals, np.float64)
        levels = np.ascontiguousarray(betas, np.float64)
        if places.ndim != 2 or places.shape[1] != 2 or len(places) == 0:
            raise ShapeError(f"goals: need (G, 2) with G >= 1, got {places.shape}")
        if levels.ndim != 1 or len(levels) == 0:
            raise ShapeError(f"betas: need (B,) with B >= 1, got {levels.shape}")
        if not np.isfinite(places).all() or not np.isfinite(levels).all() or (levels < 0).any():
            raise ConfigError("goals and betas: need finite numbers, betas >= 0")
        over_goals = _prior(goal_prior, len(places), "goal_prior")
        over_betas = _prior(beta_prior, len(levels), "beta_prior")
        joint = np.outer(over_goals, over_betas).ravel()
        self._belief = _native.belief.GoalBelief(places, levels, joint, float(switching))
        self._position: NDArray[np.float64] | None = None

    def observe(self, position: ArrayLike) -> _native.Status:
        """Take in the person's next position, m; the first one only says where they start.

        Returns a Status; `not_finite` leaves the belief and the last position as they were.
        """
        here = np.ascontiguousarray(position, np.float64)
        if here.shape != (2,):
            raise ShapeError(f"position: need (2,), got {here.shape}")
        if self._position is None:
            if not np.isfinite(here).all():
                return _native.Status.not_finite
            self._position = here.copy()
            return _native.Status.ok
        status = self._belief.step(self._position, here)
        if status.value >= 0:
            self._position = here.copy()
        return status

    def reset(self) -> None:
        """Back to the prior, the last position forgotten."""
        self._belief.reset()
        self._position = None

    @property
    def joint(self) -> NDArray[np.float64]:
        """(G, B) probabilities, sum 1."""
        return self._belief.joint

    @property
    def goals(self) -> NDArray[np.float64]:
        """(G,) probability of each goal."""
        marginal: NDArray[np.float64] = self.joint.sum(axis=1)
        return marginal

    @property
    def betas(self) -> NDArray[np.float64]:
        """(B,) probability of each rationality level."""
        marginal: NDArray[np.float64] = self.joint.sum(axis=0)
        return marginal

    @property
    def log_evidence(self) -> float:
        """Log-likelihood of the last step, relative to a uniform heading."""
        return self._belief.log_evidence


def _prior(weights: ArrayLike | None, size: int, name: str) -> NDArray[np.float64]:
    values = np.ones(size) if weights is None else np.asarray(weights, np.float64)
    if values.shape != (size,):
        raise ShapeError(f"{name}: need ({size},), got {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise ConfigError(f"{name}: need finite weights >= 0 with a positive sum")
    normalised: NDArray[np.float64] = values / values.sum()
    return normalised
