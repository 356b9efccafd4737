"""Regret in finite environments: PSRL beside Q-learning and UCRL2, in one run.

Regret of an episode is the optimal expected return within the time limit, from the environment's
own tables, less the return earned; sums are averaged over seeds.

Source   Watkins & Dayan, Machine Learning 8 (1992); Jaksch, Ortner & Auer, "Near-optimal regret
         bounds for reinforcement learning", JMLR 11 (2010), figures 1 and 2 (UCRL2, its extended
         value iteration), with rewards scaled to [0, 1] and an end leading back to a start.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optcore.learn import make_environment
from optcore.learn.finite import FiniteLearner

__all__ = ["compare"]

Array = NDArray[np.float64]
# episodes, and the spread of rewards (UCRL2 needs it)
CASES: dict[str, tuple[int, float, float]] = {
    "RiverSwim": (500, 0.0, 1.0),
    "FrozenLake-v1": (2000, 0.0, 1.0),
    "Taxi-v3": (400, -10.0, 20.0),
}
UCRL2_SEEDS = {"Taxi-v3": 1}  # minutes a seed


class Peer(Protocol):
    def act(self, state: int) -> int: ...
    def observe(self, s: int, a: int, reward: float, after: int, end: bool) -> None: ...


class QLearning:
    """Epsilon-greedy, epsilon falling to `floor`."""

    def __init__(self, S: int, A: int, seed: int, rate: float, floor: float) -> None:
        self.Q, self.rng = np.zeros((S, A)), np.random.default_rng(seed)
        self.rate, self.floor, self.steps = rate, floor, 0

    def act(self, state: int) -> int:
        self.steps += 1
        if self.rng.random() < max(self.floor, 1.0 / np.sqrt(self.steps)):
            return int(self.rng.integers(self.Q.shape[1]))
        row = self.Q[state]
        return int(self.rng.choice(np.flatnonzero(row == row.max())))

    def observe(self, s: int, a: int, reward: float, after: int, end: bool) -> None:
        goal = reward + (0.0 if end else 0.99 * self.Q[after].max())
        self.Q[s, a] += self.rate * (goal - self.Q[s, a])


class UCRL2:
    """Optimism over a ball of processes about the counts, replanned when a count doubles."""

    def __init__(self, S: int, A: int, low: float, high: float, delta: float = 0.05) -> None:
        self.S, self.A, self.low, self.range, self.delta = S, A, low, high - low, delta
        self.counts, self.sums = np.zeros((S, A, S)), np.zeros((S, A))
        self.within, self.t = np.zeros((S, A)), 1
        self.u = np.zeros(S)
        self.plan()

    def plan(self) -> None:
        n = self.counts.sum(axis=2)
        many = np.maximum(n, 1.0)
        width = np.log(2 * self.S * self.A * self.t / self.delta)
        reward = np.minimum(self.sums / many + np.sqrt(3.5 * width / many), 1.0)
        radius = np.sqrt(14 * self.S * np.log(2 * self.A * self.t / self.delta) / many)
        p = np.where(n[..., None] > 0, self.counts / many[..., None], 1.0 / self.S)
        for _ in range(2000):
            q = reward + self._best(p, radius, self.u)
            new = q.max(axis=1)
            change = new - self.u
            self.u = new - new.min()
            if np.ptp(change) < 1.0 / np.sqrt(self.t):
                break
        self.policy, self.before = q.argmax(axis=1), many
        self.within[:] = 0

    def _best(self, p: Array, radius: Array, u: Array) -> Array:
        """(S, A) the largest expectation of u over the ball."""
        order = np.argsort(-u)
        sorted_p, values = p[..., order].copy(), u[order]
        sorted_p[..., 0] = np.minimum(1.0, sorted_p[..., 0] + radius / 2)
        # take the surplus from the worst states first
        from_best = np.minimum(np.cumsum(sorted_p, axis=2), 1.0)
        return np.asarray(np.diff(from_best, axis=2, prepend=0.0) @ values)

    def act(self, state: int) -> int:
        return int(self.policy[state])

    def observe(self, s: int, a: int, reward: float, after: int, end: bool) -> None:
        self.counts[s, a, after] += 1
        self.sums[s, a] += (reward - self.low) / self.range
        self.within[s, a] += 1
        self.t += 1
        if self.within[s, a] >= self.before[s, a]:
            self.plan()


def tables(name: str) -> tuple[Array, Array, Array, Array, int]:
    """(S, A, S) transitions, (S, A) mean rewards, (S, A, S) ends, (S,) starts, time limit."""
    env = make_environment(name)
    if name == "RiverSwim":
        T, R = env.transitions, env.rewards
        return T, R, np.zeros_like(T), np.eye(len(T))[0], 20
    world = env.unwrapped
    S, A = int(env.observation_space.n), int(env.action_space.n)
    T, R, ends = np.zeros((S, A, S)), np.zeros((S, A)), np.zeros((S, A, S))
    for s in range(S):
        for a in range(A):
            for p, after, reward, over in world.P[s][a]:
                T[s, a, after] += p
                R[s, a] += p * reward
                ends[s, a, after] += p * over
    return T, R, ends, np.asarray(world.initial_state_distrib), env.spec.max_episode_steps


def optimum(name: str) -> float:
    """Optimal expected return of an episode."""
    T, R, ends, starts, limit = tables(name)
    V = np.zeros(len(R))
    for _ in range(limit):
        V = (R + (T - ends) @ V).max(axis=1)
    return float(starts @ V)


def run_peer(name: str, peer: Peer, episodes: int, seed: int) -> Array:
    """(episodes,) returns."""
    env = make_environment(name)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        seeds = np.random.SeedSequence([seed, episode]).generate_state(2)
        observation, _ = env.reset(seed=int(seeds[0]))
        state, over = int(observation), False
        while not over:
            action = peer.act(state)
            observation, reward, terminated, truncated, _ = env.step(action)
            over = bool(terminated or truncated)
            after = int(observation)
            if terminated and isinstance(peer, UCRL2):
                after = int(env.reset(seed=int(seeds[1]))[0])  # its process never ends
            peer.observe(state, action, float(reward), after, bool(terminated))
            returns[episode] += float(reward)
            state = int(observation)
    return returns


def compare(seeds: Sequence[int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, (episodes, low, high) in CASES.items():
        best = optimum(name)
        S, A = tables(name)[1].shape
        curves: dict[str, list[Array]] = {}
        spent: dict[str, float] = {}

        def note(who: str, returns: Array, since: float, best: float = best) -> None:
            curves.setdefault(who, []).append(np.cumsum(best - returns))  # noqa: B023
            spent[who] = spent.get(who, 0.0) + time.process_time() - since  # noqa: B023

        for seed in seeds:
            since = time.process_time()
            learner = FiniteLearner(make_environment(name), name, seed=seed)
            note("optcore PSRL", np.array([learner.episode() for _ in range(episodes)]), since)
            for rate, floor in ((0.1, 0.1), (0.1, 0.01), (0.5, 0.01)):
                since = time.process_time()
                peer = QLearning(S, A, seed, rate, floor)
                label = f"Q-learning, rate {rate}, epsilon {floor}"
                note(label, run_peer(name, peer, episodes, seed), since)
            if seed < seeds[0] + UCRL2_SEEDS.get(name, len(seeds)):
                since = time.process_time()
                note("UCRL2", run_peer(name, UCRL2(S, A, low, high), episodes, seed), since)
        print(f"{name}: optimal return {best:.3f}; mean regret after episodes", flush=True)
        marks = [episodes // 4, episodes // 2, episodes]
        rows = {}
        for who, runs in curves.items():
            last = np.array([run[-1] for run in runs])
            mean = [float(np.mean([run[m - 1] for run in runs])) for m in marks]
            told = " ".join(f"{m:10.1f}" for m in mean)
            print(f"  {who:34} {told}  +- {last.std():.1f}  {spent[who] / len(runs):.1f} s a seed")
            rows[who] = {"episodes": marks, "regret": mean, "last": last.tolist()}
        q = min(rows[who]["regret"][-1] for who in rows if who.startswith("Q-"))
        ratio = q / rows["optcore PSRL"]["regret"][-1]
        print(f"  best Q-learning / PSRL: {ratio:.2f}", flush=True)
        result[name] = {"optimum": best, "regret": rows, "best_q_over_psrl": ratio}
    return result
