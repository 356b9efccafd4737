"""Pictures of an analysis as inline SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from optcore.errors import MissingDependency
from optcore.scalability_analyzer.result import ScenarioResult
from optcore.scalability_analyzer.usl import UslFit

__all__ = ["heat_map", "latency_over_load", "law", "throughput_over_load"]

_BLUE, _ORANGE, _GREY = "#2b6fb3", "#c2571a", "#5b6875"
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "optcore", "font.size": 10}


def _draw(label: str, prefix: str, draw: Callable[[Any, Any], None]) -> str:
    """An <svg> that needs no other file; `label` is read aloud, `prefix` keeps its ids apart."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency(
            "the pictures of a report need matplotlib: pip install 'optcore[report]'"
        ) from None
    file = io.StringIO()
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, color="#e3e8ed", linewidth=0.8)
        axes.set_axisbelow(True)
        draw(figure, axes)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = re.sub(
        r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.S
    )
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    return re.sub(
        r'<svg([^>]*?) width="[^"]*"([^>]*?) height="[^"]*"|<svg',
        lambda m: f'<svg role="img" aria-label="{escape(label)}"{m[1] or ""}{m[2] or ""}',
        text,
        count=1,
    )


def _closed(scenarios: Sequence[ScenarioResult]) -> list[ScenarioResult]:
    return sorted((s for s in scenarios if not s.scenario.is_open), key=lambda s: s.users)


def _open(scenarios: Sequence[ScenarioResult]) -> list[ScenarioResult]:
    return sorted(
        (s for s in scenarios if s.scenario.is_open), key=lambda s: s.offered_rate or 0.0
    )  # fmt: skip


def _loads(scenarios: Sequence[ScenarioResult]) -> tuple[list[ScenarioResult], list[float], str]:
    """Scenarios in order of load, their loads, and the load's name: one kind, the more frequent."""
    closed, open_ = _closed(scenarios), _open(scenarios)
    if len(closed) >= len(open_):
        return closed, [float(s.users) for s in closed], "users at once (closed loop)"
    return open_, [s.offered_rate or 0.0 for s in open_], "offered load, calls/s (open loop)"


def throughput_over_load(scenarios: Sequence[ScenarioResult], prefix: str) -> str:
    chosen, loads, label = _loads(scenarios)

    def draw(_: Any, axes: Any) -> None:
        axes.plot(loads, [s.throughput for s in chosen], "o-", color=_BLUE)
        if chosen[0].scenario.is_open:
            axes.plot(loads, loads, ":", color=_GREY, label="all that was offered")
            axes.legend(frameon=False)
        axes.set(xlabel=label, ylabel="throughput, calls/s", ylim=(0, None))

    return _draw("throughput against load", prefix, draw)


def latency_over_load(scenarios: Sequence[ScenarioResult], prefix: str, target: float) -> str:
    chosen, loads, label = _loads(scenarios)

    def draw(_: Any, axes: Any) -> None:
        for name, colour in (("p50", _BLUE), ("p99", _ORANGE), ("max", _GREY)):
            values = [1e3 * getattr(s.response, name) for s in chosen]
            axes.plot(loads, values, "o-", color=colour, label=name)
        top = max((1e3 * s.response.max for s in chosen), default=1.0)
        if 1e3 * target < 5 * top:
            axes.axhline(1e3 * target, color=_GREY, linestyle=":", label="response asked for (p99)")
        axes.set_yscale("log")
        axes.set(xlabel=label, ylabel="response time, ms")
        axes.legend(frameon=False)

    return _draw("response time against load", prefix, draw)


def law(usl: UslFit, prefix: str) -> str:
    """Measured throughput, the fitted law with its band, to where it may be used."""
    n = np.linspace(min(usl.loads), usl.farthest, 200)
    low, high = usl.band(n)

    def draw(_: Any, axes: Any) -> None:
        axes.fill_between(n, low, high, color=_BLUE, alpha=0.18, linewidth=0,
                          label=f"{usl.level:.0%} interval of the law")  # fmt: skip
        axes.plot(n, usl.throughput(n), color=_BLUE, label="Universal Scalability Law")
        axes.plot(usl.loads, usl.throughputs, "o", color=_ORANGE, label="measured")
        axes.axvline(usl.largest_load, color=_GREY, linestyle=":", label="largest load tested")
        top = max(*usl.throughputs, float(usl.throughput(n).max()))
        axes.set(xlabel="users at once", ylabel="throughput, calls/s", ylim=(0, 1.4 * top))
        axes.legend(frameon=False)

    return _draw("scaling law with its band", prefix, draw)


def heat_map(scenario: ScenarioResult, prefix: str) -> str:
    """Calls by the time they were due and by response time."""
    heat, ends = scenario.heat, scenario.heat_bins * 1e3
    used = np.flatnonzero(heat.sum(axis=0))
    first, last = (int(used[0]), int(used[-1])) if used.size else (0, 1)
    part = np.ma.masked_equal(heat[:, first : last + 1].T, 0)
    low = ends[first - 1] if first else ends[0] / 2
    y = np.concatenate([[low], ends[first : last + 1]])
    x = np.linspace(0.0, scenario.scenario.duration, heat.shape[0] + 1)

    def draw(figure: Any, axes: Any) -> None:
        from matplotlib.colors import LogNorm

        axes.grid(False)
        top = max(int(heat.max(initial=1)), 2)
        mesh = axes.pcolormesh(x, y, part, cmap="viridis", norm=LogNorm(1, top), rasterized=True)
        axes.set_yscale("log")
        axes.set(xlabel="time the call was due, s", ylabel="response time, ms")
        figure.colorbar(mesh, ax=axes, label="calls")

    return _draw("heat map of response time over time", prefix, draw)
