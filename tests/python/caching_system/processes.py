"""Processes that set out together."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any


def together(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run work(*arguments, start) in forked processes; each waits for the event `start` and must
    end well within a minute."""
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [context.Process(target=work, args=(*arguments, start)) for _ in range(count)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
