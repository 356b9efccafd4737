"""Keeps what happened in every cycle, and derives the safety figures from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.crowd import CrowdFrame
from optcore.loop import ControlLoop, LoopConfig, StepResult, fallback_names, side_names

__all__ = ["Recorder"]

_Floats = NDArray[np.float64]

_MOVING_MPS = 0.1  # a contact at more than this is caused by the robot
_STANDING_MPS = 0.05
_REASON_M = 2.0  # somebody within this is a reason to stand
_NEAR_M = 0.7
_FORECASTS = 5  # instants of the horizon kept per person


class Recorder:
    """Rows of a run; `trace()` gives them as arrays (see optcore.run.schema)."""

    def __init__(self, config: LoopConfig) -> None:
        self.config = config
        stages = np.linspace(0, config.horizon, _FORECASTS + 1).round().astype(int)[1:]
        self._stages = np.unique(stages)
        self._cycles: list[tuple[Any, ...]] = []
        self._rows: list[tuple[Any, ...]] = []
        self._fallback = {name: i for i, name in enumerate(fallback_names())}
        self._side = {name: i for i, name in enumerate(side_names())}

    def __len__(self) -> int:
        return len(self._cycles)

    def add(
        self,
        frame: CrowdFrame,
        state: _Floats,
        applied: _Floats,
        pausing: bool,
        result: StepResult,
        loop: ControlLoop,
    ) -> None:
        """Take over one cycle; `state` is the robot's when the frame was taken."""
        cycle = len(self._cycles)
        self._cycles.append(
            (
                frame.time,
                state.copy(),
                applied.copy(),
                loop.plan(),
                self._fallback[result.fallback],
                self._side[result.side],
                result.risk_planned,
                result.risk_allocated,
                result.considered,
                np.array(result.seconds) * 1e6,
                pausing,
            )
        )
        if len(frame.ids) == 0:
            return
        crowd = loop.people()
        order = np.argsort(crowd.ids, kind="stable")
        at = order[np.searchsorted(crowd.ids[order], frame.ids).clip(0, len(order) - 1)]
        known = crowd.ids[at] == frame.ids
        here = frame.present & known
        at = at[here]
        weight = crowd.belief[at]
        mean = crowd.mean[at][:, :, self._stages]
        w = weight[:, :, None, None]
        centre = (w * mean).sum(axis=1)
        apart = mean - centre[:, None]
        spread = np.stack(
            [apart[..., 0] ** 2, apart[..., 0] * apart[..., 1], apart[..., 1] ** 2], axis=-1
        )
        covariance = (w * (crowd.covariance[at][:, :, self._stages] + spread)).sum(axis=1)
        self._rows.append(
            (
                np.full(len(at), cycle, np.int32),
                frame.ids[here].astype(np.int32),
                frame.position[here],
                frame.observed[here],
                weight.astype(np.float32),
                centre.astype(np.float32),
                covariance.astype(np.float32),
            )
        )

    def trace(self, hypotheses: int) -> dict[str, NDArray[Any]]:
        """Every cycle and every row of it, as the schema names them."""
        n, f = self.config.horizon + 1, len(self._stages)
        shapes = ((), (4,), (2,), (n, 2), (), (), (), (), (), (4,), ())
        columns = list(zip(*self._cycles, strict=True)) if self._cycles else [()] * len(shapes)
        time, robot, command, plan, fallback, side, risk, budget, considered, latency, pausing = (
            np.array(column, np.float64).reshape(-1, *shape)
            for column, shape in zip(columns, shapes, strict=True)
        )
        empty = (
            np.zeros(0, np.int32),
            np.zeros(0, np.int32),
            np.zeros((0, 2)),
            np.zeros((0, 2)),
            np.zeros((0, hypotheses), np.float32),
            np.zeros((0, f, 2), np.float32),
            np.zeros((0, f, 3), np.float32),
        )
        parts = zip(*self._rows, strict=True) if self._rows else ((e,) for e in empty)
        cycle, person, position, observed, belief, mean, covariance = map(np.concatenate, parts)
        distance = np.full(len(time), np.nan)
        if len(cycle):
            np.fmin.at(distance, cycle, np.linalg.norm(position - robot[cycle, :2], axis=1))
        return {
            "time": time,
            "robot": robot,
            "command": command,
            "plan": plan,
            "step_s": np.array(self.config.step),
            "fallback": fallback.astype(np.int8),
            "fallback_names": np.array(fallback_names()),
            "side": side.astype(np.int8),
            "risk": risk,
            "risk_budget": budget,
            "considered": considered.astype(np.int16),
            "pausing": pausing.astype(bool),
            "min_distance": distance,
            "latency_us": latency,
            "person_cycle": cycle,
            "person_id": person,
            "person_position": position,
            "person_observed": observed,
            "belief": belief,
            "forecast_mean": mean,
            "forecast_cov": covariance,
            "forecast_time": self._stages * self.config.step,
            "contact_distance": np.array(self.config.contact_distance),
        }

    def safety(self, trace: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Distances, contacts and risk; contacts are intervals of one person within reach."""
        cycle, robot = trace["person_cycle"], trace["robot"]
        speed = np.linalg.norm(robot[:, 2:], axis=1)
        caused, standing = _contacts(trace, speed, self.config.contact_distance)
        nearest = trace["min_distance"]
        seen = np.isfinite(nearest)
        met = (trace["considered"] > 0) & ~trace["pausing"]
        return {
            "min_distance_m": float(nearest[seen].min()) if seen.any() else None,
            "robot_caused_collisions": caused,
            "contacts_at_standstill": standing,
            "contact_distance_m": self.config.contact_distance,
            "near_share": float((nearest[seen] < _NEAR_M).mean()) if seen.any() else None,
            "risk_budget": float(trace["risk_budget"][met].mean()) if met.any() else None,
            "risk_promised": float(trace["risk"][met].mean()) if met.any() else None,
            "risk_observed": self._risk_observed(trace) if len(cycle) else None,
        }

    def standstill(self, trace: dict[str, NDArray[Any]]) -> dict[str, float]:
        """Seconds the robot stood while under way, and of these with nobody near."""
        speed = np.linalg.norm(trace["robot"][:, 2:], axis=1)
        standing = (speed < _STANDING_MPS) & ~trace["pausing"]
        # the first second after a start or a pause is the robot's own
        grace = round(1.0 / self.config.period)
        moved_off = np.convolve(
            np.r_[True, trace["pausing"][:-1]] if len(speed) else [], np.ones(grace)
        )[: len(speed)]
        standing &= moved_off == 0
        alone = ~(trace["min_distance"] <= _REASON_M)
        return {
            "standstill_s": float(standing.sum() * self.config.period),
            "standstill_without_reason_s": float((standing & alone).sum() * self.config.period),
        }

    def _risk_observed(self, trace: dict[str, NDArray[Any]]) -> float | None:
        """Share of plans that would have touched somebody, had they been followed to the end."""
        cycles = len(trace["time"])
        touched = np.zeros(cycles, bool)
        cycle, position, plan = trace["person_cycle"], trace["person_position"], trace["plan"]
        for k in range(1, self.config.horizon + 1):
            origin = cycle - round(k * self.config.step / self.config.period)
            valid = origin >= 0
            gap = np.linalg.norm(position[valid] - plan[origin[valid], k], axis=1)
            touched[origin[valid][gap < self.config.contact_distance]] = True
        judged = trace["considered"] > 0
        judged &= ~trace["pausing"]
        return float(touched[judged].mean()) if judged.any() else None


def _contacts(trace: dict[str, NDArray[Any]], speed: _Floats, contact: float) -> tuple[int, int]:
    cycle, person = trace["person_cycle"], trace["person_id"]
    gap = np.linalg.norm(trace["person_position"] - trace["robot"][cycle, :2], axis=1)
    touching = np.flatnonzero(gap < contact)
    order = touching[np.lexsort((cycle[touching], person[touching]))]
    caused = standing = 0
    start = 0
    for i in range(1, len(order) + 1):
        last = i == len(order)
        if not last:
            same = person[order[i]] == person[order[i - 1]]
            if same and cycle[order[i]] == cycle[order[i - 1]] + 1:
                continue
        moving = (speed[cycle[order[start:i]]] > _MOVING_MPS).any()
        caused, standing = caused + int(moving), standing + int(not moving)
        start = i
    return caused, standing
