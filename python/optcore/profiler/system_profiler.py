"""SystemProfiler: one call looked at from all sides, or many calls counted at almost no cost."""

from __future__ import annotations

import atexit
import functools
import inspect
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from optcore import __version__
from optcore._machine import described
from optcore._native import runtime
from optcore.errors import ConfigError
from optcore.profiler import passes, stacks
from optcore.profiler.bottlenecks import Evidence, find_bottlenecks
from optcore.profiler.config import ProfilerConfig
from optcore.profiler.data import ProfileMetrics, ProfileOutcome, ProfilingData
from optcore.profiler.sites import async_wrapper, generator_wrapper
from optcore.profiler.trial import Trial

__all__ = ["SystemProfiler"]

_log = logging.getLogger("optcore.profiler")


class SystemProfiler:
    """Measures calls: :meth:`profile_function` one in depth, :meth:`profile_decorator` all of a
    function's. As a context manager it profiles the block; the result is in `last`.

    Args:
        config: a :class:`ProfilerConfig`; default settings when absent.
        progress: called with the seconds so far every `sampling_interval` of a long call.
    """

    def __init__(
        self,
        config: ProfilerConfig | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> None:
        self.config = config if config is not None else ProfilerConfig()
        self.last: ProfilingData | None = None
        self._history: deque[ProfilingData] = deque(maxlen=self.config.max_history)
        self._sites: dict[str, runtime.CallSite] = {}
        self._enabled = True
        self._lock = threading.Lock()
        self._progress = progress
        self._block: Trial | None = None
        self._told: dict[str, int] = {}
        self._at_exit = False

    # --- one call in depth ---------------------------------------------------------------------

    def profile_function(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> ProfileOutcome:
        """Call `function` once; returns (result, data), which also answers for the data's figures.

        An exception of the function passes through; what was measured until then is in `last`.
        """
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return self.run_pass(name, passes.open_pass(self.config), function, args, kwargs)

    def run_pass(
        self,
        name: str,
        trace: passes.Pass,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> ProfileOutcome:
        """:meth:`profile_function` under a pass that the caller opened."""
        trial = Trial(self.config, self._progress)
        trial.start()
        try:
            result = passes.call(trace.wrap(function), args, kwargs or {})
        finally:
            trial.stop()
            self._keep(self._data(name, trial, trace))
        assert self.last is not None
        return ProfileOutcome(result, self.last)

    def __enter__(self) -> SystemProfiler:
        if self._block is not None:
            raise ConfigError("this profiler is profiling a block already; make a second one")
        self._block = Trial(self.config, self._progress)
        self._block.start()
        return self

    def __exit__(self, *_: object) -> None:
        trial, self._block = self._block, None
        if trial is not None:
            trial.stop()
            self._keep(self._data("block", trial, passes.Pass()))

    def _keep(self, data: ProfilingData) -> None:
        with self._lock:
            self.last = data
            self._history.append(data)

    def _data(self, name: str, trial: Trial, trace: passes.Pass) -> ProfilingData:
        config, a, b = self.config, trial.before, trial.after
        trees = trial.trees()
        worked = stacks.that_worked(trees, trial.caller)
        lines = trace.lines() if trace.exact else stacks.line_times(worked)
        functions = stacks.function_times(worked)
        wall = b.wall - a.wall
        last = trial.samples[-1] if trial.samples else None
        io = (b.io[0] - a.io[0], b.io[1] - a.io[1]) if a.io and b.io else None
        loads = [s.gpu_percent for s in trial.samples if s.gpu_percent is not None]
        memory = config.enable_memory_profiling
        metrics = ProfileMetrics(
            execution_time=wall,
            cpu_time=b.cpu - a.cpu,
            cpu_percent=100 * (b.cpu - a.cpu) / wall if wall > 0 else None,
            memory_before_mb=a.rss_mb,
            memory_after_mb=b.rss_mb,
            memory_peak_mb=b.peak_mb if memory else None,
            minor_faults=b.minor_faults - a.minor_faults if memory else None,
            major_faults=b.major_faults - a.major_faults if memory else None,
            voluntary_switches=b.voluntary - a.voluntary,
            involuntary_switches=b.involuntary - a.involuntary,
            read_bytes=io[0] if io else None,
            write_bytes=io[1] if io else None,
            gpu_utilization=sum(loads) / len(loads) if loads else None,
            gpu_memory_mb=last.gpu_memory_mb if last else None,
            overhead_estimate=trial.cost,
            gc_collections=b.collections - a.collections,
            gc_time=trial.collector.seconds,
        )
        allocations = trace.allocations()
        seen = Evidence(metrics, functions, lines, allocations, trial.samples, max(len(worked), 1))
        bottlenecks = find_bottlenecks(seen, config)
        return ProfilingData(
            name=name,
            metrics=metrics,
            lines=lines,
            functions=functions,
            allocations=allocations,
            gpu={"utilization": sum(loads) / len(loads)} if loads else None,
            io={"read_bytes": io[0], "write_bytes": io[1]} if io else None,
            timeline=trial.samples,
            bottlenecks=bottlenecks,
            suggestions=tuple(f"{b.kind}: {b.suggestion}" for b in bottlenecks),
            environment={"optcore": __version__, **described(), "config": config.to_dict()},
            instrumented=trace.instrumented,
            notes=tuple(trial.notes(wall)) + trace.notes + _idle(trees.keys() - worked.keys()),
            stacks=trees,
        )

    # --- all calls of a function ---------------------------------------------------------------

    def profile_decorator(
        self, name: str | Callable[..., Any] | None = None, *, mode: Literal["timing"] = "timing"
    ) -> Any:
        """Count and time every call; also bare, as ``@profiler.profile_decorator``.

        Functions, methods, coroutines (until awaited to the end) and generators (the whole
        iteration) keep their results and exceptions. One log line a name comes at :meth:`flush` or
        at exit, and a warning for a call beyond `cpu_time_threshold_ms`.
        """
        if mode != "timing":
            raise ConfigError(f"mode must be 'timing', got {mode!r}")
        if callable(name):
            return self._decorated(name, None)
        label = name
        return lambda function: self._decorated(function, label)

    def _decorated(self, function: Callable[..., Any], name: str | None) -> Any:
        qualified = f"{function.__module__}.{function.__qualname__}"
        label = name if name is not None else qualified
        with self._lock:
            site = self._sites.setdefault(label, runtime.CallSite())
            site.enabled = self._enabled
            site.slow_ns = int(self.config.cpu_time_threshold_ms * 1e6)
            if not self._at_exit:
                self._at_exit = True
                atexit.register(_flush_at_exit, weakref.ref(self))
        limit = self.config.cpu_time_threshold_ms

        def slow(elapsed_ns: int) -> None:
            _log.warning("%s took %.3g ms, limit %g ms", label, elapsed_ns * 1e-6, limit)

        if inspect.iscoroutinefunction(function):
            return async_wrapper(function, site, slow)
        if inspect.isgeneratorfunction(function):
            return generator_wrapper(function, site, slow)
        wrapped = runtime.profiled(function, site, slow)  # has __wrapped__ already
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(function, attribute):
                setattr(wrapped, attribute, getattr(function, attribute))
        wrapped.__dict__.update(getattr(function, "__dict__", {}))
        return wrapped

    @property
    def enabled(self) -> bool:
        """Whether decorated functions are timed; off, a call costs some 25 ns more than plain."""
        return self._enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        with self._lock:
            self._enabled = bool(on)
            for site in self._sites.values():
                site.enabled = self._enabled

    @property
    def sites(self) -> dict[str, runtime.CallSite]:
        """Decorated functions by name, with their histograms."""
        with self._lock:
            return dict(self._sites)

    @property
    def history(self) -> tuple[ProfilingData, ...]:
        """What :meth:`profile_function` measured, oldest first, at most `max_history`."""
        with self._lock:
            return tuple(self._history)

    def flush(self) -> None:
        """Log one line for each decorated function that was called since the last time."""
        for name, site in self.sites.items():
            h = site.histogram
            if h.count == self._told.get(name, 0):
                continue
            self._told[name] = h.count
            _log.log(
                getattr(logging, self.config.log_level),
                "%s: %d calls, p50 %.4g ms, p99 %.4g ms, max %.4g ms, %d errors",
                name, h.count, h.quantile(0.5) * 1e-6, h.quantile(0.99) * 1e-6, h.max_ns * 1e-6,
                site.errors,
            )  # fmt: skip

    def reset(self) -> None:
        """Forget all that was recorded."""
        with self._lock:
            self._history.clear()
            self._told.clear()
            self.last = None
            for site in self._sites.values():
                site.reset()

    # --- reports -------------------------------------------------------------------------------

    def generate_report(
        self, data: ProfilingData | ProfileOutcome | None = None, format: str = "text"
    ) -> str:
        """A report as text, json, csv, html, speedscope or collapsed stacks.

        Args:
            data: what :meth:`profile_function` returned; None: all that was recorded.
            format: html is one file that needs no other; speedscope opens at speedscope.app.
        """
        from optcore.profiler.report import render

        one = data.data if isinstance(data, ProfileOutcome) else data
        chosen = (one,) if one is not None else self.history
        return render(chosen, {} if one is not None else self.sites, format)

    def report(self) -> str:
        """All that was recorded, as text."""
        return self.generate_report()


def _idle(threads: Iterable[str]) -> tuple[str, ...]:
    names = ", ".join(sorted(threads))
    return (f"only waited, and are left out of lines and functions: {names}",) if names else ()


def _flush_at_exit(profiler: weakref.ref[SystemProfiler]) -> None:
    if (one := profiler()) is not None:
        one.flush()
