"""Environments with finitely many states: posterior sampling over whole processes.

The record holds every transition; a resumed run conditions on them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._files import read_npz, replace_file
from optcore.belief.learning import PSRL, DirichletMDP
from optcore.errors import ConfigError

__all__ = ["FiniteLearner", "FiniteRecord", "is_finite"]

_FORMAT, _VERSION = "optcore.learn.finite", 1


def is_finite(env: Any) -> bool:
    """Whether observations and actions are Discrete."""
    return all(
        hasattr(space, "n") and np.ndim(space.n) == 0
        for space in (env.observation_space, env.action_space)
    )


@dataclass
class FiniteRecord:
    """A run of E episodes over S states and A actions."""

    task: str
    seed: int
    returns: NDArray[np.float64]  #: (E,) undiscounted
    lengths: NDArray[np.int64]  #: (E,)
    transitions: NDArray[np.float64]  #: (steps, 5): state, action, reward, next state, terminal
    visits: NDArray[np.int64]  #: (S, A)
    policy: NDArray[np.int64]  #: (S,) best for the mean of the belief

    def save(self, path: str | Path) -> None:
        """Write one npz file without pickle, whole or not at all."""
        arrays = {name: value for name, value in vars(self).items() if name != "task"}
        replace_file(
            path,
            lambda file: np.savez_compressed(
                file, format=_FORMAT, version=np.array(_VERSION), task=np.array(self.task), **arrays
            ),
        )

    @classmethod
    def load(cls, path: str | Path) -> FiniteRecord:
        """Read what save() wrote.

        Raises:
            ConfigError: missing, damaged, another kind of file or of another version.
        """
        found = read_npz(path, "a record of optcore learn")
        kind = str(found.get("format")), str(found.get("version"))
        if kind != (_FORMAT, str(_VERSION)):
            raise ConfigError(f"{path}: not a record of a finite environment, version {_VERSION}")
        try:
            return cls(
                str(found["task"]), int(found["seed"]), found["returns"], found["lengths"],
                found["transitions"], found["visits"], found["policy"],
            )  # fmt: skip
        except (KeyError, ValueError) as error:
            raise ConfigError(f"{path}: damaged: {error}") from None


class FiniteLearner:
    """PSRL on a Gymnasium environment.

    Args:
        env: with Discrete observations and actions.
        name: of the environment, for the record.
        discount: in [0, 1).
        seed: of everything.
        record: an earlier run to go on from.
        options: of DirichletMDP.
    """

    def __init__(
        self,
        env: Any,
        name: str,
        *,
        discount: float = 0.99,
        seed: int = 0,
        record: FiniteRecord | None = None,
        **options: Any,
    ) -> None:
        if not is_finite(env):
            raise ConfigError(f"env: need Discrete spaces, got {env.observation_space}")
        self.env, self.name, self.seed = env, name, seed
        self._first = int(getattr(env.observation_space, "start", 0))
        self._first_action = int(getattr(env.action_space, "start", 0))
        states, actions = int(env.observation_space.n), int(env.action_space.n)
        # one more state: where an episode that ended stays, earning nothing
        self._end = states
        self.model = DirichletMDP(states + 1, actions, discount=discount, **options)
        self.model.set_final(states)
        self._returns: list[float] = []
        self._lengths: list[int] = []
        self._rows: list[tuple[float, ...]] = []
        if record is not None:
            if record.task != name or record.seed != seed:
                raise ConfigError(
                    f"record: of {record.task!r} with seed {record.seed}, not {name!r}, {seed}"
                )
            self._returns, self._lengths = record.returns.tolist(), record.lengths.tolist()
            for row in record.transitions.tolist():
                self._observe(row)

    def episode(self, *, max_steps: int = 100_000) -> float:
        """Act and learn until the episode ends; its return."""
        number = len(self._returns)
        seeds = np.random.SeedSequence([self.seed, number]).generate_state(2)
        observation, _ = self.env.reset(seed=int(seeds[0]))
        agent = PSRL(self.model, seed=int(seeds[1]))
        state, total, steps, over = int(observation) - self._first, 0.0, 0, False
        while not over and steps < max_steps:
            action = agent.act(state)
            observation, reward, terminated, truncated, _ = self.env.step(
                action + self._first_action
            )
            after = int(observation) - self._first
            self._observe((state, action, float(reward), after, float(terminated)))
            state, total, steps = after, total + float(reward), steps + 1
            over = bool(terminated or truncated)
        self._returns.append(total)
        self._lengths.append(steps)
        return total

    @property
    def record(self) -> FiniteRecord:
        """All so far."""
        return FiniteRecord(
            self.name,
            self.seed,
            np.array(self._returns),
            np.array(self._lengths, np.int64),
            np.array(self._rows, np.float64).reshape(-1, 5),
            self.model.visits[:-1].copy(),
            self.model.policy_iteration().policy[:-1],
        )

    def _observe(self, row: Any) -> None:
        state, action, reward, after, terminal = row
        following = self._end if terminal else int(after)
        self.model.observe(int(state), int(action), reward, following)
        self._rows.append(tuple(row))
