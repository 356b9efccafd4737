"""People who react: the crowd a robot meets where there is no recording.

The tracker's view is that of `optcore.crowd.stream`: a row of everybody each row period, and
observations interpolated between the two newest rows, one row period late.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.crowd.frame import CrowdFrame
from optcore.crowd.people import People, Walk
from optcore.crowd.scene import Scene, Track, bounds_of
from optcore.crowd.social_force import accelerations
from optcore.crowd.square import Square
from optcore.errors import ConfigError, ShapeError

__all__ = ["CrowdSimulator", "simulate_recording"]

_LONGEST_STEP_S = 0.1  # of the integrator
_SETTLING_ROWS = 10  # people who were put down somewhere find their way before time 0
_CLEAR_M = 0.6  # nobody enters closer than this to somebody else
_INSTANT = 1e-9


class CrowdSimulator:
    """People on a square, who make way for each other and for a robot.

    Everything is drawn from `seed`: the same seed and the same robot give the same people, bit by
    bit on one machine. Who comes when, and wants to go where, does not depend on the robot.

    Args:
        square: where, how many, how they react; None is `Square()`.
        seed: of the random numbers.

    Example:
        >>> crowd = CrowdSimulator(Square(people=5), seed=1)
        >>> frame = crowd.step(0.1, robot_position=(8.0, 6.0), robot_velocity=(0.0, 0.0))
        >>> frame.step, frame.time
        (1, 0.1)
    """

    def __init__(self, square: Square | None = None, seed: int = 0) -> None:
        self.square = Square() if square is None else square
        self.seed = seed
        arrivals, walking = np.random.SeedSequence(seed).spawn(2)
        self._arrivals = np.random.default_rng(arrivals)
        self._walking = np.random.default_rng(walking)
        self._people = People()
        self._born = 0
        self._arrived: set[int] = set()
        self._left: list[int] = []
        self._waiting: list[Walk] = []
        self._rows: list[tuple[float, NDArray[np.int64], NDArray[np.float64]]] = []
        self._step = 0
        self._settle()

    @property
    def time(self) -> float:
        """Seconds since the start."""
        return self._time

    def goal_of(self, person: int) -> int:
        """Return the gate somebody on the square is walking to now: the truth, not for filters.

        Raises:
            KeyError: nobody of this number is on the square.
        """
        found = np.flatnonzero(self._people.ids == person)
        if found.size == 0:
            raise KeyError(f"no person {person} on the square")
        return int(self._people.gate[found[0]])

    def step(
        self,
        dt: float,
        robot_position: ArrayLike | None = None,
        robot_velocity: ArrayLike = (0.0, 0.0),
    ) -> CrowdFrame:
        """Let `dt` seconds pass and return what the tracker then gives.

        Args:
            dt: control period in seconds; a longer one is walked in pieces of 0.1 s.
            robot_position: (2,) m, held meanwhile; None: no robot.
            robot_velocity: (2,) m/s; people foresee where the robot is going.

        Raises:
            ConfigError: `dt` is not a positive number.
            ShapeError: position or velocity is not two finite numbers.
        """
        if not (math.isfinite(dt) and dt > 0.0):
            raise ConfigError(f"dt must be a positive number, got {dt}")
        robot = None
        if robot_position is not None:
            position = np.asarray(robot_position, np.float64)
            velocity = np.asarray(robot_velocity, np.float64)
            if position.shape != (2,) or velocity.shape != (2,):
                raise ShapeError(
                    f"robot_position and robot_velocity must be (2,), got {position.shape} and "
                    f"{velocity.shape}"
                )
            robot = np.concatenate((position, velocity))
            if not np.isfinite(robot).all():
                raise ShapeError(f"robot position and velocity must be finite, got {robot}")
        self._left.clear()
        self._new_rows = False
        pieces = max(1, math.ceil(dt / _LONGEST_STEP_S - _INSTANT))
        for _ in range(pieces):
            self._advance(dt / pieces, robot)
        self._step += 1
        return self.frame()

    def frame(self) -> CrowdFrame:
        """Return what the tracker gives now, without letting time pass."""
        people = self._people
        row_time = people.row_time.copy()
        present = row_time >= self._time - _INSTANT
        present[: people.walking] = True
        late = self._time - self.square.row_period_s
        observed_at = np.minimum(np.maximum(late, people.previous_row_time), row_time)
        velocity = people.row_velocity()
        return CrowdFrame(
            step=self._step,
            time=self._time,
            ids=people.ids.copy(),
            position=people.position.T.copy(),
            present=present,
            observed=(people.row + (observed_at - row_time) * velocity).T,
            observed_at=observed_at,
            row_position=people.row.T.copy(),
            row_time=row_time,
            velocity=velocity.T,
            rows_seen=people.rows_seen.copy(),
            new_row=np.full(len(row_time), self._new_rows),
            counted=np.ones(len(row_time), np.bool_),
            left=np.array(self._left, np.int64),
        )

    def recording(self) -> Scene:
        """Return all rows the tracker has given so far as a scene."""
        counts = [len(ids) for _, ids, _ in self._rows]
        time = np.repeat([time for time, _, _ in self._rows], counts)
        person = np.concatenate([ids for _, ids, _ in self._rows])
        position = np.concatenate([position for _, _, position in self._rows])
        order = np.lexsort((time, person))
        person, time, position = person[order], time[order], position[order]
        time.setflags(write=False)
        position.setflags(write=False)
        cuts = np.concatenate(([0], np.flatnonzero(np.diff(person)) + 1, [len(person)])).tolist()
        tracks = [
            Track(who, time[first:last], position[first:last], who in self._arrived)
            for first, last in pairwise(cuts)
            if first < last
            for who in [int(person[first])]
        ]
        tracks.sort(key=lambda track: (track.start_s, track.person))
        return Scene(
            name="square",
            source=f"simulator, {self.square.people} people, seed {self.seed}",
            kind="reactive",
            tracks=tuple(tracks),
            row_period_s=self.square.row_period_s,
            bounds=bounds_of(tracks),
            notes=("simulated with social forces, not recorded",),
        )

    def _settle(self) -> None:
        """Begin with people all over the square, a while before time 0."""
        period = self.square.row_period_s
        self._time = self._next_row = -_SETTLING_ROWS * period
        for _ in range(self.square.people):
            walk = self._draw_walk()
            place = walk.place + self._arrivals.random() * (walk.goal - walk.place)
            if self._is_clear(place, None):
                self._people.add(walk._replace(place=place))
        self._take_row(None)
        pieces = math.ceil(period / _LONGEST_STEP_S - _INSTANT)
        for _ in range(_SETTLING_ROWS * pieces):
            self._advance(period / pieces, None)
        # Many small steps do not add up to zero exactly, and the clock starts there.
        self._people.shift_time(-self._time)
        self._next_row -= self._time
        self._time = 0.0
        self._rows = [(0.0, ids, place) for _, ids, place in self._rows[-1:]]
        self._left.clear()

    def _advance(self, dt: float, robot: NDArray[np.float64] | None) -> None:
        """Walk for `dt` seconds (semi-implicit Euler); the tracker looks if it is time."""
        square, walking = self.square, self._people.walking
        if walking:
            position = self._people.position[:, :walking]
            velocity = self._people.velocity[:, :walking]
            speed = self._people.speed[:walking]
            way = self._people.goal[:, :walking] - position
            wanted = way * (speed / np.maximum(np.sqrt(way[0] ** 2 + way[1] ** 2), 1e-6))
            velocity += dt * accelerations(
                square.force,
                position,
                velocity,
                wanted,
                robot=robot,
                robot_radius_m=square.robot_radius_m,
            )
            chance = self._walking.standard_normal((2, walking))
            velocity += (square.force.noise * math.sqrt(dt)) * chance
            now = np.sqrt(velocity[0] ** 2 + velocity[1] ** 2)
            velocity *= np.minimum(1.0, square.force.fastest * speed / np.maximum(now, 1e-6))
            position += dt * velocity
        self._time += dt
        if self._time >= self._next_row - _INSTANT:
            self._take_row(robot)

    def _take_row(self, robot: NDArray[np.float64] | None) -> None:
        """Let the tracker look; only at these instants people enter, switch and leave."""
        people, period = self._people, self.square.row_period_s
        self._left += people.ids[people.walking :].tolist()
        arrivals = int(self._arrivals.poisson(self.square.arrivals_per_s * period))
        coming = self._waiting + [self._draw_walk() for _ in range(arrivals)]
        self._waiting = []
        for walk in coming:
            if self._is_clear(walk.place, robot):
                people.add(walk)
            else:  # somebody stands in the gate: wait for the next row
                self._waiting.append(walk)
        people.take_rows(self._time)
        self._rows.append((self._time, people.ids.copy(), people.position.T.copy()))
        self._new_rows = True
        periods = math.floor((self._time - self._next_row) / period + _INSTANT) + 1
        self._next_row += periods * period

        people.switch()
        way = people.goal - people.position
        arrived = way[0] ** 2 + way[1] ** 2 < self.square.arrival_m**2
        self._arrived.update(people.ids[arrived].tolist())
        people.leave(arrived)

    def _draw_walk(self) -> Walk:
        """Somebody new: from which gate, where to, how fast, and whether the mind changes."""
        square, rng = self.square, self._arrivals
        start = int(rng.integers(len(square.gates)))
        gate = square.another_gate(start, rng)
        second_gate = square.another_gate(gate, rng)
        place, goal = square.place_at(start, rng), square.place_at(gate, rng)
        switches = rng.random() < square.switching
        share = rng.uniform(0.3, 0.7)
        self._born += 1
        return Walk(
            person=self._born,
            place=place,
            gate=gate,
            goal=goal,
            second_gate=second_gate,
            second_goal=square.place_at(second_gate, rng),
            switch_at_m=share * float(np.hypot(*(goal - place))) if switches else -1.0,
            speed=square.liked_speed(rng),
        )

    def _is_clear(self, place: NDArray[np.float64], robot: NDArray[np.float64] | None) -> bool:
        """Whether nobody stands where somebody is about to enter."""
        away = self._people.position[:, : self._people.walking] - place[:, None]
        if (away[0] ** 2 + away[1] ** 2 < _CLEAR_M**2).any():
            return False
        return robot is None or math.dist(place, robot[:2]) > _CLEAR_M


def simulate_recording(
    duration_s: float, seed: int = 0, people: int | None = None, square: Square | None = None
) -> Scene:
    """Record the square without a robot, for motion models to learn from.

    Args:
        duration_s: length of the recording.
        seed: of the random numbers; take another one for the test.
        people: mean number on the square; None leaves it to `square`.
        square: where, how many, how they react; None is `Square()`.

    Raises:
        ConfigError: the duration is not a positive number.
    """
    if not (math.isfinite(duration_s) and duration_s > 0.0):
        raise ConfigError(f"duration_s must be a positive number, got {duration_s}")
    place = Square() if square is None else square
    if people is not None:
        place = replace(place, people=people)
    crowd = CrowdSimulator(place, seed)
    for _ in range(round(duration_s / _LONGEST_STEP_S)):
        crowd.step(_LONGEST_STEP_S)
    return crowd.recording()
