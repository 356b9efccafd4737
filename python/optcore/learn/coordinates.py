"""Observations, states and what the model sees of them.

An angle usually comes as its cosine and sine. Planning wants the angle itself, which can be
subtracted and integrated; the model wants cosine and sine, which do not jump. So
    observation (.., cos, sin, ..) -> state (.., angle, ..) -> features (.., cos, sin, .., u).

Shapes   K rows, p observed numbers, nx states (p less one per angle), nu inputs.
Source   Deisenroth & Rasmussen, PILCO, ICML (2011), section 2.1 (angles as points of a circle).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, ShapeError

__all__ = ["Coordinates", "find_angles", "wrap"]

Array = NDArray[np.float64]


def wrap(angle: ArrayLike) -> Array:
    """The same angles in [-pi, pi)."""
    return np.asarray((np.asarray(angle, np.float64) + np.pi) % (2 * np.pi) - np.pi)


def find_angles(observations: ArrayLike, tolerance: float = 1e-5) -> tuple[tuple[int, int], ...]:
    """Neighbouring columns that lie on the unit circle in all rows: (cosine, sine) of an angle.

    Args:
        observations: (K, p), from as many places as possible.
        tolerance: of the squared radius; observations are often of single precision.
    """
    rows = np.asarray(observations, np.float64)
    if rows.ndim != 2:
        raise ShapeError(f"observations: need (K, p), got {rows.shape}")
    found: list[tuple[int, int]] = []
    column = 0
    while column + 1 < rows.shape[1]:
        radius = rows[:, column] ** 2 + rows[:, column + 1] ** 2
        moved = float(np.ptp(rows[:, column : column + 2], axis=0).min()) > tolerance
        if moved and np.abs(radius - 1.0).max() < tolerance:
            found.append((column, column + 1))
            column += 1
        column += 1
    return tuple(found)


@dataclass(frozen=True)
class Coordinates:
    """The change of coordinates of one environment.

    Args:
        observed: p.
        angles: (column of the cosine, column of the sine) of each; the angle takes the place of
            the first of the two.
    """

    observed: int
    angles: tuple[tuple[int, int], ...] = ()
    nx: int = field(init=False)
    angular: tuple[int, ...] = field(init=False)  #: places of the angles in the state

    def __post_init__(self) -> None:
        taken = [column for pair in self.angles for column in pair]
        if len(set(taken)) != len(taken) or any(not 0 <= c < self.observed for c in taken):
            raise ConfigError(
                f"angles: need distinct columns below {self.observed}, got {self.angles}"
            )
        first = {min(pair): pair for pair in self.angles}
        skipped = {max(pair) for pair in self.angles}
        columns = [c for c in range(self.observed) if c not in skipped]
        object.__setattr__(self, "nx", len(columns))
        object.__setattr__(self, "angular", tuple(i for i, c in enumerate(columns) if c in first))
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_pairs", [first[columns[i]] for i in self.angular])
        object.__setattr__(
            self, "_straight", [i for i in range(len(columns)) if i not in self.angular]
        )

    _columns: list[int] = field(init=False, repr=False, compare=False)
    _pairs: list[tuple[int, int]] = field(init=False, repr=False, compare=False)
    _straight: list[int] = field(init=False, repr=False, compare=False)

    def state(self, observation: ArrayLike) -> Array:
        """(nx,) or (K, nx) of (p,) or (K, p); angles in [-pi, pi]."""
        seen = np.asarray(observation, np.float64)
        if seen.shape[-1:] != (self.observed,):
            raise ShapeError(f"observation: need (.., {self.observed}), got {seen.shape}")
        state = np.array(seen[..., self._columns])
        for place, (cosine, sine) in zip(self.angular, self._pairs, strict=True):
            state[..., place] = np.arctan2(seen[..., sine], seen[..., cosine])
        return state

    def difference(self, after: Array, before: Array) -> Array:
        """after - before, the short way round for angles."""
        change = np.asarray(after - before)
        for place in self.angular:
            change[..., place] = wrap(change[..., place])
        return change

    def features(self, x: Array, u: Array) -> Array:
        """(K, nx + angles + nu): cosines and sines of the angles first, the rest, the inputs."""
        a, s = len(self.angular), len(self._straight)
        out = np.empty((len(x), 2 * a + s + u.shape[1]))
        for i, place in enumerate(self.angular):
            np.cos(x[:, place], out=out[:, 2 * i])
            np.sin(x[:, place], out=out[:, 2 * i + 1])
        out[:, 2 * a : 2 * a + s] = x[:, self._straight]
        out[:, 2 * a + s :] = u
        return out

    def chain(self, slopes: Array, features: Array) -> tuple[Array, Array]:
        """Derivatives by state and input from those by features: (K, o, nx), (K, o, nu)."""
        a, s = len(self.angular), len(self._straight)
        by_x = np.zeros((*slopes.shape[:2], self.nx))
        for i, place in enumerate(self.angular):
            cosine, sine = features[:, None, 2 * i], features[:, None, 2 * i + 1]
            by_x[:, :, place] = slopes[:, :, 2 * i + 1] * cosine - slopes[:, :, 2 * i] * sine
        by_x[:, :, self._straight] = slopes[:, :, 2 * a : 2 * a + s]
        return by_x, np.ascontiguousarray(slopes[:, :, 2 * a + s :])
