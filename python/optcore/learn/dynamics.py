"""How an environment moves, learnt from its transitions: a Gaussian process for each state.

The processes predict the change of each state over one step from features of state and input, so
that far from all data the prediction is "stays".

Shapes   K rows, nx states, nu inputs.
Source   Deisenroth & Rasmussen, PILCO, ICML (2011).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError
from optcore.learn.coordinates import Coordinates
from optcore.learn.regression import OnlineRegression, SampledFunctions

__all__ = ["Dynamics", "GPDynamics", "SampledDynamics"]

Array = NDArray[np.float64]


class Dynamics(Protocol):
    """What a planner needs of a model."""

    @property
    def nx(self) -> int: ...
    @property
    def nu(self) -> int: ...

    def step(self, x: Array, u: Array) -> Array:
        """(K, nx) states after one step from x (K, nx) under u (K, nu)."""
        ...

    def linearise(self, x: Array, u: Array, h: float) -> tuple[Array, Array, Array]:
        """As optcore.mpc.models.Model: following states and their derivatives; h is not used."""
        ...


class _Learnt:
    """Steps by functions from features to changes."""

    def __init__(
        self, coordinates: Coordinates, nu: int, changes: OnlineRegression | SampledFunctions
    ) -> None:
        self.coordinates, self.nx, self.nu = coordinates, coordinates.nx, nu
        self._changes = changes

    def step(self, x: Array, u: Array) -> Array:
        return x + self._changes.mean(self.coordinates.features(x, u))

    def linearise(self, x: Array, u: Array, h: float = 0.0) -> tuple[Array, Array, Array]:
        rows = self.coordinates.features(x, u)
        A, B = self.coordinates.chain(self._changes.gradient(rows), rows)
        return x + self._changes.mean(rows), A + np.eye(self.nx), B


class GPDynamics(_Learnt):
    """The mean of the posterior over models, which learns step by step.

    Args:
        coordinates: of the environment.
        nu: inputs.
        capacity, novelty: as for OnlineRegression.

    Example:
        >>> import numpy as np
        >>> from optcore.learn import Coordinates, GPDynamics
        >>> model, x = GPDynamics(Coordinates(1), nu=1), 0.0
        >>> for u in np.random.default_rng(0).uniform(-1, 1, 40):
        ...     _ = model.observe([x], [u], [0.9 * x + u])
        ...     x = 0.9 * x + u
        >>> model.train()
        >>> model.step(np.array([[1.0]]), np.array([[0.5]])).round(2)
        array([[1.4]])
    """

    def __init__(
        self, coordinates: Coordinates, nu: int, *, capacity: int = 400, novelty: float = 1.0
    ) -> None:
        if nu < 1:
            raise ConfigError(f"nu: need at least 1, got {nu}")
        inputs = coordinates.nx + len(coordinates.angles) + nu
        self.changes = OnlineRegression(inputs, coordinates.nx, capacity=capacity, novelty=novelty)
        super().__init__(coordinates, nu, self.changes)

    def observe(self, x: ArrayLike, u: ArrayLike, following: ArrayLike) -> bool:
        """Take in one transition, (nx,), (nu,), (nx,); returns whether it was kept.

        Raises:
            ShapeError, ConfigError: other shapes, NaN or infinity.
        """
        state, held = np.asarray(x, np.float64), np.asarray(u, np.float64)
        after = np.asarray(following, np.float64)
        if (state.shape, held.shape, after.shape) != ((self.nx,), (self.nu,), (self.nx,)):
            raise ShapeError(
                f"observe: need x ({self.nx},), u ({self.nu},), following ({self.nx},), "
                f"got {state.shape}, {held.shape}, {after.shape}"
            )
        row = self.coordinates.features(state[None], held[None])[0]
        return self.changes.observe(row, self.coordinates.difference(after, state))

    def train(self) -> None:
        """Hyper-parameters of largest likelihood, at once. optcore.learn.training has the way that
        neither holds up a control loop nor adopts what is worse."""
        from optcore.learn.training import propose

        self.changes.adopt(propose(*self.changes.points(), self.changes.hyper))

    def predict(self, x: Array, u: Array) -> tuple[Array, Array]:
        """(K, nx) means after one step and (K, nx) variances of the latent functions there."""
        change, variance = self.changes.predict(self.coordinates.features(x, u))
        return x + change, variance

    def draw(self, rng: np.random.Generator, *, waves: int = 64) -> SampledDynamics:
        """One whole model from the posterior."""
        return SampledDynamics(self, rng, waves)

    @property
    def ready(self) -> bool:
        """Whether it can predict."""
        return self.changes.ready

    def __len__(self) -> int:
        return len(self.changes)


class SampledDynamics(_Learnt):
    """One plausible model; `follow` lets it learn what its source learnt since."""

    def __init__(self, source: GPDynamics, rng: np.random.Generator, waves: int) -> None:
        functions = SampledFunctions(source.changes, rng, waves)
        super().__init__(source.coordinates, source.nu, functions)
        self.follow = functions.follow
