"""The page: headline figures, pictures with captions, tables, and what was measured where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from optcore._files import replace_file
from optcore.run.report.animation import PLAYER, animation
from optcore.run.report.belief import belief_picture, story_map, tell_belief
from optcore.run.report.charts import (
    distance_chart,
    latency_chart,
    reliability_chart,
    risk_chart,
)
from optcore.run.report.map import moment_picture
from optcore.run.report.moments import telling_moments
from optcore.run.report.style import style_sheet
from optcore.run.report.view import SceneView
from optcore.run.result import RunResult
from optcore.run.wording import better, count, fixed, look_up, micro, percent

__all__ = ["write_report"]

_KINDS = {
    "replay": "Replayed people walk as they did when they were recorded, whatever the robot does: "
    "nobody makes way for it, and some walk into it where it stands.",
    "reactive": "Simulated people see the robot and make way for it, as they do for each other.",
}


def write_report(results: Sequence[RunResult], path: str | Path) -> None:
    """Write one self-contained HTML file about one or several runs; it appears whole or not at all.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    text = "\n".join(_page(results))
    replace_file(path, lambda file: file.write(text.encode()))


def _page(results: Sequence[RunResult]) -> Iterator[str]:
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>optcore run</title><style>{style_sheet()}</style>"
    yield f"<script>{PLAYER}</script></head><body><main>"
    yield "<h1>A robot among people</h1>"
    yield (
        '<p class="quiet">Every period the loop observes people, updates a belief about where each '
        "of them is going, forecasts them with Gaussian processes, and plans with a quadratic "
        "programme under chance constraints.</p>"
    )
    views = [SceneView.of(result) for result in results]
    if len(views) > 1:
        links = (f'<a href="#s{i}">{escape(view.name)}</a>' for i, view in enumerate(views))
        yield f"<nav>{''.join(links)}</nav>"
    for index, view in enumerate(views):
        yield from _scene(view, f"s{index}")
    yield "</main></body></html>"


def _scene(view: SceneView, prefix: str) -> Iterator[str]:
    summary = view.summary
    yield f'<section id="{prefix}"><h2>{escape(view.name)}</h2>'
    facts = [
        f"{fixed(look_up(summary, 'scene.duration_s'), 0)} s",
        f"{count(look_up(summary, 'scene.people'))} people",
        f"{count(summary.get('cycles'))} control cycles",
        f"forecast: {escape(str(look_up(summary, 'options.forecast', '')).replace('_', ' '))}",
    ]
    yield f'<p class="quiet">{" &middot; ".join(facts)}</p>'
    kind = str(look_up(summary, "scene.kind", ""))
    yield f'<p class="notice">{_KINDS.get(kind, "")}</p>'
    if summary.get("partial"):
        yield '<p class="notice">Interrupted: everything here is of the part that was run.</p>'
    for note in look_up(summary, "scene.notes") or ():
        yield f'<p class="quiet">Note: {escape(str(note))}</p>'
    yield from _headline(summary)
    yield from _pictures(view, prefix)
    yield from _tables(summary)
    yield "</section>"


def _headline(summary: dict[str, Any]) -> Iterator[str]:
    def box(value: str, label: str, bad: bool = False) -> str:
        return (
            f'<div class="figure{" bad" if bad else ""}"><b>{value}</b><span>{label}</span></div>'
        )

    caused = look_up(summary, "safety.robot_caused_collisions")
    fde, cv = look_up(summary, "prediction.fde_m"), look_up(summary, "prediction.cv_fde_m")
    crossings = look_up(summary, "robot.crossings") or []
    reached = sum(bool(c.get("reached")) for c in crossings)
    yield '<div class="figures">'
    yield box(count(caused), "collisions caused by the robot", bool(caused))
    yield box(
        f"{reached} of {len(crossings)}",
        f"crossings completed, {fixed(look_up(summary, 'robot.time_to_goal_s'), 1)} s on average",
    )
    yield box(
        f"{micro(look_up(summary, 'latency_us.total.p50'))} us",
        f"per cycle; 99 % within {micro(look_up(summary, 'latency_us.total.p99'))} us",
    )
    yield box(
        count(look_up(summary, "deadline_misses.10ms")),
        f"cycles beyond 10 ms; {count(look_up(summary, 'deadline_misses.1ms'))} beyond 1 ms",
    )
    yield box(
        f"{fixed(fde)} m",
        f"forecast error at 4.8 s, {better(fde, cv)} beside constant velocity's {fixed(cv)} m",
    )
    yield box(
        percent(look_up(summary, "intent.top1"), 0),
        "right goal at half of the way; from the prior alone "
        + percent(look_up(summary, "intent.prior_top1"), 0),
    )
    yield "</div>"


def _figure(picture: str | None, title: str, caption: str) -> str:
    if picture is None:
        return ""
    return f"<figure>{picture}<figcaption><b>{title}</b> {caption}</figcaption></figure>"


def _pictures(view: SceneView, prefix: str) -> Iterator[str]:
    yield "<h3>The run, as it happened</h3>"
    yield _figure(
        animation(view, f"{prefix}a"),
        "From above.",
        "Orange: the robot, its contact distance and its plan. People have the colour of the goal "
        "believed likeliest; the ellipse holds 90 % of where they may be about 2.4 s later.",
    )
    moments = telling_moments(view)
    if moments:
        yield '<h3>Telling moments</h3><div class="pair">'
        for i, moment in enumerate(moments):
            yield _figure(
                moment_picture(view, moment, f"{prefix}m{i}"),
                escape(moment.title) + ".",
                escape(moment.text) + " Ellipses: 90 % of the forecast.",
            )
        yield "</div>"
    story = tell_belief(view)
    if story is not None:
        yield '<h3>What was believed of one person</h3><div class="pair">'
        yield _figure(
            belief_picture(view, story, f"{prefix}b"),
            f"Person {story.person}.",
            "Belief among the goals while the person was in sight.",
        )
        yield _figure(
            story_map(view, story, f"{prefix}t"), "Their way.", "The same person on the map."
        )
        yield "</div>"
    yield "<h3>How near, how risky, how fast</h3>"
    yield _figure(
        distance_chart(view, f"{prefix}d"),
        "Distance to the nearest person.",
        "Below the red line bodies touch. Grey: the robot stands; marks: plans that fell back.",
    )
    yield _figure(
        risk_chart(view, f"{prefix}r"),
        "Risk.",
        "Blue: probability of contact each plan promises over its horizon. Dashed: their mean. "
        "Red: the share of plans that would really have touched somebody had the robot followed "
        "them blindly to the end, without planning again.",
    )
    yield _figure(
        latency_chart(view, f"{prefix}l"),
        "Time per cycle.",
        "Every stage of every cycle, on a logarithmic axis, with the deadlines of 1 and 10 ms.",
    )
    yield '<div class="narrow">'
    yield _figure(
        reliability_chart(look_up(view.summary, "intent.reliability") or [], f"{prefix}c"),
        "Calibration.",
        "How often the goal believed likeliest was the right one, by how sure the belief was. On "
        "the diagonal a belief of 80 % is right in 80 % of cases.",
    )
    yield "</div>"


def _tables(summary: dict[str, Any]) -> Iterator[str]:
    rows = [
        ("least distance, centre to centre", "safety.min_distance_m", fixed, "m"),
        ("contacts while the robot stood", "safety.contacts_at_standstill", count, ""),
        ("risk budget of the constraints", "safety.risk_budget", percent, ""),
        ("risk promised", "safety.risk_promised", percent, ""),
        ("risk observed", "safety.risk_observed", percent, ""),
        ("mean forecast error (ADE)", "prediction.ade_m", fixed, "m"),
        ("the same, constant velocity", "prediction.cv_ade_m", fixed, "m"),
        ("best of 20 (ADE)", "prediction.best_of_20_ade_m", fixed, "m"),
        ("inside the 50 % region", "prediction.coverage.50", percent, ""),
        ("inside the 90 % region", "prediction.coverage.90", percent, ""),
        ("inside the 99 % region", "prediction.coverage.99", percent, ""),
        ("goal: negative log-likelihood", "intent.nll", fixed, "nats"),
        ("the same, prior alone", "intent.prior_nll", fixed, "nats"),
        ("goal: Brier score", "intent.brier", fixed, ""),
        ("goal: calibration error", "intent.ece", fixed, ""),
        ("path beside the straight line", "robot.path_length_m", fixed, "m"),
        ("straight line", "robot.straight_line_m", fixed, "m"),
        ("standing still under way", "robot.standstill_s", fixed, "s"),
        ("of these without a reason", "robot.standstill_without_reason_s", fixed, "s"),
    ]
    yield "<h3>All figures</h3><table>"
    for label, path, form, unit in rows:
        value = form(look_up(summary, path))
        yield f'<tr><td>{label}</td><td>{value} <span class="unit">{unit}</span></td></tr>'
    for name, cycles in (summary.get("fallbacks") or {}).items():
        label = escape(str(name)).replace("_", " ")
        yield f"<tr><td>cycles planned: {label}</td><td>{count(cycles)}</td></tr>"
    yield "</table><h3>Measured on</h3><table>"
    for name, value in (summary.get("environment") or {}).items():
        yield f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>"
    yield "</table>"
