"""What one run of the main job produced, and its files.

`summary` is a tree of plain values, `trace` a set of arrays; `optcore.run.schema` describes every
key, shape and unit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._files import read_npz, replace_file
from optcore._plain import plain
from optcore.errors import ConfigError
from optcore.run.pooling import pool_summaries
from optcore.run.schema import FORMAT
from optcore.run.table import print_table

__all__ = [
    "FORMAT",
    "RunResult",
    "pooled_summary",
    "print_table",
    "read_json",
    "read_trace",
    "write_json",
    "write_trace",
]


@dataclass(frozen=True, eq=False, slots=True)
class RunResult:
    """One scene, run to its end or to where it was interrupted.

    Attributes:
        summary: figures of the run, JSON-ready but for NaN; None or NaN is "not measured".
        trace: what happened in every cycle, for pictures and for looking closer.
    """

    summary: dict[str, Any]
    trace: dict[str, NDArray[Any]]


def pooled_summary(results: Sequence[RunResult]) -> dict[str, Any]:
    """Return the tree that `write_json` writes: of all scenes together, each one under "scenes".

    Raises:
        ConfigError: `results` is empty.
    """
    if not results:
        raise ConfigError("need at least one result, got none")
    summaries = [plain(result.summary) for result in results]
    if len(summaries) == 1:
        return {**summaries[0], "format": FORMAT}
    return {**plain(pool_summaries(summaries)), "format": FORMAT, "scenes": summaries}


def write_json(results: Sequence[RunResult], path: str | Path) -> None:
    """Write the figures of one or several scenes; the file appears whole or not at all."""
    text = json.dumps(pooled_summary(results), indent=1, allow_nan=False, ensure_ascii=False)
    replace_file(path, lambda file: file.write((text + "\n").encode()))


def read_json(path: str | Path) -> dict[str, Any]:
    """Return the tree that `write_json` wrote.

    Raises:
        ConfigError: the file is no result of a run, or of a format this version cannot read.
    """
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not a JSON file ({error})") from None
    _check_format(path, tree.get("format") if isinstance(tree, dict) else None)
    result: dict[str, Any] = tree
    return result


def write_trace(results: Sequence[RunResult], path: str | Path) -> None:
    """Write arrays and summaries of all scenes into one compressed .npz, without pickles.

    One scene has its arrays under their own names; of several, those of scene k (from 0) are
    named `k/name`. `summaries` holds the figures as JSON, so that a report can be made anew.
    """
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "summaries": np.array([json.dumps(plain(result.summary)) for result in results]),
    }
    for index, result in enumerate(results):
        prefix = f"{index}/" if len(results) > 1 else ""
        for name, array in result.trace.items():
            values = np.asarray(array)
            if values.dtype.hasobject:
                raise ConfigError(f"trace[{name!r}]: need numbers or text, got Python objects")
            arrays[prefix + name] = values
    replace_file(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_trace(path: str | Path) -> tuple[RunResult, ...]:
    """Return the results that `write_trace` wrote.

    Raises:
        ConfigError: the file is no trace of a run, or of a format this version cannot read.
    """
    arrays = read_npz(path, "an npz file")
    _check_format(path, str(arrays.pop("format", "")) or None)
    summaries = [json.loads(str(text)) for text in arrays.pop("summaries", np.array([]))]
    if len(summaries) == 1:
        return (RunResult(summaries[0], arrays),)
    results = []
    for index, summary in enumerate(summaries):
        prefix = f"{index}/"
        trace = {
            name.removeprefix(prefix): array
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        results.append(RunResult(summary, trace))
    return tuple(results)


def _check_format(path: str | Path, found: object) -> None:
    if found != FORMAT:
        what = "no result of `optcore run`" if found is None else f"format {found!r}"
        raise ConfigError(f"{path}: {what}; this version reads {FORMAT!r}")
