"""Regret of PSRL on random 20-state processes, beside a plain NumPy PSRL and Q-learning.

    python benchmarks/psrl_regret.py [--processes 5] [--steps 8000]

Regret is the optimal average reward times the steps, less the reward earned; lower is better, and
a curve that flattens has found the optimal policy. The plain PSRL draws each Dirichlet row with
NumPy and solves by value iteration from nothing; it learns the same, so the curves must agree and
the times may be compared. Q-learning is epsilon-greedy with epsilon 0.1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optcore.belief.learning import PSRL, DirichletMDP
from optcore.belief.planning import value_iteration

S, A, GAMMA, NOISE = 20, 4, 0.95, 0.1
Learner = tuple[Callable[[int], int], Callable[[int, int, float, int], None]]


class PlainPSRL:
    """The textbook: every draw row by row, every solution from nothing."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.counts = np.full((S, A, S), 1.0 / S)
        self.visits, self.rewards = np.ones((S, A)), np.zeros((S, A))
        self.length = self.last = 0
        self.plan()

    def plan(self) -> None:
        T = np.array([[self.rng.dirichlet(self.counts[s, a]) for a in range(A)] for s in range(S)])
        R = self.rng.normal(self.rewards / self.visits, 0.3 / np.sqrt(self.visits))
        V = np.zeros(S)
        while True:
            Q = R + GAMMA * T @ V
            change = np.abs(Q.max(axis=1) - V).max()
            V = Q.max(axis=1)
            if change < 1e-6:
                break
        self.policy = Q.argmax(axis=1)
        self.last, self.length = self.length, 0
        self.before = self.visits.copy()

    def observe(self, s: int, a: int, reward: float, after: int) -> None:
        self.counts[s, a, after] += 1
        self.visits[s, a] += 1
        self.rewards[s, a] += reward
        self.length += 1
        if self.length > self.last or self.visits[s, a] > 2 * self.before[s, a]:
            self.plan()


def learners(seed: int) -> dict[str, Learner]:
    ours = PSRL(DirichletMDP(S, A, discount=GAMMA, reward_scale=0.3), seed=seed)
    plain = PlainPSRL(seed)
    Q, rng = np.zeros((S, A)), np.random.default_rng(seed)

    def q_act(s: int) -> int:
        return int(rng.integers(A)) if rng.random() < 0.1 else int(Q[s].argmax())

    def q_observe(s: int, a: int, reward: float, after: int) -> None:
        Q[s, a] += 0.1 * (reward + GAMMA * Q[after].max() - Q[s, a])

    return {
        "optcore PSRL": (ours.act, ours.observe),
        "NumPy PSRL": (lambda s: int(plain.policy[s]), plain.observe),
        "Q-learning": (q_act, q_observe),
    }


def average_reward(T: NDArray[np.float64], R: NDArray[np.float64]) -> float:
    """Reward a step of the best policy for the discount, in its stationary distribution."""
    policy = value_iteration(T.transpose(1, 0, 2), R, GAMMA).policy
    rows = np.arange(S)
    P = T[rows, policy]
    system = np.vstack([P.T - np.eye(S), np.ones(S)])
    stationary = np.linalg.lstsq(system, np.eye(S + 1)[S], rcond=None)[0]
    return float(stationary @ R[rows, policy])


def main() -> None:
    parser = argparse.ArgumentParser(description="Regret of PSRL on random processes.")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8000)
    args = parser.parse_args()
    marks = [args.steps * k // 8 for k in range(1, 9)]
    curves: dict[str, list[NDArray[np.float64]]] = {}
    seconds: dict[str, float] = {}
    for seed in range(args.processes):
        world = np.random.default_rng(1000 + seed)
        T, R = world.dirichlet(np.full(S, 0.3), (S, A)), world.uniform(size=(S, A))
        best, cumulative = average_reward(T, R), T.cumsum(axis=-1)
        for name, (act, observe) in learners(seed).items():
            rng, state = np.random.default_rng(seed), 0
            earned, spent = np.zeros(args.steps), 0.0
            for step in range(args.steps):
                start = time.perf_counter()
                action = act(state)
                spent += time.perf_counter() - start
                earned[step] = R[state, action]
                after = min(int(np.searchsorted(cumulative[state, action], rng.random())), S - 1)
                start = time.perf_counter()
                observe(state, action, R[state, action] + NOISE * rng.normal(), after)
                spent += time.perf_counter() - start
                state = after
            regret = best * np.arange(1, args.steps + 1) - earned.cumsum()
            curves.setdefault(name, []).append(regret)
            seconds[name] = seconds.get(name, 0.0) + spent
    print(f"mean regret over {args.processes} processes, {S} states, {A} actions")
    print(f"{'after steps':14}" + "".join(f"{mark:>8}" for mark in marks) + f"{'us/step':>10}")
    for name, runs in curves.items():
        mean = np.mean(runs, axis=0)
        cost = seconds[name] / (args.processes * args.steps) * 1e6
        print(f"{name:14}" + "".join(f"{mean[m - 1]:8.1f}" for m in marks) + f"{cost:10.1f}")


if __name__ == "__main__":
    main()
