"""The square on which simulated people walk: its gates, how many come, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optcore.crowd.social_force import SocialForce
from optcore.errors import ConfigError

__all__ = ["Square"]


@dataclass(frozen=True, slots=True)
class Square:
    """An open square; people enter at one gate and leave by another.

    Attributes:
        width_m, height_m: people walk in 0..width, 0..height.
        gates: centres of the places where people enter and leave; at least two.
        gate_width_m: people enter and leave within this width around a gate, along the edge.
        arrival_m: somebody this near to the goal is gone.
        people: mean number of people on the square.
        speed_m_s, speed_spread_m_s: mean and standard deviation of the speed people like.
        slowest_m_s, fastest_m_s: the speed people like is drawn again until it lies between.
        switching: probability that somebody heads for another gate midway.
        row_period_s: time between two rows of the tracker.
        robot_radius_m: the robot's body.
        force: how people react.
    """

    width_m: float = 16.0
    height_m: float = 12.0
    gates: tuple[tuple[float, float], ...] = (
        (0.0, 3.5),
        (0.0, 8.5),
        (16.0, 3.5),
        (16.0, 8.5),
        (8.0, 0.0),
        (8.0, 12.0),
    )
    gate_width_m: float = 2.4
    arrival_m: float = 0.8
    people: int = 20
    speed_m_s: float = 1.3
    speed_spread_m_s: float = 0.2
    slowest_m_s: float = 0.8
    fastest_m_s: float = 1.8
    switching: float = 0.15
    row_period_s: float = 0.4
    robot_radius_m: float = 0.3
    force: SocialForce = field(default_factory=SocialForce)

    def __post_init__(self) -> None:
        positive = {
            "width_m": self.width_m,
            "height_m": self.height_m,
            "arrival_m": self.arrival_m,
            "row_period_s": self.row_period_s,
            "robot_radius_m": self.robot_radius_m,
            "slowest_m_s": self.slowest_m_s,
        }
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} must be a positive number, got {value}")
        if self.people < 0:
            raise ConfigError(f"people must be 0 or more, got {self.people}")
        if len(set(self.gates)) < 2:
            raise ConfigError(f"need at least two different gates, got {len(set(self.gates))}")
        if not 0.0 <= self.switching <= 1.0:
            raise ConfigError(f"switching must lie between 0 and 1, got {self.switching}")
        if not self.slowest_m_s < self.fastest_m_s or self.speed_spread_m_s < 0.0:
            raise ConfigError(
                f"need slowest_m_s < fastest_m_s and a spread >= 0, got {self.slowest_m_s}, "
                f"{self.fastest_m_s}, {self.speed_spread_m_s}"
            )

    @property
    def arrivals_per_s(self) -> float:
        """Rate that keeps `people` on the square: number over mean time of a walk (Little's law).

        People come along a tenth slower than they like, because they make way; whoever switches
        walks about half a way more.
        """
        gates = np.array(self.gates)
        between = np.linalg.norm(gates[:, None] - gates[None], axis=2)
        mean_walk = between.sum() / (len(gates) * (len(gates) - 1))
        walk = max(float(mean_walk) - self.arrival_m, self.arrival_m)
        walk *= 1.0 + 0.5 * self.switching
        return self.people * 0.9 * self.speed_m_s / walk

    def place_at(self, gate: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw a point (2,) of gate number `gate`, spread along the edge the gate is in."""
        x, y = self.gates[gate]
        aside = self.gate_width_m * (rng.random() - 0.5)
        on_side = min(x, self.width_m - x) <= min(y, self.height_m - y)
        return np.array([x, y + aside] if on_side else [x + aside, y])

    def another_gate(self, gate: int, rng: np.random.Generator) -> int:
        """Draw a gate other than number `gate`."""
        return int((gate + 1 + rng.integers(len(self.gates) - 1)) % len(self.gates))

    def liked_speed(self, rng: np.random.Generator) -> float:
        """Draw the speed of a person, in m/s: normal, cut off at both ends."""
        for _ in range(100):
            speed = float(rng.normal(self.speed_m_s, self.speed_spread_m_s))
            if self.slowest_m_s <= speed <= self.fastest_m_s:
                return speed
        return float(np.clip(self.speed_m_s, self.slowest_m_s, self.fastest_m_s))
