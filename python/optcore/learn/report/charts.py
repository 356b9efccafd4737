"""Charts of a run: returns, errors of the model, the belief over models, the last episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optcore.learn.coordinates import Coordinates
from optcore.learn.record import Episode, Record
from optcore.learn.summary import model_errors
from optcore.run.report.plot import INK, axes, new_figure, to_svg

__all__ = ["belief_chart", "episode_chart", "error_chart", "learning_curve"]

Array = NDArray[np.float64]


def learning_curve(returns: Sequence[float], steps: Sequence[int], prefix: str) -> str:
    """Return of each episode over the steps of interaction it took to get there."""
    figure = new_figure(520, 320)
    ax = axes(figure)
    many = len(returns) > 60
    x = np.arange(1, len(returns) + 1)
    if many:  # single episodes of a long run are noise: a running mean tells
        width = max(5, len(returns) // 40)
        mean = np.convolve(returns, np.ones(width) / width, mode="valid")
        ax.plot(x, returns, ".", ms=2, color=INK["track"])
        ax.plot(x[width - 1 :], mean, color=INK["robot"], lw=2)
    else:
        ax.plot(x, returns, "-o", color=INK["robot"], lw=2, ms=6)
        ax.set_xticks(x[:: max(1, len(x) // 10)])
        total = int(np.sum(steps))
        ax.annotate(
            f"{total:,} steps in all",
            (1.0, 0.0), (-4, 6), xycoords="axes fraction", textcoords="offset points",
            ha="right", color=INK["muted"],
        )  # fmt: skip
    ax.set_xlabel("episode")
    ax.set_ylabel("return")
    return to_svg(figure, "Return of each episode", prefix)


def error_chart(record: Record, names: Sequence[str], prefix: str) -> str | None:
    """Error of one-step predictions, made before the step; None: there were none."""
    errors = np.array([model_errors(episode, record.coordinates) for episode in record.episodes])
    if not np.isfinite(errors).any():
        return None
    figure = new_figure(520, 320)
    ax = axes(figure)
    x = np.arange(1, len(errors) + 1)
    for j, name in enumerate(names):
        ax.plot(x, errors[:, j], "-o", color=INK[f"goal{j % 6}"], lw=1.8, ms=5, label=name)
    ax.set_yscale("log")
    ax.axhline(1.0, color=INK["muted"], lw=1, ls=(0, (4, 2)))
    ax.set_xticks(x[:: max(1, len(x) // 10)])
    ax.set_xlabel("episode")
    ax.set_ylabel("error / size of a change")
    legend = ax.legend(frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_color(INK["ink"])
    return to_svg(figure, "Error of the model's one-step predictions", prefix)


def belief_chart(
    record: Record, episode: Episode, state: int, name: str, prefix: str
) -> str | None:
    """Where models drawn from the belief go under the inputs applied, beside what happened."""
    if not episode.paths.size:
        return None
    figure = new_figure(400, 260)
    ax = axes(figure)
    truth = _unwrapped(record.coordinates, np.array(episode.observations))[:, state]
    time = np.concatenate([[0], np.cumsum(episode.durations)])
    for path in episode.paths[:, :, state]:
        turns = 0.0
        if state in record.coordinates.angular:
            turns = 2 * np.pi * np.round((truth[0] - path[0]) / (2 * np.pi))
        ax.plot(time, path + turns, color=INK["goal0"], lw=1, alpha=0.5)
    ax.plot(time, truth, color=INK["robot"], lw=2)
    room = max(0.3 * float(np.ptp(truth)), 1e-3)
    ax.set_ylim(truth.min() - room, truth.max() + room)
    ax.set_xlabel("step")
    ax.set_ylabel(name)
    return to_svg(figure, f"Models drawn from the belief: {name}", prefix)


def episode_chart(
    record: Record, names: Sequence[str], low: Array, high: Array, prefix: str
) -> str:
    """States and inputs of the last episode."""
    episode = record.episodes[-1]
    states = _unwrapped(record.coordinates, np.array(episode.observations))
    actions = np.array(episode.actions)
    time = np.concatenate([[0], np.cumsum(episode.durations)])
    rows = states.shape[1] + actions.shape[1]
    figure = new_figure(980, 110 * rows + 40)
    grid = figure.add_gridspec(rows, 1)
    for j in range(states.shape[1]):
        ax = axes(figure, grid[j])
        ax.plot(time, states[:, j], color=INK[f"goal{j % 6}"], lw=1.8)
        ax.set_ylabel(names[j])
        ax.tick_params(labelbottom=False)
    for i in range(actions.shape[1]):
        ax = axes(figure, grid[states.shape[1] + i])
        ax.stairs(actions[:, i], time, color=INK["robot"], lw=1.5, baseline=None)
        for bound in (low[i], high[i]):
            ax.axhline(bound, color=INK["bad"], lw=1, ls=(0, (4, 2)))
        ax.set_ylabel("input" if actions.shape[1] == 1 else f"input {i + 1}")
    ax.set_xlabel("step")
    return to_svg(figure, "States and inputs of the last episode", prefix)


def _unwrapped(coordinates: Coordinates, observations: Array) -> Array:
    states = coordinates.state(observations)
    for place in coordinates.angular:
        states[:, place] = np.unwrap(states[:, place])
    return states
