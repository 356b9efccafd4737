"""One picture of a run, for a README."""

from __future__ import annotations

from pathlib import Path

from optcore.run.report.map import draw_goals, draw_moment, draw_tracks, frame, window_around
from optcore.run.report.moments import telling_moments
from optcore.run.report.plot import INK, axes, new_figure
from optcore.run.report.style import LIGHT
from optcore.run.report.view import SceneView
from optcore.run.result import RunResult

__all__ = ["write_hero"]

_WIDTH, _HEIGHT = 1400, 800


def write_hero(result: RunResult, path: str | Path) -> None:
    """Write a 1400 x 800 PNG: the map at the busiest moment, forecasts and the robot's plan.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    view = SceneView.of(result)
    moments = telling_moments(view)
    busiest = max(moments, key=lambda m: view.rows(m.cycle).stop - view.rows(m.cycle).start)
    figure = new_figure(_WIDTH / 2, _HEIGHT / 2)
    ax = axes(figure)
    window = window_around(view, view["robot"][busiest.cycle, :2], _WIDTH / _HEIGHT)
    draw_tracks(ax, view)
    draw_goals(ax, view, window)
    draw_moment(ax, view, busiest)
    frame(ax, window)
    _paint(figure)
    figure.savefig(path, format="png", dpi=144, facecolor=LIGHT["panel"])


def _paint(figure: object) -> None:
    """Marker colours to those of the light page: a PNG has no style sheet."""
    from matplotlib.artist import Artist
    from matplotlib.colors import to_hex, to_rgba

    names = {to_hex(colour): LIGHT[name] for name, colour in INK.items()}
    assert isinstance(figure, Artist)
    for artist in figure.findobj():
        for kind in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            get = getattr(artist, f"get_{kind}", None)
            put = getattr(artist, f"set_{kind}", None)
            if get is None or put is None:
                continue
            value = get()
            try:
                if hasattr(value, "ndim") and value.ndim == 2:
                    put([(*to_rgba(names.get(to_hex(c), to_hex(c)))[:3], c[3]) for c in value])
                elif (hexed := to_hex(value)) in names:
                    put((*to_rgba(names[hexed])[:3], to_rgba(value)[3]))
            except (TypeError, ValueError):
                continue
