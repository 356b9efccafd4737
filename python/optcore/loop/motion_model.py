"""How the people of a scene move: what learning hands to the native control loop.

Shapes   G = goals, B = rationality levels, n = training points of all goals together, L = lags.
Units    metres, seconds, metres per second.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._files import read_npz, replace_file
from optcore.errors import ConfigError, ShapeError

__all__ = ["MotionModel"]

_FORMAT = "optcore-motion-model/1"
_Floats = NDArray[np.float64]


def _empty(*shape: int) -> _Floats:
    return np.zeros(shape)


@dataclass(frozen=True, eq=False)
class MotionModel:
    """Goals of a scene and, per goal, a Gaussian process over changes of velocity.

    The process of goal g maps z = (px, py, vx, vy) to the change of velocity within one belief
    period; its prior mean is zero change, so where nothing was seen a person keeps the velocity.
    Training samples are pooled: a row of ``points`` stands for ``count`` samples.

    Raises:
        ShapeError: arrays whose shapes do not belong together.
        ConfigError: values that are not finite.
    """

    goals: _Floats = dataclasses.field(default_factory=lambda: _empty(0, 2))
    """(G, 2) m"""
    prior: _Floats = dataclasses.field(default_factory=lambda: _empty(0))
    """(G,) probability of each goal, sums to 1"""
    offsets: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(1, np.int64))
    """(G + 1,) rows offsets[g] to offsets[g + 1] - 1 belong to goal g"""
    points: _Floats = dataclasses.field(default_factory=lambda: _empty(0, 4))
    """(n, 4) m, m, m/s, m/s"""
    targets: _Floats = dataclasses.field(default_factory=lambda: _empty(0, 2))
    """(n, 2) m/s per belief period"""
    noise: _Floats = dataclasses.field(default_factory=lambda: _empty(0))
    """(n,) variance of the targets, (m/s)^2"""
    count: _Floats = dataclasses.field(default_factory=lambda: _empty(0))
    """(n,) samples a point stands for"""
    length_scale: _Floats = dataclasses.field(
        default_factory=lambda: np.array([2.0, 2.0, 0.5, 0.5])
    )
    """(4,) of the RBF kernel: m, m, m/s, m/s"""
    signal_variance: float = 0.15**2
    """(m/s)^2"""
    betas: _Floats = dataclasses.field(default_factory=lambda: np.ones(1))
    """(B,) rationality levels: exponents on the evidence"""
    beta_prior: _Floats = dataclasses.field(default_factory=lambda: np.ones(1))
    """(B,) sums to 1"""
    temper: float = 0.15
    """exponent on the likelihood of one row: rows of one person are far from independent"""
    epsilon: float = 0.01
    """share of everybody's density mixed into each goal's"""
    switching: float = 0.02
    """probability of a new goal per belief period"""
    cv_weight: float = 0.3
    """weight of the constant-velocity hypothesis"""
    belief_period: float = 0.4
    """s"""
    spread_lag: _Floats = dataclasses.field(default_factory=lambda: 0.4 * np.arange(1.0, 13.0))
    """(L,) s"""
    spread_along: _Floats = dataclasses.field(
        default_factory=lambda: np.tile(0.05 + 0.22 * 0.4 * np.arange(1.0, 13.0), (2, 1))
    )
    """(2, L) m, standard deviation along the velocity; row 0 for goals, 1 for constant velocity"""
    spread_across: _Floats = dataclasses.field(
        default_factory=lambda: np.tile(0.05 + 0.16 * 0.4 * np.arange(1.0, 13.0), (2, 1))
    )
    """(2, L) m, across it"""
    cap: float = 1.0
    """m, cap of each standard deviation"""
    variance_stride: int = 5
    """stages between two queries of the process's own variance"""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                kind = np.int64 if field.name == "offsets" else np.float64
                array = np.array(value, dtype=kind, order="C")
                if not np.isfinite(array).all():
                    raise ConfigError(f"{field.name} must be finite")
                array.setflags(write=False)
                object.__setattr__(self, field.name, array)
        goals, points, lags = len(self.goals), len(self.points), len(self.spread_lag)
        for name, shape in (
            ("goals", (goals, 2)),
            ("prior", (goals,)),
            ("offsets", (goals + 1,)),
            ("points", (points, 4)),
            ("targets", (points, 2)),
            ("noise", (points,)),
            ("count", (points,)),
            ("length_scale", (4,)),
            ("beta_prior", self.betas.shape),
            ("spread_along", (2, lags)),
            ("spread_across", (2, lags)),
        ):
            if getattr(self, name).shape != shape:
                raise ShapeError(f"{name} must be {shape}, got {getattr(self, name).shape}")

    @property
    def hypotheses(self) -> int:
        """Number of hypotheses about a person: every goal, and constant velocity."""
        return len(self.goals) + 1

    def constant_velocity_only(self) -> MotionModel:
        """Return the model without goals: everybody keeps the velocity."""
        return MotionModel(
            belief_period=self.belief_period,
            spread_lag=self.spread_lag,
            spread_along=self.spread_along,
            spread_across=self.spread_across,
            cap=self.cap,
        )

    def to_native(self) -> dict[str, Any]:
        """Return the fields by name, as the native core takes them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def save(self, path: str | Path) -> None:
        """Write to one .npz file, atomically; nothing in it is ever executed on loading."""
        arrays = {"format": np.array(_FORMAT), **self.to_native()}
        replace_file(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))

    @classmethod
    def load(cls, path: str | Path) -> MotionModel:
        """Read a file written by :meth:`save`.

        Raises:
            ConfigError: missing, damaged, of another format, or with fields that do not belong.
        """
        values = read_npz(path, "a motion model")
        found = str(values.pop("format", "none"))
        if found != _FORMAT:
            raise ConfigError(f"{path}: need format {_FORMAT}, found {found}")
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            wrong = sorted(set(values) ^ names)
            raise ConfigError(f"{path}: fields missing or unknown: {', '.join(wrong)}")
        plain: dict[str, Any] = {
            name: value.item() if value.ndim == 0 else value for name, value in values.items()
        }
        return cls(**plain)
