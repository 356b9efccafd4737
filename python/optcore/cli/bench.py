"""`optcore bench TARGET`: measure, compare with a baseline or another commit, walk a history."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework, BenchmarkSummary
    from optcore.benchmark_framework.trees import Tree

__all__ = ["add_parser"]

_REGRESSION, _FAILED, _NO_BASELINE = 1, 3, 4
_REPORTS = (".html", ".json", ".csv", ".md")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure functions, and say when they became slower",
        description="TARGET is FILE.py or a module (its functions bench_*), either with :function, "
        "or a Google Benchmark executable. Exit codes: 0 ok, 1 a regression (with "
        "--fail-on-regression), 2 wrong usage, 3 a benchmark failed, 4 no baseline (with "
        "--require-baseline).",
    )
    parser.add_argument("target", metavar="TARGET")
    parser.add_argument("--save", action="store_true", help="make the results the baselines")
    against = parser.add_mutually_exclusive_group()
    against.add_argument(
        "--compare", metavar="REF", help="in turns with the same benchmarks at another commit"
    )
    against.add_argument(
        "--history", metavar="A..B", help="the same benchmarks at every commit of a range"
    )
    parser.add_argument("--fail-on-regression", action="store_true")
    parser.add_argument("--require-baseline", action="store_true")
    parser.add_argument("--samples", type=int, metavar="N", help="samples a benchmark (100)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of --history (5)")
    parser.add_argument("--commits", type=int, metavar="N", help="of --history, evenly spread")
    parser.add_argument("--build", metavar="CMD", help="run in each other tree before measuring")
    parser.add_argument("--python", metavar="EXE", help="for other trees; {tree} is its folder")
    parser.add_argument("--filter", metavar="REGEX", help="benchmarks of an executable")
    parser.add_argument("--cpu", type=int, metavar="N", help="stay on this processor")
    parser.add_argument("--directory", metavar="DIR", help="results (benchmark_results)")
    parser.add_argument("--json", action="store_true", help="the report as JSON on standard output")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=", ".join(_REPORTS))
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework
    from optcore.run.progress import ProgressBar

    if options.output is not None and options.output.suffix not in _REPORTS:
        raise ConfigError(f"{options.output}: the name must end in one of {', '.join(_REPORTS)}")
    changes: dict[str, Any] = {}
    if options.samples is not None:
        changes["num_iterations"] = options.samples
    if options.directory is not None:
        changes["output_directory"] = options.directory
    if options.cpu is not None:
        _stay_on(options.cpu)
    config = BenchmarkConfig(**changes)
    bar = ProgressBar("benchmarks", quiet=options.quiet)
    framework = BenchmarkFramework(config, bar)
    try:
        if options.history is not None:
            return _history(options, config, framework, bar)
        if options.compare is not None:
            return _compare(options, config, framework, bar)
        return _measure(options, framework, bar)
    finally:
        bar.close()


def _stay_on(cpu: int) -> None:
    usable = os.sched_getaffinity(0)
    if cpu not in usable:
        raise ConfigError(f"--cpu must be one of {sorted(usable)}, got {cpu}")
    os.sched_setaffinity(0, {cpu})


def _is_native(target: str) -> bool:
    return not target.endswith(".py") and os.path.isfile(target) and os.access(target, os.X_OK)


def _measure(options: argparse.Namespace, framework: BenchmarkFramework, bar: Any) -> int:
    if _is_native(options.target):
        _measure_native(options, framework)
    else:
        from optcore.benchmark_framework.worker import find_benchmarks

        sys.path.insert(0, os.getcwd())
        try:
            found = find_benchmarks(options.target)
        except (ImportError, AttributeError, OSError, SyntaxError) as error:
            raise ConfigError(f"{options.target}: {error}") from None
        if not found:
            raise ConfigError(f"{options.target}: no function begins with bench_")
        for name, function in found.items():
            framework.benchmark(function, name=name)
    bar.close()
    results = framework.results
    if options.save:
        for summary in results:
            if summary.outcome == "ok":
                framework.set_baseline(summary.name, summary)
    _tell(options, framework)
    return _code(options, results)


def _measure_native(options: argparse.Namespace, framework: BenchmarkFramework) -> None:
    import numpy as np

    from optcore.benchmark_framework.environment import describe_environment
    from optcore.benchmark_framework.exchange.common import from_samples
    from optcore.benchmark_framework.trees import NativeTree

    tree = NativeTree(Path(), options.target, options.filter)
    count = min(framework.config.num_iterations, 30)
    environment = {**describe_environment(), "tool": "google-benchmark"}
    for name in tree.names:
        try:
            summary = from_samples(name, tree.sample(name, count), environment)
        except ConfigError as error:
            summary = from_samples(name, [], environment, error=str(error))

        def again(name: str = name) -> Any:
            try:
                return np.asarray(tree.sample(name, count))
            except ConfigError:
                return np.empty(0)  # confirms nothing

        framework.record([framework.judged(summary, framework.config, again)])


def _code(options: argparse.Namespace, results: list[BenchmarkSummary]) -> int:
    if any(s.outcome != "ok" for s in results):
        return _FAILED
    if options.require_baseline and any(
        s.regression_status in ("no_baseline", "not_comparable") for s in results
    ):
        return _NO_BASELINE
    slower = any(s.regression_detected for s in results)
    return _REGRESSION if slower and options.fail_on_regression else 0


def _tell(options: argparse.Namespace, framework: BenchmarkFramework) -> None:
    from optcore.benchmark_framework.report.tables import text_table

    if options.json:
        print(framework.generate_report("json"), end="")
    elif not options.quiet:
        print(text_table(framework.results))
    if options.output is not None:
        framework.export(options.output)


# --- other commits --------------------------------------------------------------------------------


def _opener(options: argparse.Namespace) -> Callable[[str], Any]:
    """Context of the tree of a commit, at the same place below its root as we are here."""
    from optcore.benchmark_framework.trees import NativeTree, PythonTree, repository_of, worktree

    repository = repository_of()
    below = Path.cwd().resolve().relative_to(repository.resolve())
    native = _is_native(options.target)

    @contextlib.contextmanager
    def opened(commit: str) -> Iterator[Tree]:
        with worktree(repository, commit, options.build) as root:
            folder = root / below
            tree: Tree = (
                NativeTree(folder, options.target, options.filter)
                if native
                else PythonTree(folder, options.target, options.python)
            )
            try:
                yield tree
            finally:
                tree.close()

    return opened


def _compare(
    options: argparse.Namespace, config: BenchmarkConfig, framework: BenchmarkFramework, bar: Any
) -> int:
    from optcore._machine import source_commit
    from optcore.benchmark_framework.history import compare_trees
    from optcore.benchmark_framework.trees import NativeTree, PythonTree

    here: Tree = (
        NativeTree(Path(), options.target, options.filter)
        if _is_native(options.target)
        else PythonTree(Path.cwd(), options.target)
    )
    labels = (options.compare, source_commit(Path.cwd()) or "here")
    try:
        with _opener(options)(options.compare) as before:
            found = compare_trees(before, here, config, labels=labels, progress=bar)
    finally:
        here.close()
    bar.close()
    framework.comparisons.extend(found)
    framework.record([comparison.after for comparison in found])
    _tell(options, framework)
    return _code(options, framework.results)


def _history(
    options: argparse.Namespace, config: BenchmarkConfig, framework: BenchmarkFramework, bar: Any
) -> int:
    from optcore.benchmark_framework.history import measure_history
    from optcore.benchmark_framework.report import Report, render
    from optcore.benchmark_framework.report.content import duration
    from optcore.benchmark_framework.trees import commits_of, repository_of

    span = commits_of(options.history, repository_of(), options.commits)
    subjects = dict(span)
    found = measure_history(
        [commit for commit, _ in span], _opener(options), config,
        rounds=options.rounds, progress=bar,
    )  # fmt: skip
    bar.close()
    if options.save:
        framework.record([s for one in found for s in one.summaries.values()])
    for history in found if not (options.quiet or options.json) else ():
        changes = dict(history.changes)
        print(history.name)
        for commit, summary in history.summaries.items():
            change = f"  <- x{changes[commit].ratio:.3f}" if commit in changes else ""
            times = f"{duration(summary.median_time):>10} [{duration(summary.ci_low)}, "
            print(f"  {commit:<12}{times}{duration(summary.ci_high)}]{change}  {subjects[commit]}")
    for commit, why in found[0].failed.items():
        print(f"optcore bench: {commit} left out: {why}", file=sys.stderr)
    latest = [list(one.summaries.values())[-1] for one in found]
    report = Report(latest, [one.timeline for one in found])
    if options.json:
        print(render(report, "json", config), end="")
    if options.output is not None:
        from optcore._files import replace_file

        text = render(report, options.output.suffix[1:], config)
        replace_file(options.output, lambda file: file.write(text.encode()))
    slower = any(change.ratio > 1 for one in found for _, change in one.changes)
    return _REGRESSION if slower and options.fail_on_regression else 0
