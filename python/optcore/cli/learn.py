"""`optcore learn`: a robot learns an environment by acting in it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from optcore.learn import Episode
    from optcore.run.progress import ProgressBar

__all__ = ["add_parser"]

_SAVE_EVERY = 10.0  # s; episodes of finite environments are too short to save after each


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "learn",
        help="learn an environment by acting in it",
        description="Model-based reinforcement learning in a Gymnasium environment, or in "
        "CartPoleSwingUp and RiverSwim of this package. Boxes are learnt by Gaussian processes "
        "and planned by predictive control; finite ones by posterior sampling.",
    )
    parser.add_argument("environment", help="Pendulum-v1, FrozenLake-v1, ...")
    parser.add_argument("--episodes", type=int, default=10, metavar="N", help="to act (10)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--report", metavar="OUT.html", help="one page with pictures")
    parser.add_argument("--json", metavar="OUT.json", help="figures; - for standard output")
    parser.add_argument(
        "--data",
        metavar="RUN.npz",
        help="all that happened; saved after each episode, of finite environments every 10 s",
    )
    parser.add_argument("--resume", action="store_true", help="go on from --data")
    parser.add_argument(
        "--models", choices=("sample", "mean"), default="sample",
        help="plan with models drawn from the belief, or with its mean",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from optcore.learn.finite import is_finite
    from optcore.learn.tasks import make_environment
    from optcore.run.progress import ProgressBar

    _check(arguments)
    env = make_environment(arguments.environment)
    bar = ProgressBar(arguments.environment, quiet=arguments.quiet)
    try:
        run = _run_finite if is_finite(env) else _run_box
        figures = run(env, arguments, bar)
    finally:
        bar.close()
        env.close()
    text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
    if arguments.json == "-":
        print(text, end="")
    elif arguments.json:
        from optcore._files import replace_file

        replace_file(arguments.json, lambda file: file.write(text.encode()))
    return 0


def _run_box(env: Any, arguments: argparse.Namespace, bar: ProgressBar) -> dict[str, Any]:
    from optcore.learn import Learner, LearnerConfig, Record, task
    from optcore.learn.report import write_report
    from optcore.learn.summary import summary

    record = Record.load(arguments.data) if arguments.resume else None
    config = LearnerConfig(models=arguments.models)
    with Learner(
        env, task(arguments.environment), config, seed=arguments.seed, record=record
    ) as learner:
        for number in range(arguments.episodes):
            episode = learner.episode()
            bar((number + 1) / arguments.episodes, f"return {episode.total:.1f}")
            if arguments.data:
                learner.record.save(arguments.data)
            _tell(len(learner.record.episodes), episode, arguments)
        if arguments.report:
            write_report(learner, arguments.report)
        return summary(learner.record)


def _run_finite(env: Any, arguments: argparse.Namespace, bar: ProgressBar) -> dict[str, Any]:
    from optcore.learn.finite import FiniteLearner, FiniteRecord
    from optcore.learn.report.page import write_finite_report

    record = FiniteRecord.load(arguments.data) if arguments.resume else None
    learner = FiniteLearner(env, arguments.environment, seed=arguments.seed, record=record)
    saved = time.monotonic()
    try:
        for number in range(arguments.episodes):
            total = learner.episode()
            bar((number + 1) / arguments.episodes, f"return {total:.3g}")
            if arguments.data and time.monotonic() - saved > _SAVE_EVERY:
                learner.record.save(arguments.data)
                saved = time.monotonic()
    finally:  # also where the environment failed or somebody had enough
        found = learner.record
        if arguments.data:
            found.save(arguments.data)
    if arguments.report:
        write_finite_report(found, arguments.report)
    last = found.returns[-max(1, len(found.returns) // 10) :]
    if not arguments.quiet:
        out = sys.stderr if arguments.json == "-" else sys.stdout
        print(
            f"{len(found.returns)} episodes, {int(found.lengths.sum()):,} steps; "
            f"mean return of the last {len(last)}: {last.mean():.3g}",
            file=out,
        )
    return {
        "task": found.task,
        "seed": found.seed,
        "returns": found.returns.tolist(),
        "steps": found.lengths.tolist(),
    }


def _tell(number: int, episode: Episode, arguments: argparse.Namespace) -> None:
    if arguments.quiet:
        return
    out = sys.stderr if arguments.json == "-" else sys.stdout
    failed = [v for v in episode.verdicts if v.after != v.after]
    print(
        f"episode {number:3d}   return {episode.total:9.1f}   {episode.steps:5d} steps   "
        f"{episode.points:4d} points kept",
        file=out,
    )
    for verdict in failed:
        print(f"  {verdict.of} {verdict.output + 1}: {verdict.message}", file=out)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse before the run what would only fail after it."""
    if arguments.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {arguments.episodes}")
    if arguments.seed < 0:
        raise ConfigError(f"--seed must not be negative, got {arguments.seed}")
    if arguments.resume and not arguments.data:
        raise ConfigError("--resume needs --data: the file to go on from")
    if arguments.data and not arguments.resume and Path(arguments.data).exists():
        raise ConfigError(f"--data {arguments.data}: exists; give --resume, or another name")
    if arguments.report:
        from optcore.run.report.plot import new_figure

        new_figure(1, 1)  # says what is missing
    for name in ("json", "report", "data"):
        path = getattr(arguments, name)
        if path and not (name == "json" and path == "-"):
            folder = Path(path).absolute().parent
            if not folder.is_dir():
                raise ConfigError(f"--{name} {path}: folder {folder} does not exist")
            if Path(path).is_dir():
                raise ConfigError(f"--{name} {path}: is a folder, need a file")
