"""BenchmarkFramework: measure, keep, compare, and say when something became slower."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.benchmark_framework.comparison import Comparison, array, in_turns, stored_verdict
from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.environment import describe_environment, machine_id
from optcore.benchmark_framework.isolation import Request, isolated
from optcore.benchmark_framework.measurement import Measured, Progress, measured
from optcore.benchmark_framework.regression import unjudged
from optcore.benchmark_framework.store import ResultStore, new_run
from optcore.benchmark_framework.subject import CachePolicy, default_name, subject_of
from optcore.benchmark_framework.summary import BenchmarkSummary, summarise
from optcore.benchmark_framework.timeline import Timeline
from optcore.benchmark_framework.timing import timer_floor
from optcore.errors import ConfigError

__all__ = ["BenchmarkFramework", "Comparison"]

Array = NDArray[np.float64]


class BenchmarkFramework:
    """Benchmarks of Python callables with robust figures, baselines on disk, and timelines.

    Args:
        config: a :class:`BenchmarkConfig`; default settings when absent.
        progress: told the share done and a word, while a benchmark runs.
    """

    def __init__(
        self, config: BenchmarkConfig | None = None, progress: Progress | None = None
    ) -> None:
        self.config = config if config is not None else BenchmarkConfig()
        self.store = ResultStore(
            self.config.output_directory, self.config.baseline_directory, self.config.history_limit
        )
        self.results: list[BenchmarkSummary] = []
        """of this object, in their order"""
        self.comparisons: list[Comparison] = []
        self._progress = progress

    # --- measuring ------------------------------------------------------------------------------

    def benchmark(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        cache_policy: CachePolicy = "bypass",
        **overrides: Any,
    ) -> BenchmarkSummary:
        """Time a function, judge it against its baseline, and keep the run.

        An exception of the function, the timeout, NaN in the result, or a crash (with `isolate`)
        are reported in the summary, not raised.

        Args:
            name: under which it is kept; default module.qualname.
            args, kwargs: of each call.
            setup: called untimed before each sample, which is then a single call.
            cache_policy: for a cached function: "bypass" calls past the cache, "as_is" measures
                what a user meets, "cold_and_hit" both an emptied cache and hits.
            overrides: fields of the configuration, for this benchmark.

        Raises:
            ConfigError: arguments do not fit the function, or a setting is wrong.
        """
        config = self.config.replace(**overrides) if overrides else self.config
        label = name if name is not None else default_name(function)
        request = Request(function, args, kwargs or {}, setup, cache_policy, config.to_dict())
        return self._benchmark(label, request, config)

    def _benchmark(
        self, label: str, request: Request, config: BenchmarkConfig, beside: bool = False
    ) -> BenchmarkSummary:
        """`beside`: others run at the same time."""
        subject = subject_of(request.function, request.args, request.kwargs, request.policy)
        floor, environment = timer_floor(), describe_environment()

        def sample(seconds: float, timing_only: bool = False) -> Measured:
            if config.isolate:
                return isolated(dataclasses.replace(request, timing_only=timing_only), seconds)
            begin = time.monotonic()
            parts = measured(
                subject, config, request.setup, self._progress,
                seconds=seconds, timing_only=timing_only,
            )  # fmt: skip
            return Measured(**dict(parts), seconds=time.monotonic() - begin)

        found = sample(config.timeout_seconds)
        left = config.timeout_seconds - found.seconds
        summary = summarise(
            label, found.samples, config,
            cache=subject.cache, timer_floor=floor, environment=environment, crashed=found.crashed,
        )  # fmt: skip
        cold = None
        if found.cold is not None:
            cache = "emptied before each call"
            cold = summarise(f"{label} (cold)", found.cold, config, cache=cache)
        summary = dataclasses.replace(
            summary,
            run=new_run(),
            cold=cold,
            memory_peak_mb=found.further.memory_peak_mb,
            profile=found.further.profile,
            notes=(*summary.notes, *found.further.notes),
        )
        if beside and summary.outcome == "ok":
            summary = summary.judged(unjudged("not_comparable", "other benchmarks ran beside it"))
        else:
            summary = self.judged(summary, config, lambda: array(sample(left, True).samples))
        return self._kept(summary, config)

    def benchmark_all(
        self, functions: Mapping[str, Callable[..., Any]], **overrides: Any
    ) -> dict[str, BenchmarkSummary]:
        """Benchmark functions without arguments, by name, one after the other.

        With `enable_parallel_benchmarks` they run beside each other, in up to `max_workers`
        processes of their own, and are marked as not comparable.
        """
        if not self.config.enable_parallel_benchmarks:
            return {
                name: self.benchmark(f, name=name, **overrides) for name, f in functions.items()
            }
        config = self.config.replace(**{**overrides, "isolate": True})
        with concurrent.futures.ThreadPoolExecutor(config.max_workers) as pool:
            running = {
                name: pool.submit(
                    self._benchmark,
                    name,
                    Request(f, (), {}, None, "bypass", config.to_dict()),
                    config,
                    beside=True,
                )
                for name, f in functions.items()
            }
            return {name: future.result() for name, future in running.items()}

    # --- baselines and comparisons ---------------------------------------------------------------

    def set_baseline(self, name: str, summary: BenchmarkSummary) -> None:
        """Keep a summary, with its samples, as what later runs of this name are judged against."""
        if summary.outcome != "ok" or summary.raw.size == 0:
            raise ConfigError(
                f"{name}: a baseline needs samples that succeeded, this one {summary.outcome}: "
                f"{summary.regression_reason or 'it holds no samples'}"
            )
        self.store.set_baseline(name, summary)

    def get_baseline(self, name: str) -> BenchmarkSummary | None:
        """The baseline of this machine, or None."""
        return self.store.baseline(name, machine_id(describe_environment()))

    def list_baselines(self) -> list[str]:
        return self.store.list_baselines()

    def delete_baseline(self, name: str) -> bool:
        """Of all machines; whether there was one."""
        return self.store.delete_baseline(name)

    def compare(
        self,
        before: Callable[..., Any] | BenchmarkSummary | str,
        after: Callable[..., Any] | BenchmarkSummary | str,
        *,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        cache_policy: CachePolicy = "bypass",
        **overrides: Any,
    ) -> Comparison:
        """Judge `after` against `before`; ratios above 1 are slower.

        Two functions are measured in turns (with `interleave`), which tells the smallest changes.
        Two summaries, or names of runs or benchmarks (the latest run counts), are judged by the
        rule for stored baselines. `isolate` has no part in it.
        """
        config = self.config.replace(**overrides) if overrides else self.config
        if callable(before) and callable(after):
            names = (
                (f"{name} (before)", name) if name else (default_name(before), default_name(after))
            )
            first, second = (
                subject_of(f, args, kwargs or {}, cache_policy) for f in (before, after)
            )
            found = in_turns((first, second), names, config, setup, self._progress)
        elif callable(before) or callable(after):
            raise ConfigError("compare: need two functions, or two results; got one of each")
        else:
            a, b = self._result(before), self._result(after)
            found = Comparison(a, b, stored_verdict(a, b, config, None))
        self.comparisons.append(found)
        return found

    def _result(self, given: BenchmarkSummary | str) -> BenchmarkSummary:
        if isinstance(given, BenchmarkSummary):
            return given
        if (self.store.folder / "runs" / f"{given}.json").is_file():
            return self.store.load(given)
        points = self.store.history(given)
        if not points:
            raise ConfigError(f"compare: {given!r} is neither a run nor a benchmark that was kept")
        return self.store.load(points[-1]["run"])

    def judged(
        self, summary: BenchmarkSummary, config: BenchmarkConfig, again: Callable[[], Array]
    ) -> BenchmarkSummary:
        """A copy with the verdict against its baseline; `again` takes further samples."""
        if summary.outcome != "ok":
            return summary  # it says "failed"
        if not config.enable_regression_testing:
            return summary.judged(unjudged("no_baseline", "regression testing is off"))
        baseline = self.store.baseline(summary.name, machine_id(summary.environment))
        if baseline is None:
            others = self.store.baselines_of(summary.name)
            if not others:
                return summary.judged(unjudged("no_baseline", "no baseline was set"))
            baseline = others[-1]
        verdict = stored_verdict(baseline, summary, config, again)
        described = {
            "run": baseline.run,
            "time": baseline.environment.get("time"),
            "git": baseline.environment.get("git"),
            "median_time": baseline.median_time,
        }
        return summary.judged(verdict, described)

    def _kept(self, summary: BenchmarkSummary, config: BenchmarkConfig) -> BenchmarkSummary:
        self.store.record(summary, raw=config.save_raw_data)
        self.results.append(summary)
        return summary

    # --- timelines and reports -------------------------------------------------------------------

    def timeline(self, name: str, machine: str | None = None) -> Timeline:
        """Runs of a benchmark on this machine (or the one named), with their change points."""
        chosen = machine if machine is not None else machine_id(describe_environment())
        points = self.store.history(name)
        own = tuple(point for point in points if point.get("machine") == chosen)
        least = 1 + self.config.min_effect_percent / 100
        return Timeline(name, chosen, own, len(points) - len(own), least)

    def record(self, summaries: Sequence[BenchmarkSummary]) -> None:
        """Keep results measured elsewhere: they join timelines and reports."""
        for summary in summaries:
            run = summary.run or new_run()
            self._kept(dataclasses.replace(summary, run=run), self.config)

    def generate_report(self, format: str = "html") -> str:
        """All results and comparisons of this object, or the latest of each name that was kept.

        Args:
            format: html (one file, pictures included), json, csv, or md.
        """
        from optcore.benchmark_framework.report import Report, render

        results = self.results or [
            self.store.load(self.store.history(name)[-1]["run"]) for name in self.store.names()
        ]
        names = dict.fromkeys(summary.name for summary in results)
        timelines = [self.timeline(name) for name in names]
        return render(Report(results, timelines, self.comparisons), format, self.config)

    def export(self, path: str | Path) -> Path:
        """Write a report; the ending chooses the format: .html, .json, .csv or .md."""
        from optcore._files import replace_file

        target = Path(path)
        format = target.suffix.lstrip(".").lower()
        text = self.generate_report(format)
        replace_file(target, lambda file: file.write(text.encode()))
        return target
