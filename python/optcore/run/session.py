"""Streams one scene through the native control loop: the main job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optcore.crowd import (
    CrowdFrame,
    CrowdSimulator,
    CrowdStream,
    Scene,
    Track,
    TrueFuture,
    simulate_recording,
    split_by_time,
    suggest_crossing,
)
from optcore.crowd.square import Square
from optcore.errors import ConfigError
from optcore.loop import ControlLoop, LoopConfig, MotionModel, learn_motion_model
from optcore.run.commute import Commute
from optcore.run.environment import describe_environment
from optcore.run.evaluation import evaluate_intent, evaluate_prediction
from optcore.run.recorder import Recorder
from optcore.run.result import RunResult
from optcore.run.schema import FORMAT

__all__ = ["RunOptions", "run_scene"]

_Floats = NDArray[np.float64]
Forecast = Literal["belief", "constant_velocity", "oracle"]

_TRAINING_SHARE = 0.6
_SIMULATED_TRAINING_S = 180.0
_SIMULATED_RUN_S = 120.0


@dataclass(frozen=True)
class RunOptions:
    """What the user asked for; see `optcore run --help`."""

    config: LoopConfig = field(default_factory=LoopConfig)
    forecast: Forecast = "belief"
    goals: _Floats | None = None
    people: int | None = None
    seed: int = 0
    start: tuple[float, float] | None = None
    goal: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Task:
    """A scene made ready: what was learned, who is judged, where the robot goes."""

    scene: Scene
    model: MotionModel
    judged: tuple[Track, ...]
    counted: frozenset[int]
    start: _Floats
    goal: _Floats
    notes: tuple[str, ...]
    duration_s: float


def run_scene(
    scene: Scene | None,
    options: RunOptions | None = None,
    progress: Callable[[float, str], None] = lambda share, text: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run the robot through a recording, or among simulated people when `scene` is None.

    Everything is learned from the first 60 % of a recording and reported on the rest.

    Args:
        scene: a recording; None takes the embedded reactive crowd.
        options: limits, forecast, goals, seed.
        progress: called with the share done (0 to 1) and what is being done.
        interrupted: asked after every cycle; True ends the run there, and the result says that it
            is partial.
    """
    options = options or RunOptions()
    progress(0.0, "learning how people move")
    task = _prepare_simulated(options) if scene is None else _prepare(scene, options)
    model = task.model
    if options.forecast == "constant_velocity":
        model = model.constant_velocity_only()
    config = options.config
    loop = ControlLoop(model, config)
    robot = Commute(task.start, task.goal, config)
    recorder = Recorder(config)
    future = TrueFuture(task.scene.tracks) if options.forecast == "oracle" else None
    ahead = config.step * np.arange(config.horizon + 1)
    people: set[int] = set()
    partial = False
    time = 0.0
    for frame in _frames(task, options, robot):
        time = frame.time
        people.update(frame.ids.tolist())
        state = robot.state.copy()
        pausing = robot.pausing
        oracle = future(frame, ahead) if future is not None else None
        result = loop.step(
            frame.time,
            state,
            robot.target,
            frame.ids,
            frame.observed,
            frame.observed_at,
            oracle,
        )
        applied = robot.advance(frame.time, result.command)
        recorder.add(frame, state, applied, pausing, result, loop)
        progress(
            len(recorder) * config.period / max(task.duration_s, config.period),
            f"{len(frame.ids)} people, {result.fallback}",
        )
        if interrupted():
            partial = True
            break
    robot.finish(time + config.period)
    progress(1.0, "measuring forecasts")
    return _result(task, options, loop, robot, recorder, len(people), partial)


def _prepare(scene: Scene, options: RunOptions) -> _Task:
    if options.people is not None:
        scene = _fewer_people(scene, options.people)
    split = split_by_time(scene, _TRAINING_SHARE)
    if not split.test.tracks:
        raise ConfigError(f"{scene.source}: nobody is seen in the last 40 % of the recording")
    start, goal = suggest_crossing(split.test, split.test.tracks)
    model = learn_motion_model(split.training, goals=options.goals, seed=options.seed)
    notes = list(scene.notes)
    if not len(model.goals):
        notes.append("no complete track to learn from: people are forecast at constant velocity")
    return _Task(
        scene=replace(split.test, name=scene.name),
        model=model,
        judged=split.test.tracks,
        counted=split.counted,
        start=_place(options.start, start),
        goal=_place(options.goal, goal),
        notes=tuple(notes),
        duration_s=scene.end_s - split.cut_s,
    )


def _prepare_simulated(options: RunOptions) -> _Task:
    square = Square() if options.people is None else Square(people=options.people)
    training = simulate_recording(_SIMULATED_TRAINING_S, seed=options.seed + 1, square=square)
    model = learn_motion_model(training.tracks, goals=options.goals, seed=options.seed)
    start, goal = suggest_crossing(training)
    return _Task(
        scene=replace(training, source=f"embedded crowd, seed {options.seed}"),
        model=model,
        judged=(),
        counted=frozenset(),
        start=_place(options.start, start),
        goal=_place(options.goal, goal),
        notes=training.notes,
        duration_s=_SIMULATED_RUN_S,
    )


def _place(asked: tuple[float, float] | None, suggested: _Floats) -> _Floats:
    return np.array(suggested if asked is None else asked, np.float64)


def _fewer_people(scene: Scene, people: int) -> Scene:
    """N people spread evenly over the recording, in the order of their first appearance."""
    order = [t.person for t in sorted(scene.tracks, key=lambda t: (t.start_s, t.person))]
    everybody = list(dict.fromkeys(order))
    if people >= len(everybody):
        return scene
    keep = {everybody[i] for i in np.linspace(0, len(everybody) - 1, people).round().astype(int)}
    note = f"only {people} of {len(everybody)} people, spread evenly over the recording"
    return replace(
        scene,
        tracks=tuple(t for t in scene.tracks if t.person in keep),
        notes=(*scene.notes, note),
    )


def _frames(task: _Task, options: RunOptions, robot: Commute) -> Iterator[CrowdFrame]:
    period = options.config.period
    if task.scene.kind == "replay":
        start = min(track.start_s for track in task.scene.tracks)
        yield from CrowdStream(task.scene, period, start, counted=task.counted)
        return
    square = Square() if options.people is None else Square(people=options.people)
    crowd = CrowdSimulator(square, seed=options.seed)
    for _ in range(round(_SIMULATED_RUN_S / period)):
        yield crowd.frame()
        crowd.step(period, robot.state[:2], robot.state[2:])
    object.__setattr__(task, "judged", crowd.recording().tracks)
    object.__setattr__(task, "counted", crowd.recording().people)


def _result(
    task: _Task,
    options: RunOptions,
    loop: ControlLoop,
    robot: Commute,
    recorder: Recorder,
    people: int,
    partial: bool,
) -> RunResult:
    config = options.config
    trace = recorder.trace(loop.model.hypotheses)
    model = task.model if options.forecast == "belief" else task.model.constant_velocity_only()
    intent, judged, true_goal = evaluate_intent(model, task.judged, task.counted)
    trace |= {
        "goals": loop.model.goals,
        "start": task.start,
        "goal": task.goal,
        "hypothesis_names": np.array(
            [f"goal {g + 1}" for g in range(len(loop.model.goals))] + ["constant velocity"]
        ),
        "true_goal_person": judged.astype(np.int32),
        "true_goal": true_goal.astype(np.int32),
    }
    latency = loop.latency()
    names = trace["fallback_names"].tolist()
    counts = np.bincount(trace["fallback"], minlength=len(names))
    summary: dict[str, Any] = {
        "format": FORMAT,
        "partial": partial,
        "scene": {
            "name": task.scene.name,
            "source": task.scene.source,
            "kind": task.scene.kind,
            "duration_s": len(recorder) * config.period,
            "people": people,
            "people_evaluated": len({t.person for t in task.judged} & set(task.counted)),
            "row_period_s": task.scene.row_period_s,
            "notes": list(task.notes),
        },
        "options": {
            "period_s": config.period,
            "forecast": options.forecast,
            "seed": options.seed,
            "people_limit": options.people,
            "horizon_s": config.horizon * config.step,
            "steps": config.horizon,
        },
        "cycles": len(recorder),
        "latency_us": {name: _quantiles(h) for name, h in latency.items()},
        "deadline_misses": {
            "10ms": latency["total"].count_above(10_000_000),
            "1ms": latency["total"].count_above(1_000_000),
        },
        "prediction": evaluate_prediction(model, task.judged, task.counted, options.seed),
        "intent": intent,
        "safety": recorder.safety(trace),
        "robot": {**robot.summary(), **recorder.standstill(trace)},
        "fallbacks": {name: int(count) for name, count in zip(names, counts, strict=True)},
        "environment": describe_environment(),
    }
    return RunResult(summary, trace)


def _quantiles(histogram: Any) -> dict[str, Any]:
    if histogram.count == 0:
        return {"p50": None, "p99": None, "max": None, "histogram": []}
    upper, count = histogram.buckets()
    return {
        "p50": histogram.quantile(0.5) / 1e3,
        "p99": histogram.quantile(0.99) / 1e3,
        "max": histogram.max_ns / 1e3,
        "histogram": [[u / 1e3, c] for u, c in zip(upper, count, strict=True)],
    }
