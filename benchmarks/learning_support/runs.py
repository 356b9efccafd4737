"""The parts of learning.py, each a function from the number of seeds to figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning_support import finite, true_models
from optcore.learn import GridValue, Learner, LearnerConfig, Planner, make_environment, task
from optcore.learn.learner import episode_seed
from optcore.learn.summary import plan_times, summary

__all__ = ["PARTS", "PUBLISHED"]

Array = NDArray[np.float64]
PUBLISHED = {
    "PILCO, cart-pole (Deisenroth & Rasmussen 2011, table 1)": "17.5 s of interaction",
}


def learn(name: str, seed: int, episodes: int) -> tuple[Learner, dict[str, Any]]:
    env = make_environment(name)
    learner = Learner(env, task(name), LearnerConfig(), seed=seed)
    with learner:
        for _ in range(episodes):
            learner.episode()
    times = plan_times(learner.record.episodes)
    figures = summary(learner.record)
    figures["hz_median"] = float(1.0 / np.median(times))
    figures["hz_p99"] = float(1.0 / np.quantile(times, 0.99))
    cpu = [t for e in learner.record.episodes for t in e.cpu_times if t > 0]
    figures["cpu_ms_median"] = float(1e3 * np.median(cpu))
    return learner, figures


def with_true_model(name: str, model: Any, seed: int, number: int) -> float:
    """Return of the planner with the true model and four times the effort."""
    what = task(name)
    env = make_environment(name)
    assert what.coordinates is not None
    assert what.reward is not None
    config = replace(what.planner, population=96, rounds=3, elites=12, polish=2, first=8)
    low, high = env.action_space.low.astype(float), env.action_space.high.astype(float)
    value = None
    if what.grid is not None:
        value = GridValue(what.grid, what.coordinates, low, high, what.reward, what.ends)
        value.update(model)
    planner = Planner(
        what.coordinates, low, high, what.reward, config, quadratic=what.quadratic,
        ends=what.ends, value=value, seed=seed,
    )  # fmt: skip
    observation, _ = env.reset(seed=episode_seed(seed, number))
    total, over = 0.0, False
    while not over:
        u = planner.plan(model, what.coordinates.state(observation)).u[0]
        observation, reward, terminated, truncated, _ = env.step(
            np.asarray(u, env.action_space.dtype)
        )
        total, over = total + float(reward), bool(terminated or truncated)
    return total


def pendulum(seeds: int) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    optimal: list[list[float]] = []
    for seed in range(seeds):
        _, figures = learn("Pendulum-v1", seed, 3)
        ideal = [with_true_model("Pendulum-v1", true_models.Pendulum(), seed, e) for e in range(3)]
        runs.append(figures)
        optimal.append(ideal)
        told = " ".join(
            f"{r:7.1f} ({b:7.1f})" for r, b in zip(figures["returns"], ideal, strict=True)
        )
        print(
            f"  seed {seed}: {told}   {figures['plan_ms']['median']:.1f} ms a plan, "
            f"{figures['cpu_ms_median']:.1f} ms of processor",
            flush=True,
        )
    returns, best = np.array([run["returns"] for run in runs]), np.array(optimal)
    share = best.sum(axis=0) / returns.sum(axis=0)  # both negative: costs
    each = best / returns
    print(f"Pendulum-v1, {seeds} seeds: mean return (optimum), share of the optimum")
    for e in range(3):
        print(
            f"  episode {e + 1}: {returns[:, e].mean():7.1f} +- {returns[:, e].std():5.1f} "
            f"({best[:, e].mean():7.1f})   {100 * share[e]:.1f} %   "
            f"worst seed {100 * each[:, e].min():.0f} %"
        )
    return {
        "returns": returns.tolist(),
        "optimal": best.tolist(),
        "share_of_optimum": share.tolist(),
        "plan_ms": [run["plan_ms"] for run in runs],
        "cpu_ms_median": [run["cpu_ms_median"] for run in runs],
        "points": [run["points"] for run in runs],
        "model_errors": [run["model_errors"] for run in runs],
        "coverage_90": [run["coverage_90"] for run in runs],
    }


def cart_pole(seeds: int) -> dict[str, Any]:
    return _solved("CartPoleSwingUp", seeds, 8, lambda e: len(e.rewards) == 40 and _end(e) >= 0.9)


def _end(episode: Any) -> float:
    return float(np.mean(episode.rewards[-10:]))


def mountain_car(seeds: int) -> dict[str, Any]:
    return _solved("MountainCarContinuous-v0", seeds, 10, lambda e: e.total >= 90.0)


def _solved(name: str, seeds: int, episodes: int, solved: Callable[[Any], bool]) -> dict[str, Any]:
    returns, first, steps, seconds = [], [], [], []
    for seed in range(seeds):
        learner, figures = learn(name, seed, episodes)
        done = [i + 1 for i, e in enumerate(learner.record.episodes) if solved(e)]
        returns.append(figures["returns"])
        first.append(done[0] if done else None)
        steps.append(int(sum(figures["steps"][: done[0]])) if done else None)
        seconds.append(figures["cpu_ms_median"])
        told = " ".join(f"{r:6.1f}" for r in figures["returns"])
        print(
            f"  seed {seed}: {told}   solved in {done}   "
            f"{figures['plan_ms']['median']:.1f} ms a plan, {seconds[-1]:.1f} ms of processor",
            flush=True,
        )
    known = [f for f in first if f is not None]
    print(
        f"{name}: {len(known)} of {seeds} seeds solved within {episodes} episodes, "
        f"first in episode {np.median(known) if known else float('nan')} (median)"
    )
    return {
        "returns": returns,
        "first_solved": first,
        "steps_to_solved": steps,
        "cpu_ms_median": seconds,
    }


def sac(seeds: int) -> dict[str, Any]:
    from stable_baselines3 import SAC

    marks = (600, 1200, 5000)
    returns: list[list[float]] = []
    for seed in range(seeds):
        env = make_environment("Pendulum-v1")
        agent = SAC("MlpPolicy", env, seed=seed, learning_rate=1e-3)
        mine, done = [], 0
        for mark in marks[: 3 if seed < 3 else 2]:
            agent.learn(mark - done, reset_num_timesteps=False)
            done = mark
            total, over = 0.0, False
            observation, _ = env.reset(seed=episode_seed(seed, 2))
            while not over:
                action, _ = agent.predict(observation, deterministic=True)
                observation, reward, terminated, truncated, _ = env.step(action)
                total, over = total + float(reward), bool(terminated or truncated)
            mine.append(total)
        returns.append(mine)
        print(f"  seed {seed}: " + " ".join(f"{r:8.1f}" for r in mine), flush=True)
    print(f"SAC on Pendulum-v1 from the starts of episode 3, after {marks} steps")
    for i, mark in enumerate(marks):
        known = [mine[i] for mine in returns if len(mine) > i]
        print(
            f"  {mark:6d} steps: {np.mean(known):8.1f} +- {np.std(known):.1f} ({len(known)} seeds)"
        )
    return {"steps": marks, "returns": returns}


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "pendulum": pendulum,
    "cart_pole": cart_pole,
    "mountain_car": mountain_car,
    "finite": finite.compare,
    "sac": sac,
}
