"""PSRL and Bayesian Q-learning on Gymnasium environments with finitely many states and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optcore.belief.learning.bayesian_q import BayesianQ
from optcore.belief.learning.dirichlet_mdp import DirichletMDP
from optcore.belief.learning.psrl import PSRL
from optcore.errors import ConfigError, MissingDependency

__all__ = ["GymnasiumAgent", "Training"]


@dataclass(frozen=True)
class Training:
    """What a run of episodes brought."""

    returns: NDArray[np.float64]  #: (episodes,) undiscounted sum of rewards
    lengths: NDArray[np.int64]  #: (episodes,) steps


class GymnasiumAgent:
    """Learns an environment by acting in it.

    Args:
        env: an environment, or the name of one (needs the package gymnasium). Observations and
            actions must be Discrete.
        method: "psrl" learns a model and replans; "bayesian_q" learns values alone.
        discount: in [0, 1).
        seed: of the agent, and of the environment's first reset.
        options: further arguments of `DirichletMDP` or `BayesianQ`.

    Example:
        agent = GymnasiumAgent("FrozenLake-v1", method="psrl", discount=0.99)
        training = agent.train(episodes=500)
        score = agent.evaluate(episodes=100)
    """

    def __init__(
        self,
        env: Any,
        *,
        method: Literal["psrl", "bayesian_q"] = "psrl",
        discount: float = 0.99,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if isinstance(env, str):
            try:
                import gymnasium
            except ImportError as error:
                raise MissingDependency(
                    "GymnasiumAgent: pip install 'optcore[gymnasium]'"
                ) from error
            env = gymnasium.make(env)
        spaces = {"observation_space": "observations", "action_space": "actions"}
        sizes = []
        for name, what in spaces.items():
            space: Any = getattr(env, name, None)
            if not hasattr(space, "n") or np.ndim(space.n) != 0:
                raise ConfigError(f"env: need Discrete {what}, got {space}")
            sizes.append((int(space.n), int(getattr(space, "start", 0))))
        (states, self._first_state), (actions, self._first_action) = sizes
        self.env = env
        self._seed: int | None = seed
        self.learner: PSRL | BayesianQ
        if method == "psrl":
            # One more state: where an episode that ended stays, earning nothing.
            model = DirichletMDP(states + 1, actions, discount=discount, **options)
            model.set_final(states)
            self._end = states
            self.learner = PSRL(model, seed=seed)
        elif method == "bayesian_q":
            self._end = 0
            self.learner = BayesianQ(states, actions, discount=discount, seed=seed, **options)
        else:
            raise ConfigError(f"method: need 'psrl' or 'bayesian_q', got {method!r}")

    @property
    def policy(self) -> NDArray[np.int64]:
        """(S,) what the agent thinks best now, without exploring."""
        if isinstance(self.learner, BayesianQ):
            return self.learner.policy
        return self.learner.model.policy_iteration(start=self.learner.policy).policy[: self._end]

    def train(self, episodes: int, *, max_steps: int = 10_000) -> Training:
        """Act, explore and learn."""
        return self._run(episodes, max_steps, None)

    def evaluate(self, episodes: int, *, max_steps: int = 10_000) -> Training:
        """Act by the best policy known; learns nothing."""
        return self._run(episodes, max_steps, self.policy)

    def _run(self, episodes: int, max_steps: int, fixed: NDArray[np.int64] | None) -> Training:
        returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
        for episode in range(episodes):
            observation, _ = self.env.reset(seed=self._seed)
            self._seed = None  # later episodes go on with the environment's own generator
            state = int(observation) - self._first_state
            if fixed is None and isinstance(self.learner, PSRL) and episode:
                self.learner.resample()
            for _ in range(max_steps):
                action = self.learner.act(state) if fixed is None else int(fixed[state])
                step = self.env.step(action + self._first_action)
                observation, reward, terminated, truncated, _ = step
                after = int(observation) - self._first_state
                if fixed is None:
                    self._learn(state, action, float(reward), after, bool(terminated))
                returns[episode] += float(reward)
                lengths[episode] += 1
                state = after
                if terminated or truncated:
                    break
        return Training(returns, lengths)

    def _learn(self, state: int, action: int, reward: float, after: int, terminal: bool) -> None:
        if isinstance(self.learner, BayesianQ):
            self.learner.observe(state, action, reward, after, terminal=terminal)
        else:
            self.learner.observe(state, action, reward, self._end if terminal else after)
