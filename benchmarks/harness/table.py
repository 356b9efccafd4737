"""Rows as text for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.case import OURS


def number(value: float | None) -> str:
    """Four significant digits, without exponent where it can be read."""
    if value is None:
        return "-"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return f"{value:.3e}"


def render(rows: Sequence[dict[str, Any]]) -> str:
    """One line per contestant: median, best and p99, and how many times better optcore is."""
    lines = [("case", "", "median", "best", "p99", "unit", "optcore is")]
    remarks = []
    for row in rows:
        label = row["case"] if row["measure"] == "time" else f"{row['case']} ({row['measure']})"
        names = ([OURS] if row["optcore"] is not None else []) + sorted(
            row["peers"], key=row["peers"].__getitem__
        )
        for i, name in enumerate(names):
            mine = name == OURS
            lines.append(
                (
                    "" if i else label,
                    name,
                    number(row["optcore"] if mine else row["peers"][name]),
                    number(row["optcore_min"] if mine else row["peers_min"][name]),
                    number(row["optcore_p99"] if mine else row["peers_p99"][name]),
                    row["unit"],
                    _ratio(row) if name == row["best_peer"] else "",
                )
            )
        if not names:
            lines.append((label, "-", "", "", "", row["unit"], ""))
        remarks += _remarks(row)
    return "\n".join([*_columns(lines), *dict.fromkeys(remarks)])


def _ratio(row: dict[str, Any]) -> str:
    if row["ratio_to_best_peer"] is None:
        return ""
    low, high = row["ratio_interval"]
    return f"{row['ratio_to_best_peer']:.3g} x better [{low:.3g}, {high:.3g}]"


def _remarks(row: dict[str, Any]) -> list[str]:
    remarks = [f"  absent   {name}: {why}" for name, why in row["absent"].items()]
    checks = dict(row["checks"])
    agreed, reason = checks.pop("agree"), checks.pop("reason", "")
    refused = checks.pop("refused", {})
    remarks += [f"  refused  {row['case']} {name}: {why}" for name, why in refused.items()]
    if reason:
        remarks.append(f"  {'none   ' if agreed is None else 'REFUSED'}  {row['case']}: {reason}")
    if checks:
        figures = ", ".join(
            f"{key} {number(value) if isinstance(value, float) else value}"
            for key, value in checks.items()
        )
        remarks.append(f"  checked  {row['case']}: {figures}")
    return remarks


def _columns(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    right = {2, 3, 4}
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
