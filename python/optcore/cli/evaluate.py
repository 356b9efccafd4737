"""`optcore evaluate`: what forecasts are worth to a robot among recorded people."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="cross recorded scenes with belief, constant velocity and the true future",
        description="Drives a wheeled robot across recordings with the same planner and three "
        "forecasts, from the same starts in pairs. Recorded people do not react to it.",
    )
    parser.add_argument("scenes", nargs="+", metavar="SCENE", help="frame person x y, text or csv")
    parser.add_argument(
        "--starts", type=int, default=50, metavar="N", help="crossings a scene (50)"
    )
    parser.add_argument("--robot", metavar="FILE.toml", help="limits and weights of the robot")
    parser.add_argument("--json", metavar="FILE", help="all figures; - for standard output")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from optcore._files import replace_file
    from optcore.crowd import read_scene
    from optcore.loop import LoopConfig
    from optcore.referee import evaluate_scenes
    from optcore.referee.table import table_lines
    from optcore.run.progress import ProgressBar

    scenes = [read_scene(path, strict=True) for path in arguments.scenes]
    config = LoopConfig.from_toml(arguments.robot) if arguments.robot else None
    bar = ProgressBar("evaluate", quiet=arguments.quiet)
    try:
        result = evaluate_scenes(scenes, arguments.starts, arguments.seed, config, bar)
    finally:
        bar.close()
    if not arguments.quiet:
        out = sys.stderr if arguments.json == "-" else sys.stdout
        for line in table_lines(result):
            print(line, file=out)
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    if arguments.json == "-":
        print(text, end="")
    elif arguments.json:
        replace_file(arguments.json, lambda file: file.write(text.encode()))
    return 0
