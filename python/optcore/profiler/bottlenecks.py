"""What holds a call up, from a table of rules: each with its evidence and what to try."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from optcore.profiler.config import ProfilerConfig
from optcore.profiler.data import (
    Allocation,
    Bottleneck,
    FunctionTime,
    LineTime,
    ProfileMetrics,
    SystemSample,
)

__all__ = ["Evidence", "find_bottlenecks"]


@dataclass(frozen=True)
class Evidence:
    """All that the rules may look at."""

    metrics: ProfileMetrics
    functions: tuple[FunctionTime, ...] = ()
    lines: tuple[LineTime, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    timeline: tuple[SystemSample, ...] = ()
    threads: int = 1

    @property
    def wall(self) -> float:
        return max(self.metrics.execution_time, 1e-12)

    def share(self, activity: str) -> float:
        """Of all sampled thread time, what was spent so."""
        total = sum(f.self_seconds for f in self.functions)
        spent = sum(float(getattr(f, activity)) for f in self.functions)
        return spent / total if total > 0 else 0.0

    def worst(self, activity: str) -> str:
        """The function that spent most so, with its place."""
        f = max(self.functions, key=lambda f: float(getattr(f, activity)))
        return f"{f.function} ({f.file}:{f.line}), {float(getattr(f, activity)):.3g} s"


Rule = Callable[[Evidence, ProfilerConfig], Bottleneck | None]


def _activity(kind: str, activity: str, least: float, suggestion: str) -> Rule:
    def rule(seen: Evidence, _: ProfilerConfig) -> Bottleneck | None:
        share = seen.share(activity)
        if share < least:
            return None
        evidence = f"{share:.0%} of the sampled thread time; most in {seen.worst(activity)}"
        return Bottleneck(kind, evidence, suggestion, min(0.5 + share / 2, 0.95), share)

    return rule


def _slow_function(seen: Evidence, config: ProfilerConfig) -> Bottleneck | None:
    if not seen.functions:
        return None
    top = max(seen.functions, key=lambda f: f.running + f.native)
    own = top.running + top.native
    per_call = own / max(seen.metrics.call_count, 1)
    if per_call * 1e3 <= config.cpu_time_threshold_ms:
        return None
    line = next((r for r in seen.lines if (r.file, r.function) == (top.file, top.function)), None)
    where = f", hottest line {line.line}" if line is not None else ""
    return Bottleneck(
        "cpu",
        f"{top.function} ({top.file}:{top.line}{where}): {per_call:.3g} s of its own a call,"
        f" limit {config.cpu_time_threshold_ms * 1e-3:g} s",
        "start with this function: it holds most of the CPU time",
        0.8,
        own / seen.wall,
    )


def _growth(seen: Evidence, config: ProfilerConfig) -> Bottleneck | None:
    m = seen.metrics
    if m.memory_before_mb is None or m.memory_after_mb is None:
        return None
    high = max([s.rss_mb for s in seen.timeline] + [m.memory_after_mb])
    grown = high - m.memory_before_mb
    if grown <= config.memory_threshold_mb:
        return None
    return Bottleneck(
        "memory",
        f"resident size grew by {grown:.0f} MB, limit {config.memory_threshold_mb:g} MB",
        "reuse arrays (temporary_array, out=), or map the file; a pass with memory_backend="
        "'tracemalloc' names the lines",
        0.7,
    )


def _traced(seen: Evidence, config: ProfilerConfig) -> Bottleneck | None:
    big = [a for a in seen.allocations if a.megabytes > config.memory_threshold_mb]
    if not big:
        return None
    top = max(big, key=lambda a: a.megabytes)
    return Bottleneck(
        "allocation",
        f"{top.file}:{top.line} holds {top.megabytes:.0f} MB in {top.count} blocks at the end",
        "release or reuse what this line makes",
        0.9,
    )


def _faults(seen: Evidence, _: ProfilerConfig) -> Bottleneck | None:
    m = seen.metrics
    faults = (m.minor_faults or 0) / max(m.call_count, 1)
    # a fault with its clearing of a page costs about half a microsecond, at the least
    share = 0.5e-6 * (m.minor_faults or 0) / seen.wall
    if faults < 1000 or share < 0.05:
        return None
    return Bottleneck(
        "page faults",
        f"{faults:.0f} page faults a call: fresh memory is mapped and cleared each time",
        "keep the buffers: MemoryManager.temporary_array, or out= of the NumPy function",
        0.6,
        share,
    )


def _collector(seen: Evidence, _: ProfilerConfig) -> Bottleneck | None:
    m = seen.metrics
    if m.gc_time is None or m.gc_time < 0.1 * seen.wall:
        return None
    return Bottleneck(
        "garbage collection",
        f"{m.gc_collections} collections took {m.gc_time:.3g} s, {m.gc_time / seen.wall:.0%} of the"
        " call",
        "make fewer objects that refer to each other; MemoryManager.realtime() around the loop",
        0.9,
        m.gc_time / seen.wall,
    )


def _crowded(seen: Evidence, _: ProfilerConfig) -> Bottleneck | None:
    m, cores = seen.metrics, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    switches = (m.involuntary_switches or 0) / seen.wall
    if seen.threads <= 2 * cores or switches < 200:
        return None
    return Bottleneck(
        "too many threads",
        f"{seen.threads} threads on {cores} cores, {switches:.0f} forced switches a second",
        "limit the pools (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS) to the cores",
        0.6,
    )


def _idle_gpu(seen: Evidence, _: ProfilerConfig) -> Bottleneck | None:
    loads = [s.gpu_percent for s in seen.timeline if s.gpu_percent is not None]
    used = (seen.metrics.gpu_memory_mb or 0) > 200
    if len(loads) < 5 or not used or sum(loads) / len(loads) > 20:
        return None
    return Bottleneck(
        "idle GPU",
        f"the GPU was {sum(loads) / len(loads):.0f} % busy on average",
        "send larger batches; keep data on the device between steps",
        0.4,
    )


def _busy(seen: Evidence, config: ProfilerConfig) -> Bottleneck | None:
    percent = seen.metrics.cpu_percent
    if percent is None or percent < config.cpu_threshold_percent or seen.functions:
        return None  # with samples at hand, the rules above say more
    return Bottleneck(
        "cpu load",
        f"{percent:.0f} % of a core, limit {config.cpu_threshold_percent:g} %",
        "profile with enable_line_profiling=True to see where",
        0.5,
    )


_RULES: tuple[Rule, ...] = (
    _activity("python-bound", "running", 0.5,
              "move the loop into NumPy or a native kernel; hoist look-ups out of it"),
    _activity("native-bound", "native", 0.5,
              "the time is inside native code: a better algorithm, fewer or larger calls, float32"),
    _activity("lock wait", "lock", 0.1,
              "hold the lock for less, split it, or hand work over by a queue"),
    _activity("i/o wait", "io", 0.1, "read ahead, in larger pieces, or on another thread"),
    _activity("sleep", "sleep", 0.2, "wait for an event instead of sleeping and looking again"),
    _activity("interpreter lock", "interpreter_lock", 0.15,
              "threads wait for the interpreter: processes, or native code that releases the lock"),
    _slow_function,
    _growth,
    _traced,
    _faults,
    _collector,
    _crowded,
    _idle_gpu,
    _busy,
)  # fmt: skip


def find_bottlenecks(seen: Evidence, config: ProfilerConfig) -> tuple[Bottleneck, ...]:
    """What the rules find, the largest share of time first."""
    found = [one for rule in _RULES if (one := rule(seen, config)) is not None]
    return tuple(sorted(found, key=lambda b: (-b.share, -b.confidence)))
