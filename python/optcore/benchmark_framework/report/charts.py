"""Pictures as inline SVG, by matplotlib; every axis has its unit."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from optcore.benchmark_framework.report.content import time_unit
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.benchmark_framework.timeline import Timeline
from optcore.errors import MissingDependency

__all__ = ["comparison_chart", "overview_chart", "samples_chart", "timeline_chart"]

_INK, _QUIET, _NEW, _OLD, _BAD = "#1c2733", "#5b6875", "#2b6fb3", "#c98a00", "#b3261e"
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "optcore",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _QUIET,
    "axes.labelcolor": _INK,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "axes.grid": True,
    "grid.color": "#e3e8ed",
    "axes.axisbelow": True,
}
_MOST_POINTS = 2000


def _figure(width: float, height: float, columns: int = 1, **how: Any) -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency("pictures need matplotlib: pip install 'optcore[report]'") from None
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width / 72, height / 72), facecolor="none", layout="constrained")
        return figure, figure.subplots(1, columns, **how)


def _svg(figure: Any, label: str) -> str:
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    opening = f'<svg role="img" aria-label="{label}" style="width:100%;height:auto" '
    return text.replace("<svg ", opening, 1)


def samples_chart(summary: BenchmarkSummary) -> str:
    """The samples in their order, and how they are distributed."""
    scale, unit = time_unit(summary.median_time)
    values = summary.raw / scale
    step = max(1, values.size // _MOST_POINTS)
    figure, (left, right) = _figure(1000, 230, 2, sharey=True, gridspec_kw={"width_ratios": [3, 1]})
    order = np.arange(1, values.size + 1)
    left.plot(order[::step], values[::step], ".", color=_NEW, markersize=4, alpha=0.7)
    low, high = summary.ci_low / scale, summary.ci_high / scale
    left.axhspan(low, high, color=_NEW, alpha=0.15, linewidth=0)
    left.axhline(summary.median_time / scale, color=_NEW, linewidth=1.2)
    left.set_xlabel("sample, in order of time")
    left.set_ylabel(f"time of a call, {unit}")
    top = min(float(np.quantile(values, 0.99)), 3 * float(np.median(values))) * 1.15
    if values.max() > 2 * top:  # a stall would flatten the rest
        left.set_ylim(float(values.min()) * 0.95, top)
        hidden = int((values > top).sum())
        left.text(0.99, 0.97, f"{hidden} above, up to {values.max():.4g} {unit}",
                  transform=left.transAxes, ha="right", va="top", color=_BAD)  # fmt: skip
        values = values[values <= top]
    bins = min(40, max(5, int(np.sqrt(values.size) * 2)))
    right.hist(values, bins=bins, orientation="horizontal", color=_NEW, alpha=0.7)
    right.set_xlabel("samples")
    return _svg(figure, "samples in order, and their distribution")


def overview_chart(results: Sequence[BenchmarkSummary]) -> str:
    """Medians with their intervals, and the span from minimum to p99."""
    shown = [s for s in results if np.isfinite(s.median_time)]
    scale, unit = time_unit(float(np.median([s.median_time for s in shown])))
    figure, axes = _figure(1000, 60 + 26 * len(shown))
    for y, s in enumerate(reversed(shown)):
        colour = _BAD if s.regression_detected else _NEW
        axes.plot([s.min_time / scale, max(s.p99, s.min_time) / scale], [y, y],
                  color=colour, alpha=0.3, linewidth=6, solid_capstyle="butt")  # fmt: skip
        axes.plot([s.ci_low / scale, s.ci_high / scale], [y, y], color=colour, linewidth=3)
        axes.plot(s.median_time / scale, y, "o", color=colour, markersize=5)
    spread = max(s.p99 for s in shown) / max(min(s.min_time for s in shown), 1e-12)
    if spread > 30:
        axes.set_xscale("log")
    axes.set_yticks(range(len(shown)), [s.name[-48:] for s in reversed(shown)])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(f"time of a call, {unit}: median (dot), its interval, minimum to p99 (pale)")
    return _svg(figure, "medians of all benchmarks")


def comparison_chart(before: BenchmarkSummary, after: BenchmarkSummary) -> str:
    """Both sets of samples as cumulative shares: one curve right of the other is slower."""
    scale, unit = time_unit(before.median_time)
    figure, axes = _figure(1000, 240)
    for summary, colour, label in ((before, _OLD, "before"), (after, _NEW, "after")):
        values = np.sort(summary.raw) / scale
        share = np.arange(1, values.size + 1) / values.size
        axes.step(values, share, where="post", color=colour, label=label, linewidth=1.8)
        axes.axvline(summary.median_time / scale, color=colour, linewidth=0.8, linestyle="--")
    both = np.concatenate([before.raw, after.raw]) / scale
    low, high = both.min(), np.quantile(both, 0.98)
    axes.set_xlim(low - 0.05 * (high - low), high + 0.1 * (high - low))
    axes.set_xlabel(f"time of a call, {unit} (medians dashed)")
    axes.set_ylabel("share of samples")
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure, "samples before and after")


def timeline_chart(timeline: Timeline) -> str:
    """Median of each run with its interval, and the change points."""
    points = timeline.points
    median = np.array([float(p["median_time"]) for p in points])
    scale, unit = time_unit(float(np.median(median)))
    ends = [
        np.array([float(p.get(key) or m) for p, m in zip(points, median, strict=True)])
        for key in ("ci_low", "ci_high")
    ]
    figure, axes = _figure(1000, 240)
    x = np.arange(1, len(points) + 1)
    spread = np.maximum(np.array([median - ends[0], ends[1] - median]) / scale, 0)
    axes.errorbar(x, median / scale, yerr=spread, fmt="o", color=_NEW, ecolor="#9bbbdc",
                  markersize=4, linewidth=1)  # fmt: skip
    edges = [0, *(change.index for change in timeline.changes), len(points)]
    for start, end in itertools.pairwise(edges):
        level = float(np.median(median[start:end])) / scale
        axes.plot([start + 0.6, end + 0.4], [level, level], color=_INK, linewidth=1)
    for change in timeline.changes:
        axes.axvline(change.index + 0.5, color=_BAD, linestyle="--", linewidth=1)
        axes.annotate(f"x{change.ratio:.3f}", (change.index + 0.5, 1.0),
                      xycoords=("data", "axes fraction"), color=_BAD, ha="left",
                      va="top", xytext=(3, 0), textcoords="offset points")  # fmt: skip
    every = max(1, len(points) // 12)
    names = [str(p.get("commit") or p.get("time") or p.get("run"))[:10] for p in points]
    axes.set_xticks(x[::every], names[::every], rotation=20, ha="right")
    axes.set_ylim(bottom=0.0 if median.min() < 0.5 * median.max() else None)
    axes.set_xlabel("run, by its commit")
    axes.set_ylabel(f"median time of a call, {unit}")
    return _svg(figure, f"runs over time, {len(timeline.changes)} changes")
