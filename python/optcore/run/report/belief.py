"""The belief about one person: where do they go, and when does the filter know?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.run.report.map import draw_goals, draw_tracks, frame, window_around
from optcore.run.report.plot import INK, axes, goal_ink, new_figure, to_svg
from optcore.run.report.view import SceneView

__all__ = ["BeliefStory", "belief_picture", "story_map", "tell_belief"]

_SHORTEST_S = 3.0


@dataclass(frozen=True, eq=False, slots=True)
class BeliefStory:
    """One person's rows, the goal they reached (None: not known) and when that became certain."""

    person: int
    rows: NDArray[Any]
    goal: int | None
    certain: int | None


def tell_belief(view: SceneView) -> BeliefStory | None:
    """Choose the person whose belief has most to tell.

    That is somebody who came near the robot, was long in sight, about whom the filter was first
    unsure and then right; where nobody was judged for intent, whose belief moved most.
    """
    belief = view.goal_belief
    if belief.shape[1] < 2:
        return None
    truth = {
        int(p): int(g) for p, g in zip(view["true_goal_person"], view["true_goal"], strict=True)
    }
    best: tuple[float, BeliefStory] | None = None
    for person, rows in view.tracks.items():
        time = view["time"][view["person_cycle"][rows]]
        if len(rows) < 4 or time[-1] - time[0] < _SHORTEST_S:
            continue
        goal = truth.get(person)
        if goal is not None and not 0 <= goal < belief.shape[1]:
            goal = None
        final = int(np.argmax(belief[rows[-1]])) if goal is None else goal
        certain = view.certain_from(rows, final)
        offset = view["person_position"][rows] - view["robot"][view["person_cycle"][rows], :2]
        near = float(np.hypot(offset[:, 0], offset[:, 1]).min())
        # certain neither at once nor at the very end makes the better story
        share = 0.0 if certain is None else certain / len(rows)
        score = (
            float(belief[rows[-1], final] - belief[rows[0], final])
            + (1.0 if goal is not None else 0.0)
            + (2.0 * share * (1 - share) if certain is not None else -1.0)
            + 1.0 / (1.0 + near)
            + 0.02 * min(float(time[-1] - time[0]), 15.0)
        )
        if best is None or score > best[0]:
            best = (score, BeliefStory(person, rows, goal, certain))
    return best[1] if best else None


def belief_picture(view: SceneView, story: BeliefStory, prefix: str) -> str:
    """Belief among goals over the time this person was in sight, stacked to one."""
    figure = new_figure(620, 330)
    ax = axes(figure, grid="")
    time = _since_seen(view, story)
    belief = view.goal_belief[story.rows].T
    ax.stackplot(
        time,
        belief,
        colors=[goal_ink(g) for g in range(len(belief))],
        edgecolor=INK["panel"],
        linewidth=1.2,
        alpha=0.85,
    )
    _name_bands(ax, view, time, belief)
    if story.certain is not None:
        moment = float(time[story.certain])
        ax.axvline(moment, color=INK["ink"], lw=1.4, ls=(0, (4, 2)))
        late = moment > 0.6 * time[-1]
        ax.annotate(
            f"certain from {moment:.1f} s",
            (moment, 1.0),
            (-6 if late else 6, 5),
            textcoords="offset points",
            ha="right" if late else "left",
            color=INK["ink"],
            annotation_clip=False,
        )
    ax.set_xlim(0, max(float(time[-1]), 0.1))
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("time since first seen, s")
    ax.set_ylabel("belief among goals")
    return to_svg(figure, f"Belief about person {story.person} over time", prefix)


def story_map(view: SceneView, story: BeliefStory, prefix: str) -> str:
    """Where this person walked; a ring marks the place where the goal became certain."""
    figure = new_figure(400, 330)
    ax = axes(figure)
    path = view["person_position"][story.rows]
    window = window_around(view, path.mean(axis=0), 1.2)
    draw_tracks(ax, view)
    draw_goals(ax, view, window)
    colour = INK["person"] if story.goal is None else goal_ink(story.goal)
    known = len(path) if story.certain is None else story.certain
    ax.plot(*path[: known + 1].T, color=INK["muted"], lw=2.4, ls=(0, (1, 1)), zorder=3)
    ax.plot(*path[known:].T, color=colour, lw=2.8, zorder=3)
    ax.plot(*path[0], "o", ms=6, mfc=INK["panel"], mec=INK["muted"], mew=1.4, zorder=4)
    if known < len(path):
        ax.plot(*path[known], "o", ms=10, mfc=colour, mec=INK["ink"], mew=1.6, zorder=5)
    frame(ax, window)
    return to_svg(figure, f"The way of person {story.person}", prefix)


def _since_seen(view: SceneView, story: BeliefStory) -> NDArray[np.float64]:
    time = view["time"][view["person_cycle"][story.rows]]
    return np.asarray(time - time[0], dtype=np.float64)


def _name_bands(ax: Any, view: SceneView, time: NDArray[np.float64], belief: NDArray[Any]) -> None:
    """Write each goal's name where its band is thickest, if it is thick enough to hold it."""
    top = np.cumsum(belief, axis=0)
    inside = (time > 0.12 * time[-1]) & (time < 0.88 * time[-1])
    for g, band in enumerate(belief):
        thick = np.where(inside, band, 0.0)
        at = int(np.argmax(thick))
        if thick[at] < 0.14:
            continue
        ax.text(
            time[at],
            top[g, at] - band[at] / 2,
            view.goal_names[g],
            ha="center",
            va="center",
            color=INK["panel"],
            fontweight="bold",
        )
