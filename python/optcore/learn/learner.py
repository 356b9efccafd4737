"""A robot that learns an environment by acting in it.

Each step: plan through one model drawn from the belief (posterior sampling), act, learn from what
came. Hyper-parameters are trained beside. A run repeats from its seed, and so does one that was
saved and resumed.

Source   Osband, Russo & Van Roy, NeurIPS (2013), and Strens, ICML (2000): posterior sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError
from optcore.learn.dynamics import Dynamics, SampledDynamics
from optcore.learn.knowledge import Knowledge
from optcore.learn.record import Episode, Record
from optcore.learn.tasks import Task
from optcore.learn.training import Verdict

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
        if seed < 0:
            raise ConfigError(f"seed: must not be negative, got {seed}")
        self.knowledge = Knowledge(task, low, high, self.config.capacity, self.config.novelty)
        self.decisions = sum(len(e.actions) for e in self.record.episodes)
        self._noise = np.zeros(len(low))
        if record is not None and record.episodes:
            self.knowledge.resume(record)

    def close(self) -> None:
        """End the threads that train."""
        self.knowledge.close()

    def __enter__(self) -> Learner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- an episode ---------------------------------------------------------------------------

    def episode(self, *, max_steps: int = 100_000) -> Episode:
        """Act and learn until the episode ends; it is added to the record.

        What the environment raises passes through: the steps until then are learnt, the episode is
        not recorded.

        Raises:
            ConfigError: an observation or a reward is not finite; max_steps is below 1.
        """
        if max_steps < 1:
            raise ConfigError(f"max_steps: need at least 1, got {max_steps}")
        knowledge, number = self.knowledge, len(self.record.episodes)
        rng = np.random.default_rng([self.seed, number])
        planner = None
        if knowledge.model is not None:
            planner = knowledge.planner(int(rng.integers(2**31)))
        drawn: SampledDynamics | None = None
        self._noise[:] = 0.0
        episode = Episode.start(self._reset(episode_seed(self.seed, number)))
        verdicts: list[Verdict] = []
        adopt_at = None
        over = False
        while not over and episode.steps < max_steps:
            source, seconds, cpu = "random", 0.0, 0.0
            if self._warming_up:
                u = self._smooth_random(rng)
            else:
                assert knowledge.model is not None
                if planner is None:
                    planner = knowledge.planner(int(rng.integers(2**31)))
                if drawn is None and self.config.models == "sample":
                    drawn = knowledge.model.draw(rng)
                elif drawn is not None:
                    drawn.follow()
                model: Dynamics = drawn or knowledge.model
                plan = planner.plan(model, knowledge.state(episode.last), knowledge.model)
                u, source = plan.u[0], plan.source
                seconds, cpu = plan.solve_time, plan.cpu_time
            foretold = knowledge.foretell(episode.last, u)
            came = self._hold(u)
            over = came.over
            episode.add(
                u, came.earned, came.after, came.steps, foretold, source, (seconds, cpu),
                came.terminated,
            )  # fmt: skip
            self._learn(episode)
            self.decisions += 1
            if self.decisions in self.config.train_at:
                knowledge.start_training()
                adopt_at = self.decisions + (self.config.adopt_after if knowledge.ready else 0)
            if adopt_at is not None and self.decisions >= adopt_at:
                verdicts += knowledge.finish_training()
                adopt_at = None
        verdicts += knowledge.finish_training()
        knowledge.start_training()
        verdicts += knowledge.finish_training()
        knowledge.tidy()
        paths = knowledge.paths(episode, self.config.draws, rng)
        episode.finish(verdicts, paths, 0 if knowledge.model is None else len(knowledge.model))
        self.record.episodes.append(episode)
        knowledge.remember(self.record)
        return episode

    def evaluate(self, seed: int, *, max_steps: int = 100_000) -> float:
        """Return of an episode with the mean of the belief, from which nothing is learnt."""
        model = self.knowledge.model
        if model is None or not self.knowledge.ready:
            raise ConfigError("evaluate: nothing was learnt yet; run an episode first")
        planner = self.knowledge.planner(seed)
        observation, total, steps, over = self._reset(seed), 0.0, 0, False
        while not over and steps < max_steps:
            came = self._hold(planner.plan(model, self.knowledge.state(observation), model).u[0])
            observation, over = came.after, came.over
            total, steps = total + came.earned, steps + came.steps
        return total

    # --- pieces -------------------------------------------------------------------------------

    @property
    def _warming_up(self) -> bool:
        return self.decisions < self.task.warm_up or not self.knowledge.ready

    def _smooth_random(self, rng: np.random.Generator) -> Array:
        """Inputs that wander: their effect adds up, where white noise's cancels."""
        self._noise = 0.8 * self._noise + 0.6 * rng.standard_normal(len(self.low))
        half, centre = 0.5 * (self.high - self.low), 0.5 * (self.high + self.low)
        return np.asarray(np.clip(centre + half * self._noise, self.low, self.high))

    def _reset(self, seed: int) -> Array:
        observation, _ = self.env.reset(seed=seed)
        return _finite(observation, 0.0, "reset")

    def _hold(self, u: Array) -> _Outcome:
        """Apply an input for as many steps as the task says, or until the episode ends."""
        action = np.asarray(u, self.env.action_space.dtype)
        earned, steps, over = 0.0, 0, False
        while steps < self.task.hold and not over:
            observation, reward, terminated, truncated, _ = self.env.step(action)
            after = _finite(observation, float(reward), "step")
            earned, steps = earned + float(reward), steps + 1
            over = bool(terminated or truncated)
        return _Outcome(after, earned, steps, bool(terminated), over)

    def _learn(self, episode: Episode) -> None:
        """From the last decision, and where angles must be found first, from all so far."""
        if self.knowledge.model is None:
            if self.decisions + 1 >= self.task.warm_up:
                self.knowledge.begin([*self.record.episodes, episode])
        elif episode.durations[-1] == self.task.hold:
            before, after = episode.observations[-2:]
            self.knowledge.observe(before, episode.actions[-1], episode.rewards[-1], after)


class _Outcome(NamedTuple):
    """What came of one decision."""

    after: Array  # (p,)
    earned: float
    steps: int
    terminated: bool
    over: bool


def _finite(observation: Any, reward: float, call: str) -> Array:
    seen = np.asarray(observation, np.float64)
    if not (np.isfinite(seen).all() and np.isfinite(reward)):
        raise ConfigError(
            f"env.{call}: need finite numbers, got observation {seen} and reward {reward}"
        )
    return seen


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
