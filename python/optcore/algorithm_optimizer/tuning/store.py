"""Tuning results kept from run to run, one file a machine."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optcore._files import replace_file
from optcore.algorithm_optimizer.tuning.result import TuningResult

__all__ = ["TuningStore", "default_directory"]

_FORMAT, _VERSION = "optcore.tuning", 1


def default_directory() -> Path:
    """$XDG_CACHE_HOME/optcore/tuning, or ~/.cache/optcore/tuning."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "optcore" / "tuning"


class TuningStore:
    """Results by key, in `directory`/<fingerprint>.json.

    A damaged file, or one that cannot be written, is a warning and no error: the cost is measuring
    again.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.path = directory / f"{fingerprint}.json"

    def find(self, key: str) -> TuningResult | None:
        """The result kept under the key, if any."""
        kept = self._read().get(key)
        if kept is None:
            return None
        try:
            return TuningResult.from_dict(kept)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            warnings.warn(f"{self.path}: {key} is damaged ({error}); tuning anew", stacklevel=3)
            return None

    def keep(self, key: str, result: TuningResult) -> None:
        """Add or replace one result; the others in the file stay."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when it was read
            results = self._read()
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "results": {**results, key: result.to_dict()},
        }
        try:
            text = json.dumps(content, indent=1)
            replace_file(self.path, lambda file: file.write(text.encode()))
        except OSError as error:
            warnings.warn(
                f"{self.path}: cannot be written ({error.strerror}); the next process tunes anew",
                stacklevel=3,
            )

    def _read(self) -> Mapping[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            warnings.warn(f"{self.path}: cannot be read ({error}); tuning anew", stacklevel=4)
            return {}
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            warnings.warn(f"{self.path}: no tuning file; tuning anew", stacklevel=4)
            return {}
        if content.get("version") != _VERSION:
            return {}  # of another version: not an accident
        results = content.get("results")
        return results if isinstance(results, dict) else {}
