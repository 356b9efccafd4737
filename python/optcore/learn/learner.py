"""A robot that learns an environment by acting in it.

Each step: plan through one model drawn from the belief (posterior sampling), act, learn from what
came. Hyper-parameters are trained beside. A run repeats from its seed, and so does one that was
saved and resumed.

Source   Osband, Russo & Van Roy, NeurIPS (2013), and Strens, ICML (2000): posterior sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError
from optcore.learn.coordinates import Coordinates, find_angles
from optcore.learn.dynamics import Dynamics, GPDynamics, SampledDynamics
from optcore.learn.planner import Planner
from optcore.learn.record import Episode, Record
from optcore.learn.reward import LearntReward
from optcore.learn.tasks import Task
from optcore.learn.training import Trainer, Verdict
from optcore.learn.value import GridValue

__all__ = ["Learner", "LearnerConfig"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LearnerConfig:
    """How to learn."""

    models: Literal["sample", "mean"] = "sample"
    """plan with one model drawn from the belief for each episode, or with its mean"""
    capacity: int = 400  #: points kept at most
    novelty: float = 1.0  #: see OnlineRegression
    train_at: tuple[int, ...] = (15, 30, 60, 100, 200, 400, 800)
    """decisions, counted over all episodes, at which training begins; also after each episode"""
    adopt_after: int = 5  #: decisions from the begin of a training to its adoption
    draws: int = 8  #: models drawn after each episode to show the belief

    def __post_init__(self) -> None:
        if self.models not in ("sample", "mean"):
            raise ConfigError(f"models: need 'sample' or 'mean', got {self.models!r}")
        if self.adopt_after < 0 or self.draws < 1:
            raise ConfigError("need adopt_after >= 0 and draws >= 1")


class Learner:
    """Learns one environment.

    Args:
        env: a Gymnasium environment with box observations (p,) and a bounded box of actions (nu,).
        task: what is known of it; see optcore.learn.tasks.
        config: how to learn.
        seed: of everything.
        record: an earlier run to go on from; its task, config and seed must be the same.

    Raises:
        ConfigError: spaces of another kind.
    """

    def __init__(
        self,
        env: Any,
        task: Task,
        config: LearnerConfig | None = None,
        *,
        seed: int = 0,
        record: Record | None = None,
    ) -> None:
        self.env, self.task, self.config, self.seed = env, task, config or LearnerConfig(), seed
        low, high = _box(env)
        self.low, self.high = low, high
        self.record = record or Record(task.name, seed)
        if self.record.task != task.name or self.record.seed != seed:
            raise ConfigError(
                f"record: of {self.record.task!r} with seed {self.record.seed}, "
                f"not {task.name!r} with seed {seed}"
            )
        self.trainers: list[Trainer] = []
        self.model: GPDynamics | None = None
        self.reward: LearntReward | None = None
        self.value: GridValue | None = None
        self.decisions = sum(len(e.actions) for e in self.record.episodes)
        self._noise = np.zeros(len(low))
        if task.coordinates is not None:
            self._begin(task.coordinates)
        if record is not None and record.episodes:
            self._resume(record)

    def close(self) -> None:
        """End the threads that train."""
        for trainer in self.trainers:
            trainer.close()

    def __enter__(self) -> Learner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- an episode ---------------------------------------------------------------------------

    def episode(self, *, max_steps: int = 100_000) -> Episode:
        """Act and learn until the episode ends; it is added to the record."""
        number = len(self.record.episodes)
        rng = np.random.default_rng([self.seed, number])
        planner = self._planner(int(rng.integers(2**31))) if self.model is not None else None
        drawn: SampledDynamics | None = None
        observation, _ = self.env.reset(seed=episode_seed(self.seed, number))
        episode = Episode.start(np.asarray(observation, np.float64))
        verdicts: list[Verdict] = []
        adopt_at = None
        over = False
        while not over and episode.steps < max_steps:
            source, seconds, cpu = "random", 0.0, 0.0
            if self._warming_up:
                u = self._smooth_random(rng)
            else:
                assert self.model is not None
                if planner is None:
                    planner = self._planner(int(rng.integers(2**31)))
                if drawn is None and self.config.models == "sample":
                    drawn = self.model.draw(rng)
                elif drawn is not None:
                    drawn.follow()
                model: Dynamics = drawn or self.model
                plan = planner.plan(model, self._state(episode.last), self.model)
                u, source = plan.u[0], plan.source
                seconds, cpu = plan.solve_time, plan.cpu_time
            foretold = self._foretell(episode.last, u)
            earned, steps = 0.0, 0
            for _ in range(self.task.hold):
                action = np.asarray(u, self.env.action_space.dtype)
                observation, reward, terminated, truncated, _ = self.env.step(action)
                earned, steps = earned + float(reward), steps + 1
                over = bool(terminated or truncated)
                if over:
                    break
            after = np.asarray(observation, np.float64)
            whole = steps == self.task.hold
            episode.add(u, earned, after, steps, foretold, source, (seconds, cpu), bool(terminated))
            if whole:
                self._learn(episode, u, earned, after)
            self.decisions += 1
            if self.decisions in self.config.train_at:
                self._start_training()
                adopt_at = self.decisions + (self.config.adopt_after if self._ready else 0)
            if adopt_at is not None and self.decisions >= adopt_at:
                verdicts += self._finish_training()
                adopt_at = None
        verdicts += self._finish_training()
        if self.model is not None:
            self._start_training()
            verdicts += self._finish_training()
            self._tidy()
        episode.finish(verdicts, *self._belief(episode, rng))
        self.record.episodes.append(episode)
        self._remember()
        return episode

    def evaluate(self, seed: int, *, max_steps: int = 100_000) -> float:
        """Return of an episode with the mean of the belief, from which nothing is learnt."""
        if self.model is None or not self.model.ready:
            raise ConfigError("evaluate: nothing was learnt yet; run an episode first")
        planner = self._planner(seed)
        observation, _ = self.env.reset(seed=seed)
        total, steps, over = 0.0, 0, False
        while not over and steps < max_steps:
            u = planner.plan(self.model, self._state(np.asarray(observation)), self.model).u[0]
            for _ in range(self.task.hold):
                action = np.asarray(u, self.env.action_space.dtype)
                observation, reward, terminated, truncated, _ = self.env.step(action)
                total, steps = total + float(reward), steps + 1
                over = bool(terminated or truncated)
                if over:
                    break
        return total

    # --- pieces -------------------------------------------------------------------------------

    @property
    def _ready(self) -> bool:
        learnt = self.reward is None or self.reward.regression.ready
        return self.model is not None and self.model.ready and learnt

    @property
    def _warming_up(self) -> bool:
        return self.decisions < self.task.warm_up or not self._ready

    def _begin(self, coordinates: Coordinates) -> None:
        config = self.config
        self.model = GPDynamics(
            coordinates, len(self.low), capacity=config.capacity, novelty=config.novelty
        )
        self.trainers = [Trainer(self.model.changes)]
        if self.task.reward is None:
            self.reward = LearntReward(coordinates, len(self.low), config.capacity, config.novelty)
            self.trainers.append(Trainer(self.reward.regression))
        if self.task.grid is not None:
            assert self.task.reward is not None
            self.value = GridValue(
                self.task.grid, coordinates, self.low, self.high, self.task.reward, self.task.ends
            )

    def _planner(self, seed: int) -> Planner:
        assert self.model is not None
        reward = self.task.reward or self.reward
        assert reward is not None
        return Planner(
            self.model.coordinates, self.low, self.high, reward, self.task.planner,
            quadratic=self.task.quadratic, ends=self.task.ends, value=self.value,
            limits=self.task.limits, seed=seed,
        )  # fmt: skip

    def _smooth_random(self, rng: np.random.Generator) -> Array:
        """Inputs that wander: their effect adds up, where white noise's cancels."""
        self._noise = 0.8 * self._noise + 0.6 * rng.standard_normal(len(self.low))
        half, centre = 0.5 * (self.high - self.low), 0.5 * (self.high + self.low)
        return np.asarray(np.clip(centre + half * self._noise, self.low, self.high))

    def _state(self, observation: Array) -> Array:
        assert self.model is not None
        return self.model.coordinates.state(observation)

    def _foretell(self, observation: Array, u: Array) -> tuple[Array, Array] | None:
        """Mean and variance (nx,) of the next state, before it is known."""
        if self.model is None or not self.model.ready:
            return None
        mean, variance = self.model.predict(self._state(observation)[None], u[None])
        return mean[0], variance[0] + self.model.changes.noise

    def _learn(self, episode: Episode, u: Array, earned: float, after: Array) -> None:
        if self.model is None:
            if self.decisions + 1 < self.task.warm_up:
                return
            rows = np.array(episode.observations)
            self._begin(Coordinates(rows.shape[1], find_angles(rows)))
            for k in range(len(episode.actions)):
                self._learn_row(rows[k], episode.actions[k], episode.rewards[k], rows[k + 1])
            return
        self._learn_row(episode.observations[-2], u, earned, after)

    def _learn_row(self, before: Array, u: Array, earned: float, after: Array) -> None:
        assert self.model is not None
        x = self._state(before)
        self.model.observe(x, u, self._state(after))
        if self.reward is not None:
            self.reward.observe(x, u, earned)

    def _start_training(self) -> None:
        for trainer in self.trainers:
            trainer.start()

    def _finish_training(self) -> list[Verdict]:
        verdicts: list[Verdict] = []
        names = ("motion", "reward")
        for name, trainer in zip(names, self.trainers, strict=False):
            verdicts += [replace(verdict, of=name) for verdict in trainer.finish()]
        if verdicts and self.value is not None and self.model is not None and self.model.ready:
            self.value.update(self.model)
        return verdicts

    def _tidy(self) -> None:
        """Factor anew: what a resumed run will start from."""
        assert self.model is not None
        for regression in self._regressions():
            if regression.ready:
                regression.adopt(regression.hyper)

    def _regressions(self) -> list[Any]:
        assert self.model is not None
        return [self.model.changes, *([self.reward.regression] if self.reward else [])]

    def _belief(self, episode: Episode, rng: np.random.Generator) -> tuple[Array, int]:
        """(draws, T + 1, nx) where models of the belief go under the inputs applied; points."""
        if self.model is None or not self.model.ready:
            return np.empty((0, 0, 0)), 0
        x0 = self._state(episode.observations[0])
        u = np.array(episode.actions)
        paths = np.empty((self.config.draws, len(u) + 1, self.model.nx))
        paths[:, 0] = x0
        for s in range(self.config.draws):
            drawn = self.model.draw(rng)
            for k in range(len(u)):
                paths[s, k + 1] = drawn.step(paths[s, k : k + 1], u[k : k + 1])[0]
        return paths, len(self.model)

    def _remember(self) -> None:
        if self.model is None:
            return
        self.record.angles = self.model.coordinates.angles
        self.record.learnt = {
            name: (regression.hyper, *regression.points(), regression.seen)
            for name, regression in zip(("motion", "reward"), self._regressions(), strict=False)
        }

    def _resume(self, record: Record) -> None:
        if not record.learnt:
            return
        if self.model is None:
            self._begin(Coordinates(len(record.episodes[0].observations[0]), record.angles))
        for name, regression in zip(("motion", "reward"), self._regressions(), strict=False):
            regression.restore(*record.learnt[name])
        assert self.model is not None
        if self.value is not None and self.model.ready:
            self.value.update(self.model)


def episode_seed(seed: int, number: int) -> int:
    """Of the environment's reset in one episode."""
    return int(np.random.SeedSequence([seed, number, 1]).generate_state(1)[0])


def _box(env: Any) -> tuple[Array, Array]:
    seen, acts = env.observation_space, env.action_space
    for name, space in (("observations", seen), ("actions", acts)):
        if not hasattr(space, "low") or len(np.shape(space.low)) != 1:
            raise ConfigError(f"env: need a Box of {name} in one dimension, got {space}")
    low, high = np.asarray(acts.low, np.float64), np.asarray(acts.high, np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ConfigError(f"env: need bounded actions, got {acts}")
    return low, high
