"""A progress bar on a terminal's standard error; silence elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

__all__ = ["ProgressBar"]

_WIDTH = 28
_EVERY_S = 0.1


class ProgressBar:
    """Callable with the share done and a word on what is being done."""

    def __init__(self, label: str, *, quiet: bool = False, file: TextIO | None = None) -> None:
        self._file = sys.stderr if file is None else file
        self._on = not quiet and self._file.isatty()
        self._colour = not os.environ.get("NO_COLOR")
        self._label = label
        self._last = 0.0

    def __call__(self, share: float, text: str) -> None:
        now = time.monotonic()
        if not self._on or (share < 1.0 and now - self._last < _EVERY_S):
            return
        self._last = now
        done = round(min(max(share, 0.0), 1.0) * _WIDTH)
        bar = "█" * done + "░" * (_WIDTH - done)
        if self._colour:
            bar = f"\033[36m{bar}\033[0m"
        line = f"{self._label[:20]:<20} {bar} {share:4.0%}  {text[:24]:<24}"
        print(f"\r{line}", end="", file=self._file, flush=True)

    def close(self) -> None:
        """Clear the line."""
        if self._on:
            print("\r" + " " * 84 + "\r", end="", file=self._file, flush=True)
