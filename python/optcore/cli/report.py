"""`optcore report RUN...`: one report from many results, also of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_FORMATS = ("html", "json", "csv", "md")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "report",
        help="one report from benchmark results",
        description="RUN is a result of optcore bench, pytest-benchmark, pyperf or Google "
        "Benchmark (JSON), or a results folder, whose latest runs and timelines are told.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("-f", "--format", choices=_FORMATS, help="html unless -o says else")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="standard output if none")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from optcore._files import replace_file
    from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework
    from optcore.benchmark_framework.exchange import read_results
    from optcore.benchmark_framework.report import Report, render

    format = options.format or (options.output.suffix[1:] if options.output else "html")
    if format not in _FORMATS:
        raise ConfigError(f"{options.output}: the name must end in .{', .'.join(_FORMATS)}")
    results, timelines = [], []
    for path in options.runs:
        if not path.is_dir():
            results += read_results(path)
            continue
        framework = BenchmarkFramework(BenchmarkConfig(output_directory=str(path)))
        names = framework.store.names()
        if not names:
            raise ConfigError(f"{path}: no results of optcore bench")
        results += [framework.store.load(framework.store.history(n)[-1]["run"]) for n in names]
        timelines += [framework.timeline(name) for name in names]
    text = render(Report(results, timelines), format, BenchmarkConfig())
    if options.output is None:
        print(text, end="")
    else:
        replace_file(options.output, lambda file: file.write(text.encode()))
    return 0
