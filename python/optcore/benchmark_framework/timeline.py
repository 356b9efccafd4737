"""The runs of one benchmark over time, and where they changed."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optcore.benchmark_framework.changes import Change, change_points

__all__ = ["Timeline"]

_LATEST = 300  # points looked through for changes; the cost is quadratic


@dataclass(frozen=True)
class Timeline:
    """Points of one machine, oldest first: run, time, commit, median_time, ci_low, ci_high ..."""

    name: str
    machine: str
    points: tuple[Mapping[str, Any], ...]
    left_out: int = 0
    """points of other machines"""
    min_ratio: float = 1.03

    @functools.cached_property
    def changes(self) -> list[Change]:
        """Change points of the medians, or of each round's where a run had several; `index`
        counts `points`.

        Repeated runs of one commit stand together, and a change lies between commits, unless
        the tree was dirty or unknown.
        """
        shown = self.points[-_LATEST:]
        offset = len(self.points) - len(shown)
        commits = _groups(shown)
        rounds = [point.get("rounds") or [point["median_time"]] for point in shown]
        owner = [i for i, medians in enumerate(rounds) for _ in medians]
        found = change_points(
            [float(median) for medians in rounds for median in medians],
            groups=[commits[i] for i in owner],
            min_ratio=self.min_ratio,
        )
        return [Change(owner[c.index] + offset, c.before, c.after, c.p_value) for c in found]

    def __len__(self) -> int:
        return len(self.points)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "machine": self.machine,
            "points": [dict(point) for point in self.points],
            "left_out": self.left_out,
            "changes": [
                {
                    "index": c.index, "run": self.points[c.index].get("run"),
                    "commit": self.points[c.index].get("commit"), "before": c.before,
                    "after": c.after, "ratio": c.ratio, "p_value": c.p_value,
                }
                for c in self.changes
            ],
        }  # fmt: skip


def _groups(points: Sequence[Mapping[str, Any]]) -> list[int]:
    groups: list[int] = []
    for i, point in enumerate(points):
        commit = point.get("commit")
        same = bool(
            i and commit and commit == points[i - 1].get("commit") and "dirty" not in str(commit)
        )
        groups.append(groups[-1] + (not same) if groups else 0)
    return groups
