"""Contestants measured in processes of their own: Google Benchmark executables, callgrind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.case import REPOSITORY, TIME_UNITS, Absent, Probe
from optcore.benchmark_framework.exchange import google_benchmark as exchange


def find_executable(name: str) -> Path:
    """The newest build of benchmarks/native/<name>; OPTCORE_NATIVE_BENCH names another folder."""
    folders = (
        [Path(os.environ["OPTCORE_NATIVE_BENCH"])] if "OPTCORE_NATIVE_BENCH" in os.environ else []
    )
    folders += (REPOSITORY / "build").glob("*/benchmarks/native")
    found = [path for folder in folders if os.access(path := folder / name, os.X_OK)]
    if not found:
        raise Absent(f"{name} is not built (make bench-native)")
    return max(found, key=lambda path: path.stat().st_mtime)


def google_benchmark(
    executable: str,
    benchmark: str,
    unit: str,
    *,
    counter: str | None = None,
    least_seconds: float = 0.02,
    environment: dict[str, str] | None = None,
) -> Probe:
    """Repetitions of one benchmark as samples.

    Args:
        executable: name under benchmarks/native.
        benchmark: its exact name, arguments included ("BM_Predict/200").
        unit: of the case: a unit of time, or of the counter.
        counter: a user counter to read in place of the time.
        least_seconds: of each repetition.
        environment: added to the process's, e.g. OPTCORE_FORCE_ISA.
    """
    path = find_executable(executable)

    def sample(count: int) -> list[float]:
        command = exchange.command(str(path), benchmark, count, least_seconds)
        output = _run(command, environment)
        return parse_google_benchmark(output, benchmark, unit, counter)

    return Probe(sample)


def parse_google_benchmark(
    text: str, benchmark: str, unit: str, counter: str | None = None
) -> list[float]:
    """Samples in `unit` from Google Benchmark's JSON; aggregates are left out."""
    samples, error = exchange.samples_of(json.loads(text), counter=counter)
    if error is not None:
        raise RuntimeError(f"{benchmark}: {error}")
    if counter is None:
        samples = [seconds / TIME_UNITS[unit] for seconds in samples]
    if not samples:
        raise RuntimeError(f"{benchmark}: the executable knows no such benchmark")
    return samples


def instructions(
    executable: str,
    *,
    function: str,
    arguments: Sequence[str] = (),
    calls: int = 1,
    isa: str = "avx2",
) -> Probe:
    """Instructions of one call, counted by callgrind inside `function` (a pattern with *).

    `calls` is how often the process enters it. The count is exact and the same on every run, so
    one sample is all. valgrind knows no AVX-512, hence `isa`.
    """
    path = find_executable(executable)
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Absent("valgrind is not installed")
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [f"--toggle-collect={function}", str(path), *arguments]

    def sample(count: int) -> list[float]:
        del count
        return [parse_callgrind(_run(command, {"OPTCORE_FORCE_ISA": isa}, errors=True)) / calls]

    return Probe(sample)


def parse_callgrind(text: str) -> int:
    """The number after "Collected :"."""
    match = re.search(r"Collected\s*:\s*(\d+)", text)
    if match is None or match[1] == "0":
        raise RuntimeError("callgrind collected nothing: does the function's pattern match?")
    return int(match[1])


def _run(command: list[str], environment: dict[str, str] | None, errors: bool = False) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{Path(command[0]).name} failed ({done.returncode}): {last}")
    return done.stderr if errors else done.stdout
