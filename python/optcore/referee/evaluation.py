"""Does the belief help the robot? The same planner with three forecasts from the same starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.crowd import CrowdStream, Scene, TrueFuture, split_by_time, suggest_crossing
from optcore.errors import ConfigError
from optcore.loop import ControlLoop, LoopConfig, MotionModel, learn_motion_model
from optcore.referee.episode import Episode, run_episode
from optcore.referee.starts import choose_starts
from optcore.referee.statistics import paired_share_difference

__all__ = ["FORECASTS", "FORMAT", "evaluate_scenes", "referee_config"]

FORMAT = "optcore-evaluate/1"
FORECASTS = ("belief", "constant_velocity", "oracle")

_TRAINING_SHARE = 0.6
_WARM_S = 4.0


def referee_config() -> LoopConfig:
    """The loop's own limits, with a clearance that keeps 1.1 m from where people are expected."""
    return LoopConfig(clearance=0.65)


def evaluate_scenes(
    scenes: Sequence[Scene],
    starts: int = 50,
    seed: int = 0,
    config: LoopConfig | None = None,
    progress: Callable[[float, str], None] = lambda share, text: None,
) -> dict[str, Any]:
    """Cross every scene from the same starts with three forecasts.

    Models are learned from the first 60 % of a recording, robots drive in the rest.

    Args:
        scenes: recordings.
        starts: crossings a scene.
        seed: of goals, starts and the bootstrap.
        config: limits and weights; None takes :func:`referee_config`.
        progress: called with the share done (0 to 1) and what is being done.

    Returns:
        the figures of all scenes together, and each scene's own under "scenes".

    Raises:
        ConfigError: no scene, fewer than 2 starts, or a scene nobody can start in.
    """
    if not scenes:
        raise ConfigError("need at least one scene, got none")
    if starts < 2:
        raise ConfigError(f"starts must be at least 2, got {starts}")
    config = referee_config() if config is None else config
    found: list[dict[str, list[Episode]]] = []
    for index, scene in enumerate(scenes):

        def inner(share: float, text: str, index: int = index, name: str = scene.name) -> None:
            progress((index + share) / len(scenes), f"{name}: {text}")

        found.append(_scene(scene, starts, seed, config, inner))
    pooled = {name: [e for scene in found for e in scene[name]] for name in FORECASTS}
    return {
        "format": FORMAT,
        "seed": seed,
        "config": config.to_dict(),
        **_figures(pooled, config.period, seed),
        "scenes": {
            scene.name: _figures(episodes, config.period, seed)
            for scene, episodes in zip(scenes, found, strict=True)
        },
    }


def _scene(
    scene: Scene,
    count: int,
    seed: int,
    config: LoopConfig,
    progress: Callable[[float, str], None],
) -> dict[str, list[Episode]]:
    progress(0.0, "learning how people move")
    split = split_by_time(scene, _TRAINING_SHARE)
    if not split.test.tracks:
        raise ConfigError(f"{scene.source}: nobody is seen in the last 40 % of the recording")
    model = learn_motion_model(split.training, seed=seed)
    stream = CrowdStream(split.test, config.period)
    warm = round(_WARM_S / config.period)
    starts = choose_starts(
        stream, suggest_crossing(split.test, split.test.tracks), count, warm, seed
    )
    future = partial(
        TrueFuture(split.test.tracks), ahead=config.step * np.arange(config.horizon + 1)
    )
    episodes: dict[str, list[Episode]] = {}
    for number, name in enumerate(FORECASTS):
        loop = ControlLoop(_model(name, model), config)
        oracle = future if name == "oracle" else None
        episodes[name] = []
        for done, start in enumerate(starts):
            progress((number + done / len(starts)) / len(FORECASTS), name.replace("_", " "))
            episodes[name].append(run_episode(stream, start, loop, warm, oracle))
    return episodes


def _model(forecast: str, model: MotionModel) -> MotionModel:
    return model if forecast == "belief" else model.constant_velocity_only()


def _figures(episodes: dict[str, list[Episode]], period: float, seed: int) -> dict[str, Any]:
    def each(measure: Callable[[list[Episode]], Any]) -> dict[str, Any]:
        return {name: measure(episodes[name]) for name in FORECASTS}

    def share(field: str) -> Callable[[list[Episode]], float]:
        return lambda all_: (
            sum(getattr(e, field) for e in all_) / max(sum(e.cycles for e in all_), 1)
        )

    def pair(name: str, field: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        hits = [float(getattr(e, field)) for e in episodes[name]]
        return np.array(hits), np.array([float(e.cycles) for e in episodes[name]])

    times = {name: [e.time_to_goal_s for e in episodes[name]] for name in FORECASTS}
    both = [
        (a, b)
        for a, b in zip(times["belief"], times["constant_velocity"], strict=True)
        if a is not None and b is not None
    ]
    seconds = np.concatenate([e.seconds for e in episodes["belief"]])
    return {
        "starts": len(episodes["belief"]),
        "near_share": each(share("near")),
        "touch_share": each(share("touch")),
        "no_plan_share": each(share("no_plan")),
        "goals_missed": each(lambda all_: sum(e.time_to_goal_s is None for e in all_)),
        "time_to_goal_s": each(_mean_time),
        "standstill_s": each(lambda all_: period * float(np.mean([e.standing for e in all_]))),
        "paired": {
            field: paired_share_difference(
                pair("belief", name), pair("constant_velocity", name), seed=seed
            )
            for field, name in (("near_share", "near"), ("touch_share", "touch"))
        }
        | {"time_to_goal_s": float(np.mean([a - b for a, b in both])) if both else None},
        "cycle_ms": {
            "p50": float(np.quantile(seconds, 0.5)) * 1e3,
            "p99": float(np.quantile(seconds, 0.99)) * 1e3,
            "max": float(seconds.max()) * 1e3,
        },
    }


def _mean_time(episodes: list[Episode]) -> float | None:
    times = [e.time_to_goal_s for e in episodes if e.time_to_goal_s is not None]
    return float(np.mean(times)) if times else None
