"""Matplotlib pictures as inline SVG whose colours follow the page, light or dark.

A picture is drawn with the marker colours of `INK`; in the SVG text these become CSS variables.
"""

from __future__ import annotations

import io
import re
from typing import Any

from optcore.errors import MissingDependency

__all__ = ["INK", "axes", "goal_ink", "new_figure", "to_svg"]

INK = {
    name: f"#0{index:x}0b0c"
    for index, name in enumerate(
        ("ink", "muted", "line", "grid", "panel", "robot", "person", "track", "bad", "other")
    )
}
"""Marker colours by the name of their CSS variable."""

_GOALS = 6
INK.update({f"goal{g}": f"#1{g:x}0b0c" for g in range(_GOALS)})

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "optcore",
    "font.size": 10.5,
    "axes.linewidth": 0.8,
    "path.simplify_threshold": 0.3,
}


def goal_ink(goal: int) -> str:
    """Marker colour of a goal; from the seventh on they repeat, and the letter tells."""
    return INK[f"goal{goal % _GOALS}"]


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many CSS pixels.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency("a report needs matplotlib: pip install optcore[report]") from None
    with rc_context(_SETTINGS):
        return Figure(figsize=(width / 72, height / 72), facecolor="none", layout="constrained")


def axes(figure: Any, *position: Any, grid: str = "both", **settings: Any) -> Any:
    """Axes in the report's manner: two spines, quiet ticks, a faint grid below everything."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        ax = figure.add_subplot(*position, **settings)
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK["line"])
    ax.tick_params(which="both", colors=INK["muted"], labelcolor=INK["muted"], length=3, width=0.8)
    ax.xaxis.label.set_color(INK["muted"])
    ax.yaxis.label.set_color(INK["muted"])
    if grid:
        ax.grid(True, axis=grid, color=INK["grid"], linewidth=0.8)
    return ax


def to_svg(figure: Any, label: str, prefix: str) -> str:
    """The figure as an <svg> element; `label` is read aloud, `prefix` keeps its ids apart."""
    from html import escape

    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    text = re.sub(r"\d+\.\d{2,}", lambda number: f"{float(number[0]):.2f}", text)
    text = re.sub(r"(font:[^;\"]*?\d+(?:\.\d+)?px)[^;\"]*", r"\1 var(--font)", text)
    for name, colour in INK.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r"\n\s*", "\n", text)
    # drawn to the width of the page, not to the size in points
    return re.sub(
        r'<svg([^>]*?) width="[^"]*"([^>]*?)',
        lambda match: f'<svg role="img" aria-label="{escape(label)}"{match[1]}{match[2]}',
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1),
        count=1,
    )
