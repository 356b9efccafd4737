"""The table that `optcore evaluate` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["table_lines"]

_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("nearer than 1.1 m", "near_share", lambda v: f"{100 * v:.2f} %"),
    ("nearer than 0.7 m", "touch_share", lambda v: f"{100 * v:.2f} %"),
    ("without a feasible plan", "no_plan_share", lambda v: f"{100 * v:.2f} %"),
    ("goals missed", "goals_missed", lambda v: f"{v}"),
    ("time to goal, s", "time_to_goal_s", lambda v: f"{v:.2f}"),
    ("standing still, s a crossing", "standstill_s", lambda v: f"{v:.2f}"),
)
_COLUMNS = (
    ("belief", "belief"),
    ("const vel", "constant_velocity"),
    ("true future", "oracle"),
)


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """Lines of at most 80 columns, scene by scene and all together."""
    blocks = dict(result["scenes"])
    if len(blocks) > 1:
        blocks["all scenes"] = result
    for name, figures in blocks.items():
        yield ""
        yield f"{name}: {figures['starts']} crossings with each forecast"
        yield f"  {'share of control periods':<30}" + "".join(f"{t:>14}" for t, _ in _COLUMNS)
        for label, key, show in _ROWS:
            values = (figures[key][column] for _, column in _COLUMNS)
            cells = ("n/a" if v is None else show(v) for v in values)
            yield f"  {label:<30}" + "".join(f"{cell:>14}" for cell in cells)
        paired = figures["paired"]["near_share"]
        difference, low, high = (100 * paired[key] for key in ("difference", "low", "high"))
        yield (
            "  belief less constant velocity, nearer than 1.1 m: "
            f"{difference:+.2f} [{low:+.2f}, {high:+.2f}] points"
        )
        cycle = figures["cycle_ms"]
        yield (
            f"  cycle, ms: p50 {cycle['p50']:.3f}, p99 {cycle['p99']:.3f}, max {cycle['max']:.3f}"
        )
