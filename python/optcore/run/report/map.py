"""The ground seen from above: where people walk, what is expected of them, where the robot goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.run.report.moments import Moment
from optcore.run.report.plot import INK, axes, goal_ink, new_figure, to_svg
from optcore.run.report.view import SceneView, ellipses

__all__ = ["draw_moment", "draw_tracks", "moment_picture", "window_around"]

Window = tuple[float, float, float, float]

_TRAIL_S = 2.0
_WIDEST_M = 18.0  # more of the ground would make people too small to see
_SHOWN_AHEAD = 3  # forecast instants drawn
PERSON_RADIUS_M = 0.22


def window_around(view: SceneView, centre: NDArray[Any], aspect: float) -> Window:
    """The part of the ground to show: all of it, or at most 18 m around `centre`."""
    x0, y0, x1, y1 = view.bounds
    width = min(max(x1 - x0, aspect * (y1 - y0)), _WIDEST_M)
    height = width / aspect
    x = _clamp(float(centre[0]), x0, x1, width)
    y = _clamp(float(centre[1]), y0, y1, height)
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def draw_tracks(ax: Any, view: SceneView, width: float = 0.7, alpha: float = 0.28) -> None:
    """Everybody's way as faint lines: together they show where people walk here."""
    from matplotlib.collections import LineCollection

    lines = [view["person_position"][rows[::6]] for rows in view.tracks.values() if len(rows) > 6]
    ax.add_collection(
        LineCollection(lines, colors=INK["track"], linewidths=width, alpha=alpha, zorder=1)
    )


def draw_goals(ax: Any, view: SceneView, window: Window, size: float = 9.5) -> None:
    """Goals as lettered marks; those outside the window sit on its edge."""
    x0, y0, x1, y1 = window
    margin = 0.035 * (x1 - x0)
    for g, (goal, letter) in enumerate(zip(view["goals"], view.letters, strict=True)):
        x = float(np.clip(goal[0], x0 + margin, x1 - margin))
        y = float(np.clip(goal[1], y0 + margin, y1 - margin))
        ax.text(
            x,
            y,
            letter,
            color=INK["panel"],
            fontsize=size,
            fontweight="bold",
            ha="center",
            va="center",
            zorder=4,
            bbox={
                "boxstyle": "circle,pad=0.28",
                "facecolor": goal_ink(g),
                "edgecolor": INK["panel"],
                "linewidth": 1.0,
            },
        )


def draw_moment(ax: Any, view: SceneView, moment: Moment, scale: float = 1.0) -> None:
    """People with trail and forecast, robot with path and plan, at one cycle."""
    from matplotlib.collections import EllipseCollection, LineCollection
    from matplotlib.patches import Circle

    cycle, now = moment.cycle, float(view["time"][moment.cycle])
    rows = np.arange(view["person_cycle"].size)[view.rows(cycle)]
    colours = [_likely_ink(view, row) for row in rows]
    shown = _shown_ahead(view)
    if len(rows) and len(shown):
        shapes = ellipses(view["forecast_cov"][rows][:, shown])
        for index in range(len(shown)):
            ax.add_collection(
                EllipseCollection(
                    2 * shapes[:, index, 0],
                    2 * shapes[:, index, 1],
                    np.degrees(shapes[:, index, 2]),
                    units="xy",
                    offsets=view["forecast_mean"][rows, shown[index]],
                    transOffset=ax.transData,
                    facecolors=colours,
                    edgecolors=colours,
                    linewidths=0.9 * scale,
                    alpha=0.16 if index else 0.3,
                    zorder=2,
                )
            )
    trails = []
    for row in rows:
        track = view.tracks[int(view["person_id"][row])]
        at = view["time"][view["person_cycle"][track]]
        trails.append(view["person_position"][track[(at > now - _TRAIL_S) & (at <= now)]])
    ax.add_collection(LineCollection(trails, colors=colours, linewidths=1.6 * scale, zorder=3))
    for row, colour in zip(rows, colours, strict=True):
        person = view["person_position"][row]
        about = moment.person == int(view["person_id"][row])
        ax.add_patch(
            Circle(
                tuple(person), PERSON_RADIUS_M, fc=colour, ec=INK["panel"], lw=0.8 * scale, zorder=5
            )
        )
        if about:
            ax.add_patch(
                Circle(tuple(person), 0.6, fc="none", ec=INK["ink"], lw=1.2 * scale, zorder=6)
            )
    _draw_robot(ax, view, cycle, scale)


def moment_picture(view: SceneView, moment: Moment, prefix: str) -> str:
    """One instant as SVG."""
    width, height = 520, 400
    figure = new_figure(width, height)
    ax = axes(figure)
    window = window_around(view, view["robot"][moment.cycle, :2], width / height)
    draw_tracks(ax, view)
    draw_goals(ax, view, window)
    draw_moment(ax, view, moment)
    frame(ax, window)
    return to_svg(figure, f"Map: {moment.title}. {moment.text}", prefix)


def frame(ax: Any, window: Window) -> None:
    """Equal axes in metres around the window."""
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlim(window[0], window[2])
    ax.set_ylim(window[1], window[3])
    ax.set_xlabel("x, m")
    ax.set_ylabel("y, m")
    ax.xaxis.get_major_locator().set_params(integer=True, nbins=8)
    ax.yaxis.get_major_locator().set_params(integer=True, nbins=7)


def _draw_robot(ax: Any, view: SceneView, cycle: int, scale: float) -> None:
    from matplotlib.patches import Circle

    robot = view["robot"]
    here = robot[cycle, :2]
    path = robot[_crossing_start(view, cycle) : cycle + 1, :2]
    ax.plot(*path.T, color=INK["robot"], lw=2.2 * scale, zorder=6, solid_capstyle="round")
    if len(view["plan"]) > cycle:
        plan = view["plan"][cycle]
        ax.plot(*plan.T, color=INK["robot"], lw=1.8 * scale, ls=(0, (1, 1.4)), zorder=6)
    if view.contact:
        ax.add_patch(
            Circle(
                tuple(here),
                view.contact,
                fc="none",
                ec=INK["robot"],
                lw=1.0 * scale,
                ls="--",
                zorder=6,
            )
        )
    ax.add_patch(
        Circle(tuple(here), 0.28, fc=INK["robot"], ec=INK["panel"], lw=1.2 * scale, zorder=7)
    )
    for crossing in (view.trace.get("start"), view.trace.get("goal")):
        if crossing is not None:
            ax.plot(
                *crossing, marker="P", ms=8 * scale, mfc=INK["robot"], mec=INK["panel"], zorder=4
            )


def _crossing_start(view: SceneView, cycle: int) -> int:
    """First cycle of the crossing that `cycle` belongs to."""
    crossings = (view.summary.get("robot") or {}).get("crossings") or []
    starts = [crossing.get("start_s") or 0.0 for crossing in crossings]
    now = float(view["time"][cycle])
    before = [start for start in starts if start <= now]
    return int(np.searchsorted(view["time"], max(before, default=view["time"][0])))


def _shown_ahead(view: SceneView) -> NDArray[np.intp]:
    """A few of the forecast instants, evenly spread, the last one included."""
    count = len(view["forecast_time"])
    if not count or view["forecast_mean"].shape[:2] != (len(view["person_id"]), count):
        return np.zeros(0, dtype=np.intp)
    return np.unique(np.linspace(0, count - 1, _SHOWN_AHEAD + 1).round().astype(np.intp)[1:])


def _likely_ink(view: SceneView, row: int) -> str:
    """Colour of the likeliest goal, or grey where none stands out."""
    belief = view.goal_belief[row]
    if not len(belief) or belief.max(initial=0.0) < 0.5:
        return INK["person"]
    return goal_ink(int(np.argmax(belief)))


def _clamp(centre: float, low: float, high: float, size: float) -> float:
    """Keep a window of `size` inside [low, high]; where it is wider, in the middle."""
    if high - low <= size:
        return (low + high) / 2
    return min(max(centre, low + size / 2), high - size / 2)
