"""Runs, baselines and timelines on disk: whole files or none, read without running anything.

runs/<run>.json and .npz      one run, and its samples
history/<name>.jsonl          a line a run
baselines/<name>/<machine>.json and .npz
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import secrets
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from optcore._files import read_npz, replace_file
from optcore.benchmark_framework.environment import machine_id
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.errors import ConfigError

__all__ = ["ResultStore", "file_name", "load_summary", "new_run", "point_of", "read_json"]

_POINT = (
    "run", "name", "median_time", "ci_low", "ci_high", "min_time", "mean_time", "p99",
    "iterations", "success_rate", "outcome", "regression_status", "regression_ratio", "rounds",
)  # fmt: skip


def new_run() -> str:
    """A name for a run: UTC time, then something random."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(4)


def file_name(name: str) -> str:
    """A name as a file can have it; different names stay different."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._")[:80] or "benchmark"
    return f"{readable}-{hashlib.blake2s(name.encode(), digest_size=4).hexdigest()}"


class ResultStore:
    """One folder of results; nothing is made before the first write."""

    def __init__(
        self, folder: str | Path, baselines: str | Path | None = None, limit: int = 1000
    ) -> None:
        self.folder = Path(folder)
        self.baselines = Path(baselines) if baselines is not None else self.folder / "baselines"
        self._limit = limit

    # --- runs and timelines ----------------------------------------------------------------------

    def record(self, summary: BenchmarkSummary, raw: bool = True, commit: str | None = None) -> str:
        """Keep a run and add it to its timeline; returns the run's name."""
        run = summary.run or new_run()
        path = self.folder / "runs" / run
        if raw:
            _write_raw(path.with_suffix(".npz"), summary.raw)
        _write_json(path.with_suffix(".json"), {**summary.to_dict(), "run": run})
        self._append(summary, run, commit)
        return run

    def load(self, run: str) -> BenchmarkSummary:
        """A run by its name."""
        return load_summary(self.folder / "runs" / f"{run}.json")

    def history(self, name: str) -> list[dict[str, Any]]:
        """Points of a timeline, oldest first; a damaged line is left out with a warning."""
        path = self._history_path(name)
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        read = [_point(line) for line in lines]
        points = [point for point in read if point is not None]
        if len(points) < len(read):
            count = len(read) - len(points)
            warnings.warn(f"{path}: {count} damaged lines left out", stacklevel=2)
        return points[-self._limit :]

    def names(self) -> list[str]:
        """Names that have a timeline."""
        found = set()
        for path in sorted((self.folder / "history").glob("*.jsonl")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            points = (_point(line) for line in reversed(lines))
            if (latest := next(filter(None, points), None)) is not None:
                found.add(latest["name"])
        return sorted(found)

    def _history_path(self, name: str) -> Path:
        return self.folder / "history" / f"{file_name(name)}.jsonl"

    def _append(self, summary: BenchmarkSummary, run: str, commit: str | None) -> None:
        point = point_of(summary, run, commit)
        if point["median_time"] is None:
            return  # nothing succeeded: no point on a line of times
        path = self._history_path(summary.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent / ".lock"):
            with path.open("ab+") as file:
                if file.tell() and not _ends_its_line(file):  # a writer was killed
                    file.write(b"\n")
                file.write(json.dumps(point).encode() + b"\n")
            lines = path.read_bytes().splitlines(keepends=True)
            if len(lines) > 1.2 * self._limit:
                kept = b"".join(lines[-self._limit :])
                replace_file(path, lambda file: file.write(kept))

    # --- baselines ------------------------------------------------------------------------------

    def set_baseline(self, name: str, summary: BenchmarkSummary) -> Path:
        path = self._baseline_folder(name) / f"{machine_id(summary.environment)}.json"
        _write_raw(path.with_suffix(".npz"), summary.raw)
        _write_json(path, {**summary.to_dict(), "name": name})
        return path

    def baseline(self, name: str, machine: str) -> BenchmarkSummary | None:
        path = self._baseline_folder(name) / f"{machine}.json"
        return load_summary(path) if path.is_file() else None

    def baselines_of(self, name: str) -> list[BenchmarkSummary]:
        """Of all machines."""
        return [load_summary(path) for path in sorted(self._baseline_folder(name).glob("*.json"))]

    def list_baselines(self) -> list[str]:
        found = set()
        for path in self.baselines.glob("*/*.json"):
            with contextlib.suppress(ConfigError):
                found.add(str(_read_result(path)["name"]))
        return sorted(found)

    def delete_baseline(self, name: str) -> bool:
        """Of all machines; whether there was one."""
        folder = self._baseline_folder(name)
        found = [*folder.glob("*.json"), *folder.glob("*.npz")]
        for path in found:
            path.unlink(missing_ok=True)
        return bool(found)

    def _baseline_folder(self, name: str) -> Path:
        return self.baselines / file_name(name)


def point_of(summary: BenchmarkSummary, run: str = "", commit: str | None = None) -> dict[str, Any]:
    """A run as a point of a timeline."""
    values, environment = summary.to_dict(), summary.environment
    return {key: values[key] for key in _POINT} | {
        "run": run,
        "time": environment.get("time"),
        "commit": commit if commit is not None else environment.get("git"),
        "machine": machine_id(environment),
    }


def _ends_its_line(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read() == b"\n"


def _point(line: str) -> dict[str, Any] | None:
    """A line of a timeline, or None if it is damaged."""
    try:
        point = json.loads(line)
        return {**point, "name": str(point["name"]), "median_time": float(point["median_time"])}
    except (ValueError, KeyError, TypeError):
        return None


def load_summary(path: Path) -> BenchmarkSummary:
    """A run or a baseline, with its samples where they are kept.

    Raises:
        ConfigError: the file cannot be read, or is something else.
    """
    values = _read_result(path)
    samples = path.with_suffix(".npz")
    raw = read_npz(samples, "samples of a benchmark").get("seconds") if samples.is_file() else None
    try:
        return BenchmarkSummary.from_dict(values, raw)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a result of optcore: {error}") from None


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ConfigError: the file cannot be read, or is something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None


def _read_result(path: Path) -> Mapping[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != "optcore-benchmark":
        raise ConfigError(f"{path}: not a result of optcore")
    return values


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"
    replace_file(path, lambda file: file.write(text.encode()))


def _write_raw(path: Path, raw: NDArray[np.float64]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, seconds=raw)
    replace_file(path, lambda file: file.write(buffer.getvalue()))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
