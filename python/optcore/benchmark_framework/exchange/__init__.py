"""Results of other tools, read and written: pytest-benchmark, pyperf, Google Benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optcore._files import replace_file
from optcore.benchmark_framework.exchange import google_benchmark, pyperf, pytest_benchmark
from optcore.benchmark_framework.store import load_summary, read_json
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.errors import ConfigError

__all__ = ["WRITERS", "google_benchmark", "read_results", "write_results"]

WRITERS: dict[str, Callable[[Sequence[BenchmarkSummary]], dict[str, Any]]] = {
    "pytest-benchmark": pytest_benchmark.write,
    "pyperf": pyperf.write,
    "google-benchmark": google_benchmark.write,
}


def read_results(path: str | Path) -> list[BenchmarkSummary]:
    """Results in a JSON file of optcore, pytest-benchmark, pyperf or Google Benchmark.

    Raises:
        ConfigError: the file cannot be read, or is none of these.
    """
    path = Path(path)
    content = read_json(path)
    try:
        return _parsed(content, path)
    except ConfigError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise ConfigError(f"{path}: damaged: {type(error).__name__}: {error}") from None


def _parsed(content: Any, path: Path) -> list[BenchmarkSummary]:
    if isinstance(content, Mapping):
        if content.get("format") == "optcore-benchmark":
            return [load_summary(path)]
        if content.get("format") == "optcore-benchmark-report":
            return [BenchmarkSummary.from_dict(values) for values in content["results"]]
        if "machine_info" in content and "benchmarks" in content:
            return pytest_benchmark.read(content)
        if "context" in content and "benchmarks" in content:
            return google_benchmark.read(content)
        if "benchmarks" in content and "version" in content:
            return pyperf.read(content)
    raise ConfigError(
        f"{path}: not a result of optcore, pytest-benchmark, pyperf or Google Benchmark"
    )


def write_results(path: str | Path, summaries: Sequence[BenchmarkSummary], tool: str) -> None:
    """Write results for another tool, one of WRITERS."""
    if tool not in WRITERS:
        raise ConfigError(f"tool must be one of {', '.join(WRITERS)}, got {tool!r}")
    text = json.dumps(WRITERS[tool](summaries), indent=1, allow_nan=False) + "\n"
    replace_file(path, lambda file: file.write(text.encode()))
