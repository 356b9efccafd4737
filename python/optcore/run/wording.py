"""Figures as text, the same in the table of the command and in the report."""

from __future__ import annotations

from typing import Any

__all__ = ["MISSING", "better", "count", "fixed", "look_up", "micro", "percent", "plural"]

MISSING = "n/a"


def look_up(tree: Any, path: str, default: Any = None) -> Any:
    """Value under a dotted path of keys; `default` where a part is missing or None."""
    for key in path.split("."):
        if not isinstance(tree, dict):
            return default
        tree = tree.get(key)
    return default if tree is None else tree


def fixed(value: float | None, digits: int = 2) -> str:
    """`value` with a fixed number of digits, or n/a."""
    return MISSING if value is None else f"{value:.{digits}f}"


def micro(value: float | None) -> str:
    """Microseconds to three digits, with thousands set apart."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage, or n/a."""
    return MISSING if value is None else f"{100 * value:.{digits}f} %"


def count(value: float | None) -> str:
    """A whole number with thousands set apart, or n/a."""
    return MISSING if value is None else f"{int(value):,}"


def plural(value: float | None, one: str, many: str | None = None) -> str:
    """`3 people`, `1 person`: a number with its noun."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def better(value: float | None, beside: float | None) -> str:
    """How much lower `value` is than `beside`: `12 % better`, `3 % worse`, `the same`."""
    if value is None or not beside:
        return ""
    change = (beside - value) / beside
    if abs(change) < 0.0005:
        return "the same"
    return f"{100 * abs(change):.{1 if abs(change) < 0.1 else 0}f} % " + (
        "better" if change > 0 else "worse"
    )
