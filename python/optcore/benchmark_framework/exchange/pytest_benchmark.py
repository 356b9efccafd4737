"""JSON of pytest-benchmark (--benchmark-json; with --benchmark-save-data the samples are in it)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optcore.benchmark_framework.exchange.common import foreign, from_samples
from optcore.benchmark_framework.summary import BenchmarkSummary

__all__ = ["read", "write"]


def read(content: Mapping[str, Any]) -> list[BenchmarkSummary]:
    machine, commit = content["machine_info"], content.get("commit_info") or {}
    cpu = machine.get("cpu") or {}
    environment = foreign(
        "pytest-benchmark",
        machine.get("node"),
        cpu=cpu.get("brand_raw") or machine.get("processor"),
        machine=machine.get("machine"),
        system=machine.get("system"),
        git=commit.get("id"),
        time=content.get("datetime"),
    )
    found = []
    for entry in content["benchmarks"]:
        stats = entry["stats"]
        figures = {
            "mean_time": stats["mean"],
            "median_time": stats["median"],
            "min_time": stats["min"],
            "max_time": stats["max"],
            "std_time": stats["stddev"],
            "iqr": stats["iqr"],
            "iterations": stats["rounds"],
        }
        found.append(
            from_samples(
                entry.get("fullname") or entry["name"],
                stats.get("data") or [],
                environment,
                inner=int(stats.get("iterations", 1)),
                figures={key: float(value) for key, value in figures.items()},
            )
        )
    return found


def write(summaries: Sequence[BenchmarkSummary]) -> dict[str, Any]:
    """What `pytest-benchmark compare` reads; failed benchmarks have no times and are left out."""
    kept = [summary for summary in summaries if summary.raw.size]
    first = kept[0].environment if kept else {}
    return {
        "machine_info": {
            "node": first.get("host"),
            "processor": first.get("cpu"),
            "machine": first.get("machine"),
            "python_version": str(first.get("python_full") or "").rpartition(" ")[2],
            "python_implementation": str(first.get("python_full") or "").partition(" ")[0],
            "system": first.get("system"),
            "release": first.get("kernel"),
            "cpu": {"brand_raw": first.get("cpu"), "count": first.get("cores")},
        },
        "commit_info": {
            "id": first.get("git"),
            "dirty": "dirty" in str(first.get("git")),
            "project": None,
            "branch": None,
        },
        "benchmarks": [_entry(summary) for summary in kept],
        "datetime": first.get("time") or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "version": "4.0.0",
    }


def _entry(summary: BenchmarkSummary) -> dict[str, Any]:
    raw = summary.raw
    q1, q3 = (float(q) for q in np.quantile(raw, [0.25, 0.75]))
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    deviation = float(raw.std(ddof=1)) if raw.size > 1 else 0.0
    beyond = int((np.abs(raw - raw.mean()) > deviation).sum())
    return {
        "group": None,
        "name": summary.name.rpartition("::")[2],
        "fullname": summary.name,
        "params": None,
        "param": None,
        "extra_info": {"optcore_status": summary.regression_status},
        "options": {"timer": "perf_counter", "warmup": True, "disable_gc": True},
        "stats": {
            "min": summary.min_time,
            "max": summary.max_time,
            "mean": summary.mean_time,
            "stddev": deviation,
            "rounds": int(raw.size),
            "median": summary.median_time,
            "iqr": q3 - q1,
            "q1": q1,
            "q3": q3,
            "iqr_outliers": summary.outliers,
            "stddev_outliers": beyond,
            "outliers": f"{beyond};{summary.outliers}",
            "ld15iqr": float(raw[raw >= low].min()),
            "hd15iqr": float(raw[raw <= high].max()),
            "ops": 1.0 / summary.mean_time,
            "total": float(raw.sum()),
            "data": raw.tolist(),
            "iterations": summary.calls_per_sample,
        },
    }
