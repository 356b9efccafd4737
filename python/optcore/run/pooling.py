"""Figures of several scenes put together, each weighted by what it was measured on.

A figure that no scene has stays None; one that only some have is pooled over those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["histogram_quantile", "pool_summaries"]

Tree = dict[str, Any]

STAGES = ("gp", "belief", "mpc", "total")


def pool_summaries(summaries: Sequence[Tree]) -> Tree:
    """Return one summary of the same keys.

    Latencies are those of the pooled histograms; forecasts weigh by windows, intent by tracks,
    shares and risks by cycles. Times and path lengths of the robot are means over scenes.
    """
    first = summaries[0]
    kinds = {_get(s, "scene", "kind") for s in summaries}
    return {
        "format": first.get("format"),
        "partial": any(bool(s.get("partial")) for s in summaries),
        "scene": {
            "name": ", ".join(str(_get(s, "scene", "name")) for s in summaries),
            "source": ", ".join(str(_get(s, "scene", "source")) for s in summaries),
            "kind": kinds.pop() if len(kinds) == 1 else "mixed",
            "duration_s": _total(summaries, "scene", "duration_s"),
            "people": _total(summaries, "scene", "people"),
            "people_evaluated": _total(summaries, "scene", "people_evaluated"),
            "row_period_s": _common(summaries, "scene", "row_period_s"),
            "notes": [],
        },
        "options": {
            key: _common(summaries, "options", key) for key in (first.get("options") or {})
        },
        "cycles": _total(summaries, "cycles"),
        "latency_us": {stage: _pool_latency(summaries, stage) for stage in STAGES},
        "deadline_misses": {
            limit: _total(summaries, "deadline_misses", limit) for limit in ("10ms", "1ms")
        },
        "prediction": _pool_prediction(summaries),
        "intent": _pool_intent(summaries),
        "safety": _pool_safety(summaries),
        "robot": _pool_robot(summaries),
        "fallbacks": _pool_fallbacks(summaries),
        "environment": first.get("environment") or {},
    }


def histogram_quantile(histogram: Sequence[Sequence[float]], q: float) -> float | None:
    """Upper edge of the bucket that holds quantile `q` of `[[upper, count], ...]`."""
    total = sum(count for _, count in histogram)
    seen = 0.0
    for upper, count in sorted(histogram, key=lambda bucket: bucket[0]):
        seen += count
        if count and seen >= q * total:
            return float(upper)
    return None


def _pool_latency(summaries: Sequence[Tree], stage: str) -> Tree:
    pooled: dict[float, float] = {}
    for summary in summaries:
        for upper, count in _get(summary, "latency_us", stage, "histogram") or ():
            pooled[upper] = pooled.get(upper, 0) + count
    histogram = [[upper, pooled[upper]] for upper in sorted(pooled)]
    longest = _values(summaries, "latency_us", stage, "max")
    return {
        "p50": histogram_quantile(histogram, 0.50),
        "p99": histogram_quantile(histogram, 0.99),
        "max": max(longest, default=None),
        "histogram": histogram,
    }


def _pool_prediction(summaries: Sequence[Tree]) -> Tree:
    mean = _mean_by(summaries, "prediction", "windows")
    names = ("ade_m", "fde_m", "cv_ade_m", "cv_fde_m", "best_of_20_ade_m", "best_of_20_fde_m")
    return {
        **{name: mean("prediction", name) for name in names},
        "windows": _total(summaries, "prediction", "windows"),
        "horizon_s": _common(summaries, "prediction", "horizon_s"),
        "coverage": {level: mean("prediction", "coverage", level) for level in ("50", "90", "99")},
    }


def _pool_intent(summaries: Sequence[Tree]) -> Tree:
    mean = _mean_by(summaries, "intent", "tracks")
    names = ("top1", "nll", "brier", "ece", "prior_top1", "prior_nll")
    moments: dict[str, list[str]] = {}
    for summary in summaries:
        for moment, figures in (_get(summary, "intent", "at") or {}).items():
            moments.setdefault(moment, []).extend(figures)
    reliability = _pool_reliability(summaries)
    pooled: Tree = {name: mean("intent", name) for name in names}
    if reliability:
        total = sum(row["count"] for row in reliability)
        gaps = sum(row["count"] * abs(row["confidence"] - row["accuracy"]) for row in reliability)
        pooled["ece"] = gaps / total
    pooled["tracks"] = _total(summaries, "intent", "tracks")
    pooled["at"] = {
        moment: {name: mean("intent", "at", moment, name) for name in dict.fromkeys(figures)}
        for moment, figures in moments.items()
    }
    pooled["reliability"] = reliability
    return pooled


def _pool_reliability(summaries: Sequence[Tree]) -> list[Tree]:
    bins: dict[tuple[float, float], Tree] = {}
    for summary in summaries:
        for row in _get(summary, "intent", "reliability") or ():
            if not row.get("count"):
                continue
            entry = bins.setdefault(
                (row["low"], row["high"]), {"confidence": 0.0, "accuracy": 0.0, "count": 0}
            )
            entry["count"] += row["count"]
            for name in ("confidence", "accuracy"):
                entry[name] += row["count"] * row[name]
    return [
        {
            "low": low,
            "high": high,
            "confidence": entry["confidence"] / entry["count"],
            "accuracy": entry["accuracy"] / entry["count"],
            "count": entry["count"],
        }
        for (low, high), entry in sorted(bins.items())
    ]


def _pool_safety(summaries: Sequence[Tree]) -> Tree:
    mean = _mean_by(summaries, "cycles")
    return {
        "min_distance_m": min(_values(summaries, "safety", "min_distance_m"), default=None),
        "robot_caused_collisions": _total(summaries, "safety", "robot_caused_collisions"),
        "contacts_at_standstill": _total(summaries, "safety", "contacts_at_standstill"),
        "contact_distance_m": _common(summaries, "safety", "contact_distance_m"),
        "near_share": mean("safety", "near_share"),
        "risk_budget": mean("safety", "risk_budget"),
        "risk_promised": mean("safety", "risk_promised"),
        "risk_observed": mean("safety", "risk_observed"),
    }


def _pool_robot(summaries: Sequence[Tree]) -> Tree:
    reached = [_get(s, "robot", "reached") for s in summaries]
    return {
        "start": None,
        "goal": None,
        **{
            name: _mean(_values(summaries, "robot", name))
            for name in ("time_to_goal_s", "path_length_m", "straight_line_m")
        },
        "reached": all(reached),
        "crossings": [
            crossing for s in summaries for crossing in (_get(s, "robot", "crossings") or ())
        ],
        "standstill_s": _total(summaries, "robot", "standstill_s"),
        "standstill_without_reason_s": _total(summaries, "robot", "standstill_without_reason_s"),
    }


def _pool_fallbacks(summaries: Sequence[Tree]) -> Tree:
    pooled: Tree = {}
    for summary in summaries:
        for name, cycles in (summary.get("fallbacks") or {}).items():
            pooled[name] = pooled.get(name, 0) + (cycles or 0)
    return pooled


def _get(tree: Any, *path: str) -> Any:
    """Value at a path of keys, None where any part of it is missing."""
    for key in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return tree


def _values(summaries: Sequence[Tree], *path: str) -> list[float]:
    found = (_get(s, *path) for s in summaries)
    return [value for value in found if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _total(summaries: Sequence[Tree], *path: str) -> Any:
    values = _values(summaries, *path)
    return sum(values) if values else None


def _common(summaries: Sequence[Tree], *path: str) -> Any:
    """The value all scenes share, None where they differ."""
    values = [_get(s, *path) for s in summaries]
    return values[0] if all(value == values[0] for value in values) else None


def _mean_by(summaries: Sequence[Tree], *weight: str) -> Callable[..., float | None]:
    def mean(*path: str) -> float | None:
        pairs = [(_get(s, *path), _get(s, *weight) or 0) for s in summaries]
        known = [(value, size) for value, size in pairs if value is not None]
        total = sum(size for _, size in known)
        return sum(value * size for value, size in known) / total if total else None

    return mean
