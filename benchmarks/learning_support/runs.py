"""The parts of learning.py, each a function from seeds to figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning_support import finite, true_models
from optcore.learn import (
    GridValue,
    Learner,
    LearnerConfig,
    Planner,
    StateLimits,
    make_environment,
    task,
)
from optcore.learn.learner import episode_seed
from optcore.learn.summary import plan_times, summary

__all__ = ["PARTS", "PUBLISHED"]

Array = NDArray[np.float64]
PUBLISHED = {
    # theirs is a cart-pole in hardware, not this simulation
    "PILCO, cart-pole (Deisenroth & Rasmussen 2011, section 3.1)": "17.5 s of interaction",
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


def pendulum(seeds: Sequence[int]) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    optimal: list[list[float]] = []
    for seed in seeds:
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
    print(f"Pendulum-v1, {len(seeds)} seeds: mean return (optimum), share of the optimum")
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


def cart_pole(seeds: Sequence[int]) -> dict[str, Any]:
    return _solved("CartPoleSwingUp", seeds, 8, lambda e: len(e.rewards) == 40 and _end(e) >= 0.9)


def _end(episode: Any) -> float:
    return float(np.mean(episode.rewards[-10:]))


def limits(seeds: Sequence[int]) -> dict[str, Any]:
    """Share of steps beyond 0.4 and 0.8 m in the episodes after the first, with limits there that
    aim at a risk of 5 %, and without any."""
    shares: dict[str, Any] = {}
    free = [_positions(seed, None) for seed in seeds]
    for edge in (0.4, 0.8):
        bound = np.array([edge, np.inf, np.inf, np.inf])
        kept = [_positions(seed, StateLimits(-bound, bound, risk=0.05)) for seed in seeds]
        beyond = {
            label: [float(np.mean(np.abs(one) > edge)) for one in positions]
            for label, positions in (("without", free), ("with", kept))
        }
        shares[f"{edge} m"] = beyond
        print(
            f"CartPoleSwingUp, limits at {edge} m, risk 0.05, {len(seeds)} seeds: beyond in "
            f"{100 * np.mean(beyond['with']):.1f} % of steps (worst seed "
            f"{100 * max(beyond['with']):.1f} %); without limits "
            f"{100 * np.mean(beyond['without']):.1f} %",
            flush=True,
        )
    return {"risk": 0.05, "share_beyond": shares}


def _positions(seed: int, limits: StateLimits | None) -> Array:
    """Of the cart, m, in episodes 2 to 4."""
    what = replace(task("CartPoleSwingUp"), limits=limits)
    with Learner(make_environment(what.name), what, LearnerConfig(draws=1), seed=seed) as learner:
        for _ in range(4):
            learner.episode()
    return np.concatenate([np.array(e.observations)[1:, 0] for e in learner.record.episodes[1:]])


def mountain_car(seeds: Sequence[int]) -> dict[str, Any]:
    return _solved("MountainCarContinuous-v0", seeds, 10, lambda e: e.total >= 90.0)


def _solved(
    name: str, seeds: Sequence[int], episodes: int, solved: Callable[[Any], bool]
) -> dict[str, Any]:
    returns, first, steps, seconds = [], [], [], []
    for seed in seeds:
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
        f"{name}: {len(known)} of {len(seeds)} seeds solved within {episodes} episodes, "
        f"first in episode {np.median(known) if known else float('nan')} (median)"
    )
    return {
        "returns": returns,
        "first_solved": first,
        "steps_to_solved": steps,
        "cpu_ms_median": seconds,
    }


def sac(seeds: Sequence[int]) -> dict[str, Any]:
    from stable_baselines3 import SAC

    marks = (600, 1200, 5000)
    returns: list[list[float]] = []
    for seed in seeds:
        env = make_environment("Pendulum-v1")
        agent = SAC("MlpPolicy", env, seed=seed, learning_rate=1e-3)
        mine, done = [], 0
        for mark in marks[: 3 if seed < seeds[0] + 3 else 2]:
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


PARTS: dict[str, Callable[[Sequence[int]], dict[str, Any]]] = {
    "pendulum": pendulum,
    "cart_pole": cart_pole,
    "limits": limits,
    "mountain_car": mountain_car,
    "finite": finite.compare,
    "sac": sac,
}
