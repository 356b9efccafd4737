"""Plan among forecast people with NumPy and OSQP: chance constraints, candidate sides, guard.

The steps and constants are those of optcore's planner, each written over all people, hypotheses
and stages at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from areas.loop_baseline.people import Crowd
from areas.loop_baseline.plan_qp import PlanQp
from areas.loop_baseline.scene import PERIOD_S, STAGE_S, STAGES, Floats

_FAR = 1e6


def allocate_risk(weight: Floats, budget: float) -> Floats:
    """Conditional risk per person and hypothesis, (P, H); 1 means left out.

    The least likely are left out while their mass fits into half of the budget; the rest share
    what remains equally, risk = share / weight, at most 1/2.
    """
    order = np.argsort(weight, axis=1)
    running = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    out_sorted = running <= 0.5 * budget
    out_sorted[:, -1] = False
    out = np.zeros_like(out_sorted)
    np.put_along_axis(out, order, out_sorted, axis=1)
    left = budget - (weight * out).sum(axis=1)
    risk = np.where(out, 1.0, 0.0)
    open_ = ~out
    while True:
        share = left / np.maximum(open_.sum(axis=1), 1)
        capped = open_ & (share[:, None] > 0.5 * weight)
        if not capped.any():
            break
        risk[capped] = 0.5
        left = left - 0.5 * (weight * capped).sum(axis=1)
        open_ &= ~capped
    return np.where(open_, share[:, None] / np.maximum(weight, 1e-300), risk)


class Planner:
    """Candidates: keep, left, right (then yield), each with a workspace of its own."""

    def __init__(self, settings: Mapping[str, float], eps: float) -> None:
        self._s = settings
        self._rows = int(settings["rows_per_stage"])
        self._qps = [PlanQp(settings, self._rows, eps) for _ in range(int(settings["sides"]))]
        self._plan: Floats | None = None
        self.solves = 0

    def reset(self) -> None:
        """Forget the plan and all warm starts."""
        self._plan = None
        for qp in self._qps:
            qp.reset()

    def step(self, crowd: Crowd, state: Floats, goal: Floats) -> Floats:
        """The command (2,) in m/s^2."""
        s = self._s
        reference = self._straight(state, goal)
        self._allocate(crowd)
        around = reference
        if self._plan is not None:
            around = self._plan.copy()
            around[:-1] += PERIOD_S / STAGE_S * np.diff(around, axis=0)
            around[0] = state[:2]
        best, cost, drawn = -1, np.inf, True
        self.solves = 0
        for side, qp in enumerate(self._qps):
            if side > 0:
                if not drawn:
                    break
                around = self._seed(side, crowd, state, goal, reference)
            normals, offsets, count = self._half_planes(crowd, around)
            if side == 0:
                drawn = count > 0
            qp.solve(state, reference, normals, offsets)
            self.solves += 1
            if not qp.solved:
                continue
            own = self._cost(crowd, qp)
            if best < 0 or own < cost * (1.0 - s["hysteresis"] if best == 0 else 1.0):
                best, cost = side, own
        if best < 0:
            return self._brake(state)
        self._qps[0], self._qps[best] = self._qps[best], self._qps[0]
        return self._accept(crowd, state, reference)

    def _accept(self, crowd: Crowd, state: Floats, reference: Floats) -> Floats:
        s, chosen = self._s, self._qps[0]
        seconds = s["max_speed"] / s["max_acceleration"] + s["belief_period"]
        committed = min(STAGES + 1, 2 + int(seconds / STAGE_S))
        if self._touches(crowd, chosen.path[:committed], likely_only=False):
            normals, offsets, _ = self._half_planes(crowd, chosen.path, likely_only=True)
            chosen.solve(state, reference, normals, offsets)
            self.solves += 1
            if self._touches(crowd, chosen.path[:committed], likely_only=True):
                return self._brake(state)
        self._plan = chosen.path
        if not self._can_brake_after(crowd, state, chosen.input):
            return self._brake(state)
        return chosen.input

    def _allocate(self, crowd: Crowd) -> None:
        s = self._s
        looks = max(1.0, STAGES * STAGE_S / s["correlation_time"])
        budget = s["risk"] / (looks * max(len(crowd.weight), 1))
        risk = allocate_risk(crowd.weight, budget)
        self._kept = risk < 1.0
        self._quantile = np.maximum(ndtri(1.0 - np.where(self._kept, risk, 0.5)), 0.0)

    def _straight(self, state: Floats, goal: Floats) -> Floats:
        way = goal - state[:2]
        distance = float(np.hypot(way[0], way[1]))
        step = self._s["preferred_speed"] * STAGE_S
        done = np.minimum(np.arange(STAGES + 1) * step / max(distance, 1e-300), 1.0)
        return np.asarray(state[:2] + done[:, None] * way)

    def _seed(
        self, side: int, crowd: Crowd, state: Floats, goal: Floats, reference: Floats
    ) -> Floats:
        """The straight path, pushed left (1) or right (2) of everybody's likeliest forecast."""
        way = goal - state[:2]
        length = float(np.hypot(way[0], way[1]))
        path = reference.copy()
        if length == 0 or not len(crowd.weight):
            return path
        ahead = way / length
        aside = np.array([-ahead[1], ahead[0]]) * (1.0 if side == 1 else -1.0)
        wide = self._s["contact_distance"] + 2 * self._s["clearance"]
        mean = crowd.mean[np.arange(len(crowd.weight)), crowd.weight.argmax(axis=1)]
        for _ in range(3):
            moved = False
            for person in mean:  # one after the other: each push moves the path for the next
                d = path[1:] - person[1:]
                along, across = d @ ahead, d @ aside
                near = along**2 + across**2 < wide**2
                if near.any():
                    push = np.sqrt(np.maximum(wide**2 - along**2, 0.0)) - across
                    path[1:] += (np.where(near, push, 0.0))[:, None] * aside
                    moved = True
            if not moved:
                break
        return path

    def _room(self, crowd: Crowd, path: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Of stages 1.. against each forecast: length, normal x, y, distance to keep; (P, H, K)."""
        stages = slice(1, len(path))
        d = path[1:] - crowd.mean[:, :, stages]
        dx, dy = d[..., 0], d[..., 1]
        length = np.sqrt(dx * dx + dy * dy)
        inverse = 1.0 / np.maximum(length, 1e-9)
        nx, ny = dx * inverse, dy * inverse
        c = crowd.covariance[:, :, stages]
        square = nx * nx * c[..., 0] + 2 * nx * ny * c[..., 1] + ny * ny * c[..., 2]
        margin = self._quantile[:, :, None] * np.sqrt(np.maximum(square, 0.0))
        keep = self._s["contact_distance"] + self._s["clearance"]
        return length, nx, ny, keep + np.minimum(margin, self._s["max_margin"])

    def _used(self, crowd: Crowd, likely_only: bool) -> NDArray[np.bool_]:
        used = self._kept.copy()
        if likely_only:
            used &= crowd.weight == crowd.weight.max(axis=1, keepdims=True)
        return used[:, :, None]

    def _half_planes(
        self, crowd: Crowd, around: Floats, likely_only: bool = False
    ) -> tuple[Floats, Floats, int]:
        """The tightest half-planes of a stage: normals (N, rows, 2), offsets (N, rows), count."""
        rows = self._rows
        normals = np.full((STAGES, rows, 2), 0.5)
        offsets = np.full((STAGES, rows), -_FAR)
        if not len(crowd.weight):
            return normals, offsets, 0
        length, nx, ny, keep = self._room(crowd, around)
        room = length - keep
        valid = self._used(crowd, likely_only) & (room <= self._s["reach"])
        flat = np.where(valid, room, np.inf).reshape(-1, STAGES).T
        take = min(rows, flat.shape[1])
        if flat.shape[1] > rows:
            chosen = np.argpartition(flat, rows - 1, axis=1)[:, :rows]
        else:
            chosen = np.broadcast_to(np.arange(take), (STAGES, take))
        stage = np.arange(STAGES)[:, None]
        there = np.isfinite(flat[stage, chosen])

        def pick(values: Floats) -> Floats:
            return np.asarray(values.reshape(-1, STAGES).T[stage, chosen])

        x, y = pick(nx), pick(ny)
        mean = crowd.mean[:, :, 1:].reshape(-1, STAGES, 2)
        at = mean[chosen, stage]
        offset = x * at[..., 0] + y * at[..., 1] + pick(keep)
        normals[:, :take, 0] = np.where(there, x, 0.5)
        normals[:, :take, 1] = np.where(there, y, 0.5)
        offsets[:, :take] = np.where(there, offset, -_FAR)
        return normals, offsets, int(there.sum())

    def _cost(self, crowd: Crowd, qp: PlanQp) -> float:
        s, total = self._s, qp.tracking_cost()
        if not len(crowd.weight):
            return total
        length, _, _, keep = self._room(crowd, qp.path)
        lack = np.maximum(keep - length, 0.0) * self._kept[:, :, None]
        priced = s["penalty_linear"] * lack + s["penalty_square"] * lack**2
        return total + float((crowd.weight[:, :, None] * priced).sum())

    def _touches(self, crowd: Crowd, path: Floats, likely_only: bool) -> bool:
        if not len(crowd.weight):
            return False
        d = path[1:] - crowd.mean[:, :, 1 : len(path)]
        near = (d * d).sum(axis=3) < self._s["contact_distance"] ** 2
        return bool((near & self._used(crowd, likely_only)).any())

    def _brake(self, state: Floats) -> Floats:
        self._plan = None
        speed = float(np.hypot(state[2], state[3]))
        if speed == 0:
            return np.zeros(2)
        limit = self._s["max_acceleration"]
        return np.asarray(-min(limit, speed / PERIOD_S) / speed * state[2:])

    def _can_brake_after(self, crowd: Crowd, state: Floats, command: Floats) -> bool:
        """True when braking one period later keeps clear of everybody likely enough."""
        s = self._s
        limit, horizon = s["max_acceleration"], STAGE_S * STAGES
        states: list[Floats] = []
        x, u = state.copy(), command
        speed_before = float(np.hypot(x[2], x[3]))
        while len(states) * PERIOD_S < horizon:
            if states:
                rate = min(limit, speed_before / PERIOD_S) / max(speed_before, 1e-300)
                u = -rate * x[2:]
            x = x.copy()
            x[:2] += PERIOD_S * x[2:] + 0.5 * PERIOD_S**2 * u
            x[2:] += PERIOD_S * u
            speed = float(np.hypot(x[2], x[3]))
            if max(speed, speed_before) < 0.05:
                break
            states.append(x)
            speed_before = speed
        if not states or not len(crowd.weight):
            return True
        at = PERIOD_S / STAGE_S * np.arange(1, len(states) + 1)
        k = np.minimum(at.astype(int), STAGES - 1)
        f = (at - k)[:, None]
        where = crowd.mean[:, :, k] + f * (crowd.mean[:, :, k + 1] - crowd.mean[:, :, k])
        d = np.array(states)[:, :2] - where
        distance = np.sqrt((d * d).sum(axis=3))
        n = d / np.maximum(distance, 1e-6)[..., None]
        c = crowd.covariance[:, :, k]
        square = n[..., 0] ** 2 * c[..., 0] + n[..., 1] ** 2 * c[..., 2]
        sigma = np.sqrt(np.maximum(square + 2 * n[..., 0] * n[..., 1] * c[..., 1], 0.0))
        near = s["contact_distance"] + s["brake_margin"]
        close = distance <= near + np.minimum(sigma, s["brake_margin"])
        close &= crowd.weight[:, :, None] >= s["risk"]
        before = np.linalg.norm(state[:2] - crowd.mean[:, :, 0], axis=2)[:, :, None]
        touch = s["contact_distance"] + 0.5 * s["brake_margin"]
        return not bool((close & ((distance < before + 0.01) | (distance < touch))).any())
