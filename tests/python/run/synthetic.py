"""Results that look like a run, made in milliseconds: people walk between four goals, a robot
crosses. Keys, shapes and units are those of `optcore.run.schema`."""

from __future__ import annotations

import numpy as np

from optcore.run.result import RunResult

GOALS = np.array([[0.5, 6.0], [15.5, 5.0], [4.0, 11.8], [12.5, 0.3]])
PERIOD = 0.1
AHEAD = np.arange(1, 13) * 0.4
FALLBACKS = ("nominal", "margin", "likely_only", "previous_plan", "brake", "hold")
STEPS = 20


def synthetic_result(
    name: str = "synthetic",
    *,
    cycles: int = 400,
    people: int = 14,
    goals: int = 4,
    kind: str = "replay",
    seed: int = 0,
) -> RunResult:
    """A whole result; `people = 0` is an empty square, `cycles = 3` a run cut short."""
    rng = np.random.default_rng(seed)
    where = GOALS[:goals] if goals <= 4 else rng.uniform([0, 0], [16, 12], (goals, 2))
    walks = [_walk(rng, cycles) for _ in range(people)]
    time = np.arange(cycles) * PERIOD
    start, goal = np.array([8.0, -0.8]), np.array([8.0, 12.6])
    robot = _robot(time, start, goal)
    rows = [
        (cycle, person, track[cycle - first], reached)
        for cycle in range(cycles)
        for person, (first, track, reached) in enumerate(walks)
        if first <= cycle < first + len(track)
    ]
    trace = _crowd(rows, walks, where, rng)
    nearest = np.full(cycles, np.nan)
    for cycle, _, position, _ in rows:
        distance = np.hypot(*(position - robot[cycle, :2]))
        nearest[cycle] = np.fmin(nearest[cycle], distance)
    fallback = np.where(nearest < 0.9, 1, 0).astype(np.int8)
    fallback[nearest < 0.6] = 4
    ahead = np.arange(STEPS + 1)[None, :, None] * 0.15
    latency = rng.lognormal([3.0, 1.2, 3.4, 0], 0.35, (cycles, 4))
    latency[:, 3] = latency[:, :3].sum(axis=1) + 2
    trace |= {
        "time": time,
        "robot": robot,
        "command": np.gradient(robot[:, 2:], PERIOD, axis=0) if cycles > 1 else robot[:, 2:] * 0,
        "plan": robot[:, None, :2] + ahead * robot[:, None, 2:],
        "step_s": np.array(0.15),
        "fallback": fallback,
        "fallback_names": np.array(FALLBACKS),
        "side": np.zeros(cycles, np.int8),
        "risk_budget": np.full(len(nearest), 0.05),
        "risk": 0.01 * np.exp(-np.nan_to_num(nearest, nan=9.0)),
        "min_distance": nearest,
        "latency_us": latency,
        "goals": where,
        "start": start,
        "goal": goal,
        "contact_distance": np.array(0.5),
        "hypothesis_names": np.array([*(f"goal {g}" for g in range(goals)), "constant velocity"]),
        "true_goal_person": np.arange(people, dtype=np.int32),
        "true_goal": np.array([w[2] % max(goals, 1) for w in walks], np.int32),
    }
    return RunResult(_summary(name, kind, trace, people), trace)


def _walk(rng: np.random.Generator, cycles: int) -> tuple[int, np.ndarray, int]:
    """First cycle, (n, 2) positions every period, and the goal that is reached."""
    a, b = rng.choice(4, 2, replace=False)
    origin, end = GOALS[a] + rng.normal(0, 0.5, 2), GOALS[b] + rng.normal(0, 0.4, 2)
    length = float(np.hypot(*(end - origin)))
    n = max(int(length / rng.uniform(0.9, 1.6) / PERIOD), 2)
    s = np.linspace(0, 1, n)[:, None]
    across = np.array([origin[1] - end[1], end[0] - origin[0]]) / length
    bend = rng.normal(0, 0.9) * np.sin(np.pi * s) + 0.05 * np.sin(2 * np.pi * s * length / 1.4)
    first = int(rng.integers(-n // 2, max(cycles - n // 3, 1)))
    track = origin + s * (end - origin) + bend * across
    return max(first, 0), track[max(-first, 0) :], int(b)


def _robot(time: np.ndarray, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(C, 4): to and fro with a bend, standing for a while at every end."""
    leg = 15.0
    phase = np.mod(time, 2 * leg) / leg
    s = np.clip(1.1 * np.where(phase < 1, phase, 2 - phase), 0, 1)
    s = s * s * (3 - 2 * s)
    position = start + s[:, None] * (goal - start)
    position[:, 0] += 1.2 * np.sin(np.pi * s) * np.sin(0.21 * time)
    velocity = np.gradient(position, PERIOD, axis=0) if len(time) > 1 else position * 0
    return np.hstack([position, velocity])


def _crowd(rows: list, walks: list, goals: np.ndarray, rng: np.random.Generator) -> dict:
    count, hypotheses = len(rows), len(goals) + 1
    belief = np.zeros((count, hypotheses), np.float32)
    mean = np.zeros((count, len(AHEAD), 2), np.float32)
    cov = np.zeros((count, len(AHEAD), 3), np.float32)
    logs: dict[int, np.ndarray] = {}
    for row, (cycle, person, position, _) in enumerate(rows):
        first, track, _ = walks[person]
        step = cycle - first
        velocity = (track[step] - track[max(step - 4, 0)]) / max(min(step, 4), 1) / PERIOD
        speed = max(float(np.hypot(*velocity)), 0.05)
        log = logs.setdefault(person, np.zeros(len(goals)))
        towards = goals - position
        cosine = towards @ velocity / (np.hypot(*towards.T) * speed + 1e-9)
        log += 0.12 * cosine + rng.normal(0, 0.05, len(goals))
        weight = np.exp(log - log.max(initial=0.0))
        belief[row, :-1] = 0.7 * weight / max(weight.sum(), 1e-9)
        belief[row, -1] = 1 - belief[row, :-1].sum()
        mean[row] = position + AHEAD[:, None] * velocity
        spread = (0.05 + 0.22 * AHEAD) ** 2
        direction = velocity / speed
        cov[row, :, 0] = spread * (0.3 + 0.7 * direction[0] ** 2)
        cov[row, :, 1] = spread * 0.7 * direction[0] * direction[1]
        cov[row, :, 2] = spread * (0.3 + 0.7 * direction[1] ** 2)
    position = np.array([r[2] for r in rows]).reshape(count, 2)
    return {
        "person_cycle": np.array([r[0] for r in rows], np.int32),
        "person_id": np.array([r[1] for r in rows], np.int32),
        "person_position": position,
        "person_observed": position + rng.normal(0, 0.02, (count, 2)),
        "belief": belief,
        "forecast_mean": mean,
        "forecast_cov": cov,
        "forecast_time": AHEAD,
    }


def _summary(name: str, kind: str, trace: dict, people: int) -> dict:
    latency = trace["latency_us"]
    edges = 2.0 ** np.arange(0, 16, 0.25)
    stages = {}
    for column, stage in enumerate(("gp", "belief", "mpc", "total")):
        counts = np.histogram(latency[:, column], np.concatenate([[0], edges]))[0]
        p50, p99, top = np.quantile(latency[:, column], [0.5, 0.99, 1])
        stages[stage] = {
            "p50": p50,
            "p99": p99,
            "max": top,
            "histogram": [[u, int(n)] for u, n in zip(edges, counts, strict=True) if n],
        }
    cycles, nearest = len(trace["time"]), trace["min_distance"]
    least = float(np.nanmin(nearest)) if np.isfinite(nearest).any() else float("nan")
    near = nearest < 0.5
    crossing = {
        "start_s": 0.0,
        "time_to_goal_s": 13.7 if cycles > 137 else None,
        "path_length_m": 14.1,
        "straight_line_m": 13.4,
        "reached": cycles > 137,
    }
    seen = people > 0
    at = {"top1": 0.7, "nll": 0.8, "brier": 0.4, "ece": 0.06, "prior_nll": 1.3}
    return {
        "format": "optcore-run/2",
        "partial": cycles < 10,
        "scene": {
            "name": name,
            "source": f"{name}.txt",
            "kind": kind,
            "duration_s": cycles * PERIOD,
            "people": people,
            "people_evaluated": people,
            "row_period_s": 0.4,
            "notes": ["2 people without a second row were left out"],
        },
        "options": {
            "period_s": PERIOD,
            "forecast": "belief",
            "seed": 0,
            "people_limit": 20,
            "horizon_s": STEPS * 0.15,
            "steps": STEPS,
        },
        "cycles": cycles,
        "latency_us": stages,
        "deadline_misses": {"10ms": 0, "1ms": int((latency[:, 3] > 1000).sum())},
        "prediction": {
            "ade_m": 0.31 if seen else None,
            "fde_m": 0.61 if seen else None,
            "cv_ade_m": 0.33 if seen else None,
            "cv_fde_m": 0.69 if seen else None,
            "windows": 40 * people,
            "horizon_s": 4.8,
            "best_of_20_ade_m": None,
            "best_of_20_fde_m": None,
            "coverage": {"50": 0.52, "90": 0.88, "99": 0.97} if seen else {},
        },
        "intent": {
            "top1": 0.78 if seen else None,
            "nll": 0.66 if seen else None,
            "brier": 0.31 if seen else None,
            "ece": 0.05 if seen else None,
            "prior_top1": 0.41 if seen else None,
            "prior_nll": 1.31 if seen else None,
            "tracks": people,
            "at": {"25": at, "50": at, "75": at} if seen else {},
            "reliability": [
                {
                    "low": b / 10,
                    "high": (b + 1) / 10,
                    "confidence": b / 10 + 0.05,
                    "accuracy": min(1.0, b / 10 + 0.02 + 0.06 * (b % 3)),
                    "count": 12 + 40 * abs(b - 4),
                }
                for b in range(10)
                if seen and b != 1
            ],
        },
        "safety": {
            "min_distance_m": least,
            "robot_caused_collisions": 0,
            "contacts_at_standstill": int((np.diff(near.astype(int), prepend=0) == 1).sum()),
            "contact_distance_m": 0.5,
            "near_share": float(np.mean(nearest < 1.0)),
            "risk_budget": 0.05,
            "risk_promised": float(trace["risk"].mean()),
            "risk_observed": float(near.mean()),
        },
        "robot": {
            "start": trace["start"].tolist(),
            "goal": trace["goal"].tolist(),
            "time_to_goal_s": crossing["time_to_goal_s"],
            "path_length_m": 14.1 if cycles > 137 else None,
            "straight_line_m": 13.4,
            "reached": cycles > 137,
            "crossings": [crossing],
            "standstill_s": 2.4,
            "standstill_without_reason_s": 0.0,
        },
        "fallbacks": {
            f: int((trace["fallback"] == i).sum()) for i, f in enumerate(trace["fallback_names"])
        },
        "environment": {
            "optcore": "0.1.0",
            "python": "3.12.3",
            "numpy": "2.1.0",
            "cpu": "a synthetic processor",
            "isa": "avx2",
            "cores": 4,
            "git": None,
            "time": "2026-01-01T12:00:00+00:00",
        },
    }
