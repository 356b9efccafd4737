"""Social forces: how people steer around each other and around a robot.

Each person i is driven to the wanted velocity within a relaxation time, and pushed by every other
person j along the gradient of a potential V(b) = V0 exp(-b / sigma). Its lines are ellipses,
2 b = sqrt((|d| + |d - s|)^2 - |s|^2), where d points from j to i and s is the step that j makes
within the anticipation time: people keep clear of the place another one is walking to. What happens
behind the back counts less, and bodies that touch push each other apart.

Source   Helbing & Molnar, "Social force model for pedestrian dynamics", Physical Review E 51
         (1995), equations 2 to 10 and its parameters; contact force: Helbing, Farkas & Vicsek,
         Nature 407 (2000); weight by angle: Johansson, Helbing & Shukla, Advances in Complex
         Systems 10 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SocialForce", "accelerations"]

_TOUCH = 1e-6  # m, keeps 1 / distance finite
_AWAY = 1e3  # m, nobody pushes himself: the own column lies out of reach


@dataclass(frozen=True, slots=True)
class SocialForce:
    """Parameters of the model, those of 1995 unless said otherwise.

    Attributes:
        relaxation_s: time to take up the wanted velocity.
        strength: V0 in m^2/s^2.
        range_m: sigma.
        anticipation_s: time over which another's step is foreseen. The paper's 2 s suits corridors;
            on a square, where paths cross at all angles, people would start at shadows.
        behind: weight of what is straight behind, 0 to 1.
        radius_m: of a body; two bodies touch when their radii meet.
        contact: acceleration per metre of overlap, 1/s^2.
        robot_room_m: people keep this much more room to a robot than to each other.
        noise: random velocity gained in one second, m/s^1.5; breaks ties when two meet head-on.
        fastest: speed limit as a multiple of a person's wanted speed.
        largest: limit of acceleration, m/s^2.
    """

    relaxation_s: float = 0.5
    strength: float = 2.1
    range_m: float = 0.3
    anticipation_s: float = 1.0
    behind: float = 0.3
    radius_m: float = 0.2
    contact: float = 100.0
    robot_room_m: float = 0.5
    noise: float = 0.1
    fastest: float = 1.3
    largest: float = 15.0


def accelerations(
    model: SocialForce,
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    wanted: NDArray[np.float64],
    *,
    robot: NDArray[np.float64] | None = None,
    robot_radius_m: float = 0.3,
) -> NDArray[np.float64]:
    """Return the acceleration (2, n) of n people in m/s^2, without noise.

    Args:
        position, velocity, wanted: (2, n) m and m/s; coordinates lie behind each other because
            every operation below is on one coordinate of all pairs.
        robot: (4,) its position and velocity; None: there is none.
        robot_radius_m: of the robot's body; distances to it are shortened by what it is wider than
            a person, and by the room people keep to it.
    """
    count = position.shape[1]
    x, y = position
    others, steps = position, velocity * model.anticipation_s
    if robot is not None:
        others = np.concatenate((position, robot[:2, None]), axis=1)
        steps = np.concatenate((steps, robot[2:, None] * model.anticipation_s), axis=1)

    dx = x[:, None] - others[0]
    dy = y[:, None] - others[1]
    dx.reshape(-1)[:: others.shape[1] + 1] = _AWAY
    distance = np.sqrt(dx * dx + dy * dy) + _TOUCH
    ex, ey = dx - steps[0], dy - steps[1]
    ahead = np.sqrt(ex * ex + ey * ey) + _TOUCH
    total = distance + ahead
    squared = total * total - (steps[0] * steps[0] + steps[1] * steps[1])
    twice_b = np.sqrt(np.maximum(squared, _TOUCH))

    # grad b = (|d| + |d - s|) / (4 b) (d / |d| + (d - s) / |d - s|)
    push = np.exp(twice_b * (-0.5 / model.range_m))
    if robot is not None:
        wider = robot_radius_m - model.radius_m + model.robot_room_m
        push[:, -1] *= np.exp(wider / model.range_m)
    push *= (model.strength / model.range_m) * 0.5 * total / twice_b
    ux, uy = dx / distance, dy / distance
    fx = push * (ux + ex / ahead)
    fy = push * (uy + ey / ahead)

    # Johansson 2007: weight by the angle between heading and the other, from `behind` to 1.
    speed = np.sqrt(velocity[0] ** 2 + velocity[1] ** 2) + _TOUCH
    cosine = (ux * (velocity[0] / speed)[:, None]) + uy * (velocity[1] / speed)[:, None]
    weight = 0.5 * (1.0 + model.behind) - 0.5 * (1.0 - model.behind) * cosine

    reach = np.full(others.shape[1], 2.0 * model.radius_m)
    if robot is not None:
        reach[-1] = model.radius_m + robot_radius_m
    contact = model.contact * np.maximum(reach - distance, 0.0)
    force = np.empty((2, count))
    np.sum(weight * fx + contact * ux, axis=1, out=force[0])
    np.sum(weight * fy + contact * uy, axis=1, out=force[1])
    force += (wanted - velocity) / model.relaxation_s
    size = np.sqrt(force[0] ** 2 + force[1] ** 2)
    force *= np.minimum(1.0, model.largest / np.maximum(size, _TOUCH))
    return force
