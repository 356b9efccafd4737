"""`optcore run`: a robot crosses a square among recorded or simulated people."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from optcore.crowd import Scene
    from optcore.run.result import RunResult

__all__ = ["add_parser"]

_INTERRUPTED = 130


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run",
        help="run the robot among recorded or simulated people",
        description="Streams scenes through the native control loop and reports what happened. "
        "Without a scene the embedded crowd simulator is used: its people react to the robot.",
    )
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help="frame person x y, text or csv")
    parser.add_argument("--goals", metavar="FILE", help="places people go to, x y per row, in m")
    parser.add_argument("--robot", metavar="FILE.toml", help="limits and weights of the robot")
    parser.add_argument("--people", type=int, metavar="N", help="how many people")
    parser.add_argument("--period", type=float, metavar="S", help="control period (0.1 s)")
    parser.add_argument(
        "--forecast", choices=("belief", "constant_velocity", "oracle"), default="belief"
    )
    parser.add_argument("--start", type=float, nargs=2, metavar=("X", "Y"), help="robot's start, m")
    parser.add_argument("--goal", type=float, nargs=2, metavar=("X", "Y"), help="robot's goal, m")
    parser.add_argument("--json", metavar="OUT.json", help="all figures; - for standard output")
    parser.add_argument("--report", metavar="OUT.html", help="one page with pictures")
    parser.add_argument("--trace", metavar="OUT.npz", help="every cycle, for a closer look")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from optcore.crowd import read_goals, read_scene
    from optcore.loop import LoopConfig
    from optcore.run.progress import ProgressBar
    from optcore.run.session import RunOptions, run_scene

    _check(arguments)
    config = LoopConfig.from_toml(arguments.robot) if arguments.robot else LoopConfig()
    if arguments.period is not None:
        config = LoopConfig(**{**config.to_dict(), "period": arguments.period})
    goals = read_goals(arguments.goals) if arguments.goals else None
    scenes: list[Scene | None] = [read_scene(path, strict=True) for path in arguments.scenes]
    if arguments.forecast == "oracle" and not scenes:
        raise ConfigError("--forecast oracle needs a recording: nobody knows a simulation's future")
    options = RunOptions(
        config=config,
        forecast=arguments.forecast,
        goals=goals,
        people=arguments.people,
        seed=arguments.seed,
        start=tuple(arguments.start) if arguments.start else None,
        goal=tuple(arguments.goal) if arguments.goal else None,
    )
    results: list[RunResult] = []
    with _Interrupt() as interrupt:
        for scene in scenes or [None]:
            bar = ProgressBar(scene.name if scene else "embedded crowd", quiet=arguments.quiet)
            try:
                results.append(run_scene(scene, options, bar, interrupt))
            finally:
                bar.close()
            if interrupt():
                break
        _write(results, arguments)
    return _INTERRUPTED if interrupt() else 0


class _Interrupt:
    """Ctrl-C ends the run after the present cycle, with whole outputs; a second one at once."""

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> _Interrupt:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def __call__(self) -> bool:
        return self._asked

    def _note(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def _check(arguments: argparse.Namespace) -> None:
    """Refuse before the run what would only fail after it."""
    if arguments.people is not None and arguments.people < 1:
        raise ConfigError(f"--people must be at least 1, got {arguments.people}")
    if arguments.seed < 0:
        raise ConfigError(f"--seed must not be negative, got {arguments.seed}")
    for name in ("start", "goal"):
        place = getattr(arguments, name)
        if place is not None and not all(math.isfinite(v) and abs(v) <= 1e5 for v in place):
            raise ConfigError(f"--{name} must be two numbers within 10^5 m, got {place}")
    for name in ("json", "report", "trace"):
        path = getattr(arguments, name)
        if path is None or (name == "json" and path == "-"):
            continue
        folder = Path(path).absolute().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ConfigError(f"--{name} {path}: folder {folder} does not exist or is read-only")
        if Path(path).is_dir():
            raise ConfigError(f"--{name} {path}: is a folder, need a file name")


def _write(results: list[RunResult], arguments: argparse.Namespace) -> None:
    from optcore.run.result import pooled_summary, print_table, write_json, write_trace

    if not arguments.quiet:
        print_table(results, sys.stderr if arguments.json == "-" else sys.stdout)
    if arguments.json == "-":
        print(json.dumps(pooled_summary(results), indent=1))
    elif arguments.json:
        write_json(results, arguments.json)
    if arguments.trace:
        write_trace(results, arguments.trace)
    if arguments.report:
        from optcore.run.report import write_report

        write_report(results, arguments.report)
