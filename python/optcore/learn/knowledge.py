"""What a learner knows: motion, and where the task does not say them, angles and reward.

Source   Deisenroth & Rasmussen, PILCO, ICML (2011): one process for each state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError
from optcore.learn.coordinates import Coordinates, find_angles
from optcore.learn.dynamics import GPDynamics
from optcore.learn.planner import Planner
from optcore.learn.record import Episode, Record
from optcore.learn.regression import OnlineRegression
from optcore.learn.reward import LearntReward
from optcore.learn.tasks import Task
from optcore.learn.training import Trainer, Verdict
from optcore.learn.value import GridValue

__all__ = ["Knowledge"]

Array = NDArray[np.float64]


class Knowledge:
    """Models of one environment, and their training.

    Args:
        task: what is known beforehand.
        low, high: (nu,) bounds of the inputs.
        capacity, novelty: as for OnlineRegression.
    """

    def __init__(self, task: Task, low: Array, high: Array, capacity: int, novelty: float) -> None:
        self.task, self.low, self.high = task, low, high
        self._capacity, self._novelty = capacity, novelty
        self.model: GPDynamics | None = None  #: None: the angles are not known yet
        self.reward: LearntReward | None = None  #: None: the task says it
        self.value: GridValue | None = None
        self._trainers: dict[str, Trainer] = {}
        if task.coordinates is not None:
            self._begin(task.coordinates)

    def close(self) -> None:
        """End the threads that train."""
        for trainer in self._trainers.values():
            trainer.close()

    @property
    def ready(self) -> bool:
        """Whether it is enough to plan with."""
        return bool(self._regressions) and all(one.ready for one in self._regressions.values())

    def planner(self, seed: int) -> Planner:
        """For the task, with these models."""
        assert self.model is not None
        reward = self.task.reward or self.reward
        assert reward is not None
        return Planner(
            self.model.coordinates, self.low, self.high, reward, self.task.planner,
            quadratic=self.task.quadratic, ends=self.task.ends, value=self.value,
            limits=self.task.limits, seed=seed,
        )  # fmt: skip

    def state(self, observation: Array) -> Array:
        """(nx,) of (p,)."""
        assert self.model is not None
        return self.model.coordinates.state(observation)

    # --- learning -----------------------------------------------------------------------------

    def observe(self, before: Array, u: Array, earned: float, after: Array) -> None:
        """Take in one decision held to its end; observations (p,), inputs (nu,)."""
        assert self.model is not None
        x = self.state(before)
        self.model.observe(x, u, self.state(after))
        if self.reward is not None:
            self.reward.observe(x, u, earned)

    def begin(self, episodes: Sequence[Episode]) -> None:
        """Find the angles in what was observed so far, and learn all of it."""
        rows = np.vstack([episode.observations for episode in episodes])
        self._begin(Coordinates(rows.shape[1], find_angles(rows)))
        for episode in episodes:
            seen = episode.observations
            for k, held in enumerate(episode.durations):
                if held == self.task.hold:
                    self.observe(seen[k], episode.actions[k], episode.rewards[k], seen[k + 1])

    def start_training(self) -> None:
        """Begin to look for better hyper-parameters, beside whatever else is done."""
        for trainer in self._trainers.values():
            trainer.start()

    def finish_training(self) -> list[Verdict]:
        """Wait for what was begun, and adopt what is better."""
        verdicts = [
            replace(verdict, of=name)
            for name, trainer in self._trainers.items()
            for verdict in trainer.finish()
        ]
        if verdicts:
            self._solve()
        return verdicts

    def tidy(self) -> None:
        """Factor anew: what a resumed run will start from."""
        for regression in self._regressions.values():
            if regression.ready:
                regression.adopt(regression.hyper)

    # --- telling ------------------------------------------------------------------------------

    def foretell(self, observation: Array, u: Array) -> tuple[Array, Array] | None:
        """Mean and variance (nx,) of the next state; None: nothing is known yet."""
        if self.model is None or not self.model.ready:
            return None
        mean, variance = self.model.predict(self.state(observation)[None], u[None])
        return mean[0], variance[0] + self.model.changes.noise

    def paths(self, episode: Episode, draws: int, rng: np.random.Generator) -> Array:
        """(draws, T + 1, nx) where models of the belief go under the inputs of an episode."""
        if self.model is None or not self.model.ready:
            return np.empty((0, 0, 0))
        u = np.array(episode.actions)
        paths = np.empty((draws, len(u) + 1, self.model.nx))
        paths[:, 0] = self.state(episode.observations[0])
        for path in paths:
            drawn = self.model.draw(rng)
            for k in range(len(u)):
                path[k + 1] = drawn.step(path[k : k + 1], u[k : k + 1])[0]
        return paths

    # --- from run to run ----------------------------------------------------------------------

    def remember(self, record: Record) -> None:
        """Write into a record what is known."""
        if self.model is None:
            return
        record.angles = self.model.coordinates.angles
        record.learnt = {
            name: (regression.hyper, *regression.points(), regression.seen)
            for name, regression in self._regressions.items()
        }

    def resume(self, record: Record) -> None:
        """Know what was known at the end of a recorded run.

        Raises:
            ConfigError: the record is of another task.
        """
        if not record.learnt:
            return
        if self.model is None:
            self._begin(Coordinates(len(record.episodes[0].observations[0]), record.angles))
        if set(record.learnt) != set(self._regressions):
            raise ConfigError(
                f"record: learnt {', '.join(record.learnt)}, this task needs "
                f"{', '.join(self._regressions)}"
            )
        for name, regression in self._regressions.items():
            regression.restore(*record.learnt[name])
        self._solve()

    # --- inside -------------------------------------------------------------------------------

    @property
    def _regressions(self) -> dict[str, OnlineRegression]:
        found = {} if self.model is None else {"motion": self.model.changes}
        return found if self.reward is None else {**found, "reward": self.reward.regression}

    def _begin(self, coordinates: Coordinates) -> None:
        task, nu = self.task, len(self.low)
        self.model = GPDynamics(coordinates, nu, capacity=self._capacity, novelty=self._novelty)
        if task.reward is None:
            self.reward = LearntReward(coordinates, nu, self._capacity, self._novelty)
        self._trainers = {name: Trainer(one) for name, one in self._regressions.items()}
        if task.grid is not None:
            assert task.reward is not None
            self.value = GridValue(
                task.grid, coordinates, self.low, self.high, task.reward, task.ends
            )

    def _solve(self) -> None:
        if self.value is not None and self.model is not None and self.model.ready:
            self.value.update(self.model)
