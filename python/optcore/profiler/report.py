"""From profiles to text: for people, for tables, and for other viewers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from optcore._native import runtime
from optcore.errors import ConfigError
from optcore.profiler.data import ProfileMetrics, ProfilingData, StackNode
from optcore.profiler.page import html_page

__all__ = ["FORMATS", "render"]

Sites = Mapping[str, runtime.CallSite]
_TOP = 15


def render(profiles: Sequence[ProfilingData], sites: Sites, format: str) -> str:
    """A report in one of FORMATS."""
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    return FORMATS[format](profiles, sites)


def site_rows(sites: Sites) -> list[dict[str, Any]]:
    """Decorated functions as rows: counts, and seconds."""
    rows = []
    for name, site in sites.items():
        h = site.histogram
        rows.append(
            {
                "name": name,
                "calls": h.count,
                "errors": site.errors,
                "total": site.total_ns * 1e-9,
                "own": (site.total_ns - site.children_ns) * 1e-9,
                **{f"p{q:g}": h.quantile(q / 100) * 1e-9 for q in (50, 90, 99, 99.9)},
                "max": h.max_ns * 1e-9,
            }
        )
    return sorted(rows, key=lambda row: -float(row["total"]))


def _text(profiles: Sequence[ProfilingData], sites: Sites) -> str:
    blocks = ["\n".join(_told(data)) for data in profiles]
    if sites:
        lines = [
            f"{'decorated function':<40}{'calls':>9}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"
        ]
        lines += [
            f"{row['name'][-39:]:<40}{row['calls']:>9}{row['p50'] * 1e3:>10.4g}"
            f"{row['p99'] * 1e3:>10.4g}{row['max'] * 1e3:>10.4g}"
            for row in site_rows(sites)
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) if blocks else "nothing was profiled"


def _told(data: ProfilingData) -> Iterator[str]:
    m = data.metrics
    yield f"Profile of {data.name}" + (" (traced: slower than it is)" if data.instrumented else "")
    yield f"  time      {m.execution_time:.6g} s wall, {_plain(m.cpu_time, 's')} of the processor"
    if m.memory_after_mb is not None:
        yield from _resources(m)
    if m.gpu_utilization is not None:
        yield f"  gpu       {m.gpu_utilization:.0f} %, {_plain(m.gpu_memory_mb, 'MB')} in use"
    for note in data.notes:
        yield f"  note      {note}"
    if data.functions:
        yield f"  {'own s':>9} {'python':>8} {'native':>8} {'waiting':>8}  function"
        for f in data.functions[:_TOP]:
            waiting = f.lock + f.sleep + f.io + f.interpreter_lock
            yield (
                f"  {f.self_seconds:>9.4f} {f.running:>8.4f} {f.native:>8.4f} {waiting:>8.4f}"
                f"  {f.function} ({f.file}:{f.line})"
            )
    if data.lines:
        yield f"  {'s':>9} {'share':>7}  line"
        total = sum(line.seconds for line in data.lines) or 1.0
        for line in data.lines[:_TOP]:
            hits = f", {line.hits} times" if line.hits else ""
            yield (
                f"  {line.seconds:>9.4f} {line.seconds / total:>7.1%}"
                f"  {line.file}:{line.line} ({line.function}{hits})"
            )
    for a in data.allocations[:_TOP]:
        yield f"  {a.megabytes:>8.2f} MB in {a.count} blocks  {a.file}:{a.line}"
    for b in data.bottlenecks:
        yield f"  ! {b.kind}: {b.evidence}"
        yield f"    try: {b.suggestion} (confidence {b.confidence:.0%})"


def _resources(m: ProfileMetrics) -> Iterator[str]:
    yield (
        f"  memory    {_plain(m.memory_before_mb, 'MB')} before, {_plain(m.memory_after_mb, 'MB')}"
        f" after, peak of the process {_plain(m.memory_peak_mb, 'MB')}, "
        f"{_plain(m.minor_faults, 'page faults')}"
    )
    yield f"  i/o       {_plain(m.read_bytes, 'bytes read')}, {_plain(m.write_bytes, 'written')}"
    yield f"  gc        {_plain(m.gc_collections, 'collections')}, {_plain(m.gc_time, 's')}"


def _plain(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g} {unit}" if isinstance(value, float) else f"{value} {unit}"


def _json(profiles: Sequence[ProfilingData], sites: Sites) -> str:
    content = {
        "format": "optcore-profile",
        "version": 1,
        "profiles": [data.to_dict() for data in profiles],
        "functions": site_rows(sites),
    }
    return json.dumps(content, indent=1, default=str) + "\n"


def _csv(profiles: Sequence[ProfilingData], sites: Sites) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["profile", "kind", "file", "line", "function", "seconds", "native_s", "waiting_s", "hits"]
    )
    for data in profiles:
        for f in data.functions:
            waiting = f.lock + f.sleep + f.io + f.interpreter_lock
            writer.writerow([data.name, "function", f.file, f.line, f.function, f.self_seconds,
                             f.native, waiting, ""])  # fmt: skip
        for r in data.lines:
            writer.writerow([data.name, "line", r.file, r.line, r.function, r.seconds,
                             r.native_seconds, r.waiting_seconds, r.hits or ""])  # fmt: skip
    for row in site_rows(sites):
        writer.writerow(["", "decorated", "", "", row["name"], row["total"], "", "", row["calls"]])
    return out.getvalue()


def _frames(tree: tuple[StackNode, ...], index: int) -> list[StackNode]:
    """Nodes from the root's child down to the node."""
    path = []
    while index:
        path.append(tree[index])
        index = tree[index].parent
    return path[::-1]


def _stacks(
    profiles: Sequence[ProfilingData],
) -> Iterator[tuple[str, list[StackNode], float]]:
    for data in profiles:
        for thread, tree in data.stacks.items():
            for index, node in enumerate(tree):
                if node.seconds > 0:
                    yield thread, _frames(tree, index), node.seconds


def _collapsed(profiles: Sequence[ProfilingData], _: Sites) -> str:
    """Brendan Gregg's format: frames joined by semicolons, then microseconds."""
    rows: dict[str, int] = {}
    for thread, frames, seconds in _stacks(profiles):
        names = [f"{f.function} ({f.file}:{f.line})".replace(";", ",") for f in frames]
        key = ";".join([thread.replace(";", ","), *names])
        rows[key] = rows.get(key, 0) + round(seconds * 1e6)
    return "".join(f"{key} {count}\n" for key, count in rows.items() if count > 0)


def _speedscope(profiles: Sequence[ProfilingData], _: Sites) -> str:
    """https://www.speedscope.app/file-format-schema.json, one sampled profile a thread."""
    index: dict[tuple[str, str, int], int] = {}
    frames: list[dict[str, Any]] = []
    shown: dict[str, tuple[list[list[int]], list[float]]] = {}
    for thread, path, seconds in _stacks(profiles):
        samples, weights = shown.setdefault(thread, ([], []))
        sample = []
        for f in path:
            key = (f.file, f.function, f.line)
            if key not in index:
                index[key] = len(frames)
                frames.append({"name": f.function, "file": f.file, "line": f.line})
            sample.append(index[key])
        samples.append(sample)
        weights.append(seconds)
    return json.dumps(
        {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "exporter": "optcore",
            "name": ", ".join(data.name for data in profiles),
            "shared": {"frames": frames},
            "profiles": [
                {"type": "sampled", "name": thread, "unit": "seconds", "startValue": 0,
                 "endValue": sum(weights), "samples": samples, "weights": weights}
                for thread, (samples, weights) in shown.items()
            ],
        }
    )  # fmt: skip


def _html(profiles: Sequence[ProfilingData], sites: Sites) -> str:
    return html_page(profiles, site_rows(sites))


FORMATS: dict[str, Callable[[Sequence[ProfilingData], Sites], str]] = {
    "text": _text,
    "json": _json,
    "csv": _csv,
    "html": _html,
    "speedscope": _speedscope,
    "collapsed": _collapsed,
}
