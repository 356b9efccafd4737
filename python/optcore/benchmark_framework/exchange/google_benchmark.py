"""JSON of Google Benchmark (--benchmark_format=json): repetitions are samples."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any

from optcore.benchmark_framework.exchange.common import foreign, from_samples
from optcore.benchmark_framework.summary import BenchmarkSummary

__all__ = ["SECONDS", "command", "read", "samples_of", "write"]

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def command(executable: str, name: str, repetitions: int, least_seconds: float) -> list[str]:
    """The command line of one benchmark, whose standard output :func:`read` takes."""
    # C++ refuses escapes of what has no meaning in a pattern, such as re.escape's of a hyphen
    literal = re.sub(r"[\^$\\.*+?()\[\]{}|]", r"\\\g<0>", name)
    return [
        executable,
        f"--benchmark_filter=^{literal}$",
        "--benchmark_format=json",
        f"--benchmark_repetitions={max(repetitions, 1)}",
        f"--benchmark_min_time={least_seconds}",
    ]


def samples_of(
    content: Mapping[str, Any], name: str | None = None, counter: str | None = None
) -> tuple[list[float], str | None]:
    """Repetitions of one benchmark (None: of all), in s or in a user counter's unit; its error."""
    values: list[float] = []
    for entry in content.get("benchmarks", ()):
        if entry.get("run_type", "iteration") != "iteration":
            continue
        if name is not None and name not in (entry.get("run_name"), entry["name"]):
            continue
        if entry.get("error_occurred"):
            return values, str(entry.get("error_message", "failed"))
        if counter is not None:
            values.append(float(entry[counter]))
        else:
            values.append(float(entry["real_time"]) * SECONDS[entry["time_unit"]])
    return values, None


def read(content: Mapping[str, Any]) -> list[BenchmarkSummary]:
    context = content["context"]
    environment = foreign("google-benchmark", context.get("host_name"), time=context.get("date"))
    names = dict.fromkeys(
        str(entry.get("run_name", entry["name"]))
        for entry in content["benchmarks"]
        if entry.get("run_type", "iteration") == "iteration"
    )
    found = []
    for name in names:
        seconds, error = samples_of(content, name)
        inner = next(
            (
                int(e.get("iterations", 1))
                for e in content["benchmarks"]
                if e.get("run_name", e["name"]) == name
            ),
            1,
        )
        found.append(from_samples(name, seconds, environment, inner=inner, error=error))
    return found


def write(summaries: Sequence[BenchmarkSummary]) -> dict[str, Any]:
    """A repetition for each sample. Processor time is not known: the wall time stands for it."""
    first = summaries[0].environment if summaries else {}
    entries = []
    for family, summary in enumerate(summaries):
        name = re.sub(r"\s+", "_", summary.name)
        for index, seconds in enumerate(summary.raw.tolist()):
            entries.append(
                {
                    "name": name,
                    "family_index": family,
                    "per_family_instance_index": 0,
                    "run_name": name,
                    "run_type": "iteration",
                    "repetitions": int(summary.raw.size),
                    "repetition_index": index,
                    "threads": 1,
                    "iterations": summary.calls_per_sample,
                    "real_time": seconds * 1e9,
                    "cpu_time": seconds * 1e9,
                    "time_unit": "ns",
                }
            )
    return {
        "context": {
            "date": first.get("time"),
            "host_name": first.get("host") or platform.node(),
            "executable": "optcore",
            "num_cpus": first.get("cores"),
            "library_build_type": "release",
        },
        "benchmarks": entries,
    }
