"""The scene that both control loops drive through: how people move, and where they are seen.

Shapes   P people, G goals (hypotheses H = G + 1 with constant velocity), n points per goal.
Units    metres, seconds, metres per second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# One cycle of the loop and one stage of the plan; everything else is optcore's default.
PERIOD_S = 0.1
STAGE_S = 0.2
STAGES = 20


@dataclass(frozen=True)
class MotionArrays:
    """What both sides know of people, under the names of optcore.loop.MotionModel."""

    goals: Floats  # (G, 2)
    prior: Floats  # (G,)
    offsets: NDArray[np.int64]  # (G + 1,)
    points: Floats  # (G n, 4)
    targets: Floats  # (G n, 2)
    noise: Floats  # (G n,)
    count: Floats  # (G n,)
    length_scale: Floats  # (4,)
    signal_variance: float
    betas: Floats  # (B,)
    beta_prior: Floats  # (B,)
    temper: float
    epsilon: float
    switching: float
    cv_weight: float
    belief_period: float
    spread_lag: Floats  # (L,)
    spread_along: Floats  # (2, L)
    spread_across: Floats  # (2, L)
    cap: float
    variance_stride: int

    def field(self, g: int) -> slice:
        """Rows of goal g."""
        return slice(int(self.offsets[g]), int(self.offsets[g + 1]))


@dataclass(frozen=True)
class Scene:
    """Inputs of every cycle: the robot commutes between two goals and people cross its way."""

    model: MotionArrays
    ids: NDArray[np.int64]  # (P,)
    people: Floats  # (C, P, 2), where everybody is seen in each cycle
    start: Floats  # (2,)
    goal: Floats  # (2,)

    @property
    def cycles(self) -> int:
        return len(self.people)


def make_model(goals: int, points: int, random: np.random.Generator) -> MotionArrays:
    """People who bend towards their goal: `points` noisy samples of that, per goal."""
    angle = 2 * np.pi * np.arange(goals) / goals + 0.3
    where = 9.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    states, changes, counts = [], [], []
    for goal in where:
        position = random.uniform(-7.0, 7.0, (points, 2))
        towards = goal - position
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        speed = random.uniform(0.8, 1.5, (points, 1))
        velocity = speed * towards + 0.25 * random.standard_normal((points, 2))
        states.append(np.hstack([position, velocity]))
        change = 0.3 * (1.2 * towards - velocity)
        changes.append(change + 0.05 * random.standard_normal((points, 2)))
        counts.append(random.integers(1, 9, points).astype(np.float64))
    count = np.concatenate(counts)
    lag = 0.4 * np.arange(1.0, 13.0)
    return MotionArrays(
        goals=where,
        prior=np.full(goals, 1.0 / goals),
        offsets=points * np.arange(goals + 1),
        points=np.concatenate(states),
        targets=np.concatenate(changes),
        noise=0.25**2 / count,
        count=count,
        length_scale=np.array([2.0, 2.0, 0.5, 0.5]),
        signal_variance=0.15**2,
        betas=np.array([0.5, 1.0, 2.0]),
        beta_prior=np.full(3, 1.0 / 3.0),
        temper=0.15,
        epsilon=0.01,
        switching=0.02,
        cv_weight=0.3,
        belief_period=0.4,
        spread_lag=lag,
        spread_along=np.stack([0.05 + 0.18 * lag, 0.05 + 0.22 * lag]),
        spread_across=np.stack([0.05 + 0.12 * lag, 0.05 + 0.16 * lag]),
        cap=1.0,
        variance_stride=5,
    )


def make_scene(people: int, hypotheses: int, *, points: int = 200, cycles: int = 500) -> Scene:
    """`people` walking to and fro across the robot's way on gently curved paths."""
    random = np.random.default_rng(7)
    model = make_model(hypotheses - 1, points, random)
    time = PERIOD_S * np.arange(cycles)[:, None]
    half = 5.0 + 1.5 * random.random(people)  # half of the way walked
    speed = random.uniform(0.9, 1.4, people)
    phase = random.uniform(0.0, 4.0, people)
    triangle = np.abs((time * speed / (2 * half) + phase) % 2.0 - 1.0)  # 1 .. 0 .. 1
    along = half * (2.0 * triangle - 1.0)
    aside = np.linspace(-4.0, 4.0, people) + 0.6 * np.sin(0.35 * time + 2.0 * phase)
    turn = random.uniform(-0.5, 0.5, people)
    x = aside * np.cos(turn) - along * np.sin(turn)
    y = aside * np.sin(turn) + along * np.cos(turn)
    return Scene(
        model=model,
        ids=np.arange(100, 100 + people),
        people=np.stack([x, y], axis=2),
        start=np.array([-6.0, 0.0]),
        goal=np.array([6.0, 0.0]),
    )
