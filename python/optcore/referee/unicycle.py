"""A wheeled robot that the planner's accelerations are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Unicycle"]

_Floats = NDArray[np.float64]


@dataclass
class Unicycle:
    """Position, heading and forward speed; it neither slides nor reverses.

    Source: Siciliano et al., *Robotics: Modelling, Planning and Control* (2009), section 11.2.

    Attributes:
        position: (2,) m.
        heading: rad.
        speed: m/s, at least 0.
        max_speed: m/s.
        max_acceleration: m/s^2, along the heading.
        max_turn_rate: rad/s.
    """

    position: _Floats
    heading: float
    speed: float = 0.0
    max_speed: float = 1.5
    max_acceleration: float = 2.5
    max_turn_rate: float = 2.5

    @property
    def state(self) -> _Floats:
        """(4,) position m and velocity m/s, as the planner sees it."""
        direction = np.array([np.cos(self.heading), np.sin(self.heading)])
        return np.concatenate([self.position, self.speed * direction])

    def advance(self, command: _Floats, dt: float) -> None:
        """Follow an acceleration (2,) m/s^2 for dt seconds as well as wheels can.

        It turns towards the velocity that was asked for, and drives the part of it that lies along
        its heading.
        """
        wanted = self.state[2:] + dt * np.asarray(command)
        size = float(np.hypot(*wanted))
        error = 0.0
        if size > 1e-3:
            error = float(np.arctan2(wanted[1], wanted[0])) - self.heading
            error = (error + np.pi) % (2 * np.pi) - np.pi
        turn = float(np.clip(error, -self.max_turn_rate * dt, self.max_turn_rate * dt))
        change = self.max_acceleration * dt
        aim = size * max(np.cos(error - turn), 0.0)
        speed = float(np.clip(aim, self.speed - change, self.speed + change))
        speed = min(max(speed, 0.0), self.max_speed)
        along = 0.5 * (self.speed + speed) * dt
        middle = self.heading + 0.5 * turn
        self.position = self.position + along * np.array([np.cos(middle), np.sin(middle)])
        self.heading += turn
        self.speed = speed
