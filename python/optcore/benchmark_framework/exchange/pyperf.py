"""JSON of pyperf, format 1.0: runs of values, in seconds a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optcore.benchmark_framework.exchange.common import foreign, from_samples
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.errors import ConfigError

__all__ = ["read", "write"]


def read(content: Mapping[str, Any]) -> list[BenchmarkSummary]:
    found = []
    common = content.get("metadata") or {}
    for entry in content["benchmarks"]:
        runs = entry["runs"]
        first = next((run.get("metadata") or {} for run in runs), {})
        meta = {**common, **(entry.get("metadata") or {})}
        if meta.get("unit", "second") != "second":
            raise ConfigError(f"pyperf: {meta.get('name')} is in {meta['unit']}s, not in seconds")
        values = [float(value) for run in runs for value in run.get("values", ())]
        both = {**meta, **first}
        environment = foreign(
            "pyperf",
            both.get("hostname"),
            cpu=both.get("cpu_model_name"),
            git=both.get("commit_id"),
            time=both.get("date"),
        )
        inner = int(both.get("loops", 1)) * int(both.get("inner_loops", 1))
        name = str(meta.get("name", "benchmark"))
        error = None if values else "pyperf kept no values"
        found.append(from_samples(name, values, environment, inner=inner, error=error))
    return found


def write(summaries: Sequence[BenchmarkSummary]) -> dict[str, Any]:
    """What `pyperf stats` and `pyperf compare_to` read; failed benchmarks are left out."""
    return {
        "version": "1.0",
        "metadata": {"unit": "second"},
        "benchmarks": [_entry(summary) for summary in summaries if summary.raw.size],
    }


def _entry(summary: BenchmarkSummary) -> dict[str, Any]:
    known = {
        "hostname": summary.environment.get("host"),
        "cpu_model_name": summary.environment.get("cpu"),
        "commit_id": summary.environment.get("git"),
        "loops": summary.calls_per_sample,
    }
    metadata = {key: value for key, value in known.items() if value is not None}
    return {
        "metadata": {"name": summary.name},
        "runs": [{"metadata": metadata, "values": summary.raw.tolist()}],
    }
