"""Limits, weights and sizes of the control loop."""

from __future__ import annotations

import dataclasses
import difflib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optcore.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LoopConfig"]


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Settings of :class:`optcore.loop.ControlLoop`; SI units. Twin of the C++ LoopConfig.

    Raises:
        ConfigError: a value outside its range, naming the field.
    """

    period: float = 0.1
    """s between two steps"""
    step: float = 0.2
    """s of one stage of the plan"""
    horizon: int = 20
    """stages of the plan, 2 to 200"""
    belief_period: float = 0.4
    """s between two belief updates of one person"""
    max_people: int = 64
    """people tracked at once, at most 1024"""
    considered: int = 20
    """nearest people that may constrain the plan"""
    rows_per_stage: int = 8
    """half-planes per stage: the most binding ones, at most 32"""
    sides: int = 3
    """candidate plans solved beside each other, 1 to 4"""
    contact_distance: float = 0.5
    """m between centres: robot radius plus person radius"""
    clearance: float = 0.2
    """m kept beside the contact distance"""
    max_speed: float = 1.5
    """m/s, per axis"""
    preferred_speed: float = 1.2
    """m/s"""
    max_acceleration: float = 2.5
    """m/s^2, per axis"""
    risk: float = 0.05
    """joint probability of contact allowed over the horizon, in (0, 0.5]"""
    correlation_time: float = 2.0
    """s after which a person's position error counts as new"""
    max_margin: float = 0.45
    """m, cap of the uncertainty margin: bounds its growth"""
    reach: float = 2.5
    """m beyond which a person does not constrain a stage"""
    weight_position: float = 0.4
    """1/m^2, tracking of the reference path"""
    weight_velocity: float = 0.4
    """s^2/m^2"""
    weight_terminal: float = 2.0
    """factor on the stage weights at the end"""
    weight_effort: float = 0.15
    """s^4/m^2"""
    penalty_linear: float = 60.0
    """L1 weight of half-plane slack, 1/m"""
    penalty_square: float = 60.0
    """L2 weight of half-plane slack, 1/m^2"""
    hysteresis: float = 0.08
    """a side must be this much cheaper (relative) to be taken"""
    brake_margin: float = 0.15
    """m beside contact that braking must still leave"""
    newcomer_age: float = 1.5
    """s by which the spread of somebody just seen, whose velocity is unknown, runs ahead"""
    deadline: float = 0.008
    """s after which optional work is left out"""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            whole = field.type in ("int", int)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{field.name} must be a number, got {value!r}")
            if whole and value != int(value):
                raise ConfigError(f"{field.name} must be a whole number, got {value!r}")
            if not math.isfinite(value) or value < 0:
                raise ConfigError(f"{field.name} must be finite and not negative, got {value!r}")
            object.__setattr__(self, field.name, int(value) if whole else float(value))
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} must lie in [{low:g}, {high:g}], got {value:g}")
        if self.considered > self.max_people:
            raise ConfigError(
                f"considered must not exceed max_people = {self.max_people}, got {self.considered}"
            )

    def to_dict(self) -> dict[str, float]:
        """Return the settings as plain numbers."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LoopConfig:
        """Build from names and numbers; unknown names raise with the nearest known one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
                raise ConfigError(f"unknown setting {name!r}{hint}")
        return cls(**values)

    @classmethod
    def from_toml(cls, path: str | Path) -> LoopConfig:
        """Read a robot file: a TOML table of settings, alone or under ``[robot]``.

        Raises:
            ConfigError: the file is missing or not TOML, or a setting is unknown or out of range.
        """
        try:
            with open(path, "rb") as file:
                table = tomllib.load(file)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a TOML file: {error}") from error
        try:
            return cls.from_dict(table.get("robot", table))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


_RANGES = (
    ("period", 1e-4, 10.0),
    ("step", 1e-3, 10.0),
    ("horizon", 2, 200),
    ("belief_period", 1e-3, 60.0),
    ("max_people", 1, 1024),
    ("considered", 1, 1024),
    ("rows_per_stage", 1, 32),
    ("sides", 1, 4),
    ("contact_distance", 0.01, 10.0),
    ("max_speed", 1e-3, 100.0),
    ("preferred_speed", 1e-3, 100.0),
    ("max_acceleration", 1e-3, 1000.0),
    ("risk", 1e-9, 0.5),
    ("correlation_time", 1e-3, 1000.0),
    ("reach", 0.1, 100.0),
    ("weight_position", 1e-9, 1e9),
    ("weight_effort", 1e-9, 1e9),
    ("weight_terminal", 0.0, 1e6),
    ("penalty_linear", 1e-6, 1e9),
    ("penalty_square", 1e-6, 1e9),
    ("hysteresis", 0.0, 1.0),
    ("deadline", 1e-6, 10.0),
)
