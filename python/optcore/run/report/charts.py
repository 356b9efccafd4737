"""Charts of one run: latency, calibration, distance, risk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.run.pooling import STAGES
from optcore.run.report.plot import INK, axes, new_figure, to_svg
from optcore.run.report.view import SceneView
from optcore.run.wording import look_up

__all__ = ["distance_chart", "latency_chart", "reliability_chart", "risk_chart"]

_STAGE_NAMES = {"gp": "GP", "belief": "belief", "mpc": "MPC", "total": "whole cycle"}
_PER_DECADE = 16


def latency_chart(view: SceneView, prefix: str) -> str | None:
    """Histogram of each stage over a common logarithmic axis, deadlines marked; None: no data."""
    histograms = [(stage, *_log_histogram(view, column)) for column, stage in enumerate(STAGES)]
    if not any(len(counts) for _, _, counts in histograms):
        return None
    low = min(edges[0] for _, edges, counts in histograms if len(counts))
    high = max(edges[-1] for _, edges, counts in histograms if len(counts))
    figure = new_figure(900, 380)
    grid = figure.add_gridspec(len(STAGES), 1, hspace=0.0)
    for row, (stage, edges, counts) in enumerate(histograms):
        last = row == len(STAGES) - 1
        ax = axes(figure, grid[row], grid="x")
        colour = INK["robot"] if last else INK["goal0"]
        if len(counts):
            share = counts / counts.max()
            ax.stairs(share, edges, fill=True, color=colour, alpha=0.75, lw=0)
        _mark_quantiles(ax, view, stage)
        ax.set_xscale("log")
        ax.set_xlim(min(low, 5.0) * 0.8, max(high * 1.3, 18_000))
        ax.set_ylim(0, 1.75)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_ylabel(_STAGE_NAMES[stage], rotation=0, ha="right", va="center", color=INK["ink"])
        for limit, name in ((1_000, "1 ms"), (10_000, "10 ms")):
            ax.axvline(limit, color=INK["bad"], lw=1.2, ls=(0, (4, 2)))
            if not row:
                ax.annotate(
                    name,
                    (limit, 1.75),
                    (4, -2),
                    textcoords="offset points",
                    va="top",
                    color=INK["bad"],
                )
        ax.tick_params(labelbottom=last)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    ax.set_xlabel("time per cycle, us (logarithmic)")
    return to_svg(figure, "Histograms of the time each stage takes per cycle", prefix)


def reliability_chart(rows: list[dict[str, Any]], prefix: str) -> str | None:
    """How often a goal held with some confidence was the right one; None: nobody was judged."""
    rows = [row for row in rows if row.get("count")]
    if not rows:
        return None
    confidence = np.array([row["confidence"] for row in rows])
    accuracy = np.array([row["accuracy"] for row in rows])
    count = np.array([row["count"] for row in rows])
    middle = np.array([(row["low"] + row["high"]) / 2 for row in rows])
    width = np.array([row["high"] - row["low"] for row in rows])
    figure = new_figure(430, 430)
    grid = figure.add_gridspec(2, 1, height_ratios=(3.4, 1), hspace=0.02)
    ax = axes(figure, grid[0])
    ax.plot([0, 1], [0, 1], color=INK["muted"], lw=1.2, ls=(0, (4, 2)))
    ax.text(0.06, 0.11, "perfect", rotation=38, color=INK["muted"], ha="left", va="bottom")
    error = 1.645 * np.sqrt(np.maximum(accuracy * (1 - accuracy), 0.25 / count) / count)
    ax.errorbar(
        confidence,
        accuracy,
        yerr=[np.minimum(error, accuracy), np.minimum(error, 1 - accuracy)],
        color=INK["goal0"],
        ecolor=INK["goal0"],
        elinewidth=1.2,
        marker="o",
        ms=6,
        lw=1.8,
        mec=INK["panel"],
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.03)
    ax.set_ylabel("share of times it was right")
    ax.tick_params(labelbottom=False)
    below = axes(figure, grid[1], grid="y")
    below.bar(middle, count, 0.9 * width, color=INK["goal0"], alpha=0.55, lw=0)
    below.set_xlim(0, 1)
    below.set_ylabel("count")
    below.set_xlabel("belief in a goal")
    below.yaxis.get_major_locator().set_params(nbins=3, integer=True)
    figure.align_ylabels([ax, below])
    return to_svg(figure, "Reliability diagram of the belief in goals", prefix)


def distance_chart(view: SceneView, prefix: str) -> str | None:
    """Distance to the nearest person over time; None where nobody ever was there."""
    distance = np.asarray(view["min_distance"], dtype=float)
    if len(distance) != view.cycles or not np.isfinite(distance).any():
        return None
    figure = new_figure(900, 300)
    ax = axes(figure, grid="y")
    time = view["time"]
    top = min(max(float(np.nanquantile(distance, 0.98)), 2.0), 10.0)
    still = np.hypot(view["robot"][:, 2], view["robot"][:, 3]) < 0.1
    ax.fill_between(
        time, 0, top, where=still, color=INK["track"], alpha=0.16, lw=0, step="mid", zorder=0
    )
    ax.plot(time, np.minimum(distance, 2 * top), color=INK["goal0"], lw=1.4)
    if view.contact is not None:
        ax.axhspan(0, view.contact, color=INK["bad"], alpha=0.14, lw=0)
        ax.axhline(view.contact, color=INK["bad"], lw=1.2)
    lowest = int(np.nanargmin(distance))
    left = time[lowest] < 0.7 * time[-1]
    ax.plot(time[lowest], distance[lowest], "o", ms=7, mfc=INK["panel"], mec=INK["ink"], mew=1.6)
    ax.annotate(
        f"{distance[lowest]:.2f} m",
        (time[lowest], distance[lowest]),
        (9 if left else -9, 6),
        textcoords="offset points",
        ha="left" if left else "right",
        color=INK["ink"],
        fontweight="bold",
    )
    _rug(ax, view)
    ax.set_xlim(time[0], max(time[-1], time[0] + 0.1))
    ax.set_ylim(0, top)
    ax.set_xlabel("time, s")
    ax.set_ylabel("to the nearest person, m")
    return to_svg(figure, "Distance to the nearest person over time", prefix)


def risk_chart(view: SceneView, prefix: str) -> str | None:
    """Risk promised in each cycle over time, beside what was observed; None: none was promised."""
    risk = np.asarray(view["risk"], dtype=float)
    if len(risk) != view.cycles or not np.isfinite(risk).any() or not np.nanmax(risk):
        return None
    figure = new_figure(900, 240)
    ax = axes(figure, grid="y")
    ax.fill_between(view["time"], 0, 100 * risk, color=INK["goal0"], alpha=0.3, lw=0, step="mid")
    ax.plot(view["time"], 100 * risk, color=INK["goal0"], lw=1.0, drawstyle="steps-mid")
    promised = look_up(view.summary, "safety.risk_promised")
    observed = look_up(view.summary, "safety.risk_observed")
    if promised is not None:
        ax.axhline(100 * promised, color=INK["ink"], lw=1.4, ls=(0, (4, 2)))
    if observed is not None:
        ax.axhline(100 * observed, color=INK["bad"], lw=1.6)
    shown = [100 * np.nanmax(risk), 100 * (promised or 0), 100 * (observed or 0)]
    ax.set_ylim(0, 1.15 * max(shown))
    ax.set_xlim(view["time"][0], max(view["time"][-1], view["time"][0] + 0.1))
    ax.set_xlabel("time, s")
    ax.set_ylabel("risk, %")
    return to_svg(figure, "Risk promised by the plans over time", prefix)


def _log_histogram(view: SceneView, column: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Edges and counts with equal steps in the logarithm; empty counts where nothing was timed."""
    samples = np.asarray(view["latency_us"], dtype=float)
    weights = None
    if samples.ndim == 2 and len(samples) and samples.shape[1] > column:
        values = samples[:, column]
    else:
        buckets = look_up(view.summary, f"latency_us.{STAGES[column]}.histogram", [])
        table = np.array(buckets, dtype=float).reshape(-1, 2)
        values, weights = table[:, 0], table[:, 1]
    good = np.isfinite(values) & (values > 0)
    values, weights = values[good], None if weights is None else weights[good]
    if not len(values):
        return np.zeros(0), np.zeros(0)
    low = np.floor(np.log10(values.min()) * _PER_DECADE) - 1
    high = np.ceil(np.log10(values.max()) * _PER_DECADE) + 1
    edges = 10 ** (np.arange(low, high + 1) / _PER_DECADE)
    counts, _ = np.histogram(values, edges, weights=weights)
    return edges, counts


def _mark_quantiles(ax: Any, view: SceneView, stage: str) -> None:
    """Small flags at the median, the 99th percentile and the longest cycle."""
    for name, height, text in (("p50", 1.32, "p50"), ("p99", 1.32, "p99"), ("max", 1.32, "max")):
        value = look_up(view.summary, f"latency_us.{stage}.{name}")
        if value is None or value <= 0:
            continue
        ax.plot([value, value], [0, 1.22], color=INK["ink"], lw=1.0)
        align = {"p50": "right", "p99": "left", "max": "left"}[name]
        ax.annotate(
            f"{text} {value:,.3g}" if value < 1000 else f"{text} {value:,.0f}",
            (value, height),
            ({"p50": 3, "p99": -3, "max": -3}[name], 0),
            textcoords="offset points",
            ha=align,
            va="center",
            color=INK["ink"],
            fontsize=9,
        )


def _rug(ax: Any, view: SceneView) -> None:
    """Marks below the curve where a plan fell back."""
    if len(view["fallback"]) != view.cycles:
        return
    where = view["time"][view["fallback"] > 0]
    ax.plot(
        where,
        np.full(len(where), 0.035),
        "|",
        transform=ax.get_xaxis_transform(),
        color=INK["ink"],
        ms=7,
        mew=1.0,
    )
