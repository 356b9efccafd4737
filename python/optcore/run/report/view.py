"""A trace as the pictures need it: every array there, rows of a cycle and of a person at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._plain import plain
from optcore.run.result import RunResult

__all__ = ["SceneView", "ellipses"]

Array = NDArray[Any]

_QUANTILE_90 = 2.145966  # sqrt of the 0.9 quantile of chi-squared with 2 degrees of freedom
_CERTAIN = 0.8  # of the belief among goals

_SHAPES: dict[str, tuple[int, ...]] = {
    "time": (0,),
    "robot": (0, 4),
    "plan": (0, 1, 2),
    "fallback": (0,),
    "fallback_names": (0,),
    "risk": (0,),
    "min_distance": (0,),
    "latency_us": (0, 4),
    "person_cycle": (0,),
    "person_id": (0,),
    "person_position": (0, 2),
    "belief": (0, 1),
    "forecast_mean": (0, 0, 2),
    "forecast_cov": (0, 0, 3),
    "forecast_time": (0,),
    "goals": (0, 2),
    "hypothesis_names": (0,),
    "true_goal_person": (0,),
    "true_goal": (0,),
}


@dataclass(frozen=True, eq=False)
class SceneView:
    """One scene. Arrays that the trace lacks are empty, so that pictures need not ask."""

    summary: dict[str, Any]
    trace: dict[str, Array]

    @classmethod
    def of(cls, result: RunResult) -> SceneView:
        """Fill in what is missing."""
        trace = {name: np.zeros(shape) for name, shape in _SHAPES.items()}
        trace.update({name: np.asarray(array) for name, array in result.trace.items()})
        trace["person_cycle"] = trace["person_cycle"].astype(np.intp)
        trace["fallback"] = trace["fallback"].astype(np.intp)
        return cls(plain(result.summary), trace)

    def __getitem__(self, name: str) -> Array:
        return self.trace[name]

    @property
    def cycles(self) -> int:
        """Number of control cycles."""
        return len(self["time"])

    @property
    def name(self) -> str:
        """Short name of the scene."""
        return str((self.summary.get("scene") or {}).get("name") or "scene")

    @property
    def contact(self) -> float | None:
        """Distance of centres below which robot and person touch, m."""
        value = self.trace.get("contact_distance")
        return float(value) if value is not None and np.isfinite(value) else None

    @cached_property
    def starts(self) -> Array:
        """(C + 1,) first row of every cycle."""
        return np.searchsorted(self["person_cycle"], np.arange(self.cycles + 1))

    def rows(self, cycle: int) -> slice:
        """Rows of the people there in one cycle."""
        return slice(int(self.starts[cycle]), int(self.starts[cycle + 1]))

    @cached_property
    def tracks(self) -> dict[int, Array]:
        """Rows of every person, in order of time."""
        order = np.argsort(self["person_id"], kind="stable")
        people, first = np.unique(self["person_id"][order], return_index=True)
        parts = np.split(order, first[1:]) if len(people) else []
        return {int(person): rows for person, rows in zip(people, parts, strict=True)}

    @cached_property
    def goal_belief(self) -> Array:
        """(R, G) belief among goals alone, constant velocity left out; rows sum to 1."""
        goals = np.asarray(self["belief"][:, : len(self["goals"])], dtype=float)
        mass = goals.sum(axis=1, keepdims=True)
        share: Array = np.divide(goals, mass, out=np.zeros_like(goals), where=mass > 0)
        return share

    @cached_property
    def letters(self) -> list[str]:
        """Short mark of every goal: A, B, C ..."""
        return [
            chr(65 + g % 26) + (str(g // 26) if g >= 26 else "") for g in range(len(self["goals"]))
        ]

    @cached_property
    def goal_names(self) -> list[str]:
        """The goals' names where somebody gave them some, `goal A` where they are numbers."""
        names = [str(name) for name in self["hypothesis_names"][: len(self["goals"])]]
        names += [""] * (len(self["goals"]) - len(names))
        return [
            f"goal {letter}" if re.fullmatch(r"\s*(goal|g)?[\s_-]*\d*", name, re.I) else name
            for letter, name in zip(self.letters, names, strict=True)
        ]

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Box x0, y0, x1, y1 of where people and the robot were, a metre wider."""
        points = np.concatenate([self["person_position"], self["robot"][:, :2]])
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return (0.0, 0.0, 10.0, 8.0)
        low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
        return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def distances(self, cycle: int) -> Array:
        """Distance of everybody there to the robot, m."""
        offset = self["person_position"][self.rows(cycle)] - self["robot"][cycle, :2]
        return np.asarray(np.hypot(offset[:, 0], offset[:, 1]))

    def certain_from(self, rows: Array, goal: int) -> int | None:
        """Index into `rows` from which the belief in `goal` stays above 0.8; None if it never."""
        sure = self.goal_belief[rows, goal] >= _CERTAIN
        if not len(sure) or not sure[-1]:
            return None
        unsure = np.flatnonzero(~sure)
        return int(unsure[-1]) + 1 if len(unsure) else 0


def ellipses(covariance: Array) -> Array:
    """Turn (..., 3) covariances xx xy yy into (..., 3): half axes m and angle rad of 90 %."""
    xx, xy, yy = np.moveaxis(np.asarray(covariance, dtype=float), -1, 0)
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long = np.sqrt(np.maximum(middle + half, 0.0))
    short = np.sqrt(np.maximum(middle - half, 0.0))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    return np.stack([_QUANTILE_90 * long, _QUANTILE_90 * short, angle], axis=-1)
