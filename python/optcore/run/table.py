"""The table that `optcore run` prints: plain text of at most 80 columns."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from optcore._plain import plain
from optcore.run.pooling import STAGES
from optcore.run.wording import MISSING, better, count, fixed, look_up, micro, percent, plural

if TYPE_CHECKING:
    from optcore.run.result import RunResult

__all__ = ["print_table"]

_COLUMNS = 80
_KINDS = {
    "replay": "replay: recorded people walk as they did, whatever the robot does",
    "reactive": "reactive: simulated people make way for the robot",
    "mixed": "replayed and reactive scenes together",
}


def print_table(results: Sequence[RunResult], file: TextIO | None = None) -> None:
    """Print the figures of each scene, and of all together where there are several.

    Headings are bold on a terminal, unless NO_COLOR is set (https://no-color.org).
    """
    from optcore.run.result import pooled_summary

    out = sys.stdout if file is None else file
    bold = out.isatty() and not os.environ.get("NO_COLOR")
    summaries = [plain(result.summary) for result in results]
    blocks = [(look_up(summary, "scene.name", "scene"), summary) for summary in summaries]
    if len(results) > 1:
        blocks.append((f"all {len(results)} scenes", pooled_summary(results)))
    for name, summary in blocks:
        print(f"\n\033[1m{name}\033[0m" if bold else f"\n{name}", file=out)
        for line in _lines(summary):
            print(line, file=out)


def _lines(summary: dict[str, Any]) -> Iterator[str]:
    yield from _about(summary)
    yield ""
    yield from _latency(summary)
    yield ""
    yield from _forecasts(summary)
    yield ""
    yield from _safety(summary)
    yield from _robot(summary)
    yield from _fallbacks(summary)


def _about(summary: dict[str, Any]) -> Iterator[str]:
    scene = summary.get("scene") or {}
    options = summary.get("options") or {}
    yield "  " + _KINDS.get(scene.get("kind", ""), "kind of scene not known")
    facts = [
        f"{fixed(scene.get('duration_s'), 1)} s",
        plural(scene.get("people"), "person", "people"),
        plural(summary.get("cycles"), "cycle"),
    ]
    if options.get("period_s") is not None:
        facts[-1] += f" of {1000 * options['period_s']:g} ms"
    if options.get("forecast"):
        facts.append(f"forecast: {str(options['forecast']).replace('_', ' ')}")
    yield "  " + ", ".join(facts)
    if summary.get("partial"):
        yield "  interrupted: everything below is of the part that was run"
    for note in scene.get("notes") or ():
        yield from textwrap.wrap(
            f"note: {note}", _COLUMNS, initial_indent="  ", subsequent_indent="        "
        )


def _latency(summary: dict[str, Any]) -> Iterator[str]:
    yield f"  {'time per cycle, us':<28}{'p50':>10}{'p99':>10}{'max':>10}"
    for stage in STAGES:
        values = [micro(look_up(summary, f"latency_us.{stage}.{q}")) for q in ("p50", "p99", "max")]
        yield f"    {stage:<26}" + "".join(f"{value:>10}" for value in values)
    late = [count(look_up(summary, f"deadline_misses.{limit}")) for limit in ("10ms", "1ms")]
    yield _row("cycles beyond 10 ms", late[0])
    yield _row("cycles beyond 1 ms", late[1])


def _forecasts(summary: dict[str, Any]) -> Iterator[str]:
    def compare(label: str, path: str, beside: str, digits: int) -> str:
        own, other = look_up(summary, path), look_up(summary, beside)
        line = f"  {label:<28}{fixed(own, digits):>10}{fixed(other, digits):>10}"
        verdict = _change(own, other) if path.startswith("intent") else better(own, other)
        return f"{line}  {verdict}".rstrip()

    horizon = look_up(summary, "prediction.horizon_s")
    at = "" if horizon is None else f" at {horizon:g} s"
    windows = look_up(summary, "prediction.windows")
    yield f"  {'people, forecast':<28}{'optcore':>10}{'const vel':>10}"
    yield compare("  mean error (ADE), m", "prediction.ade_m", "prediction.cv_ade_m", 3)
    yield compare(f"  error{at} (FDE), m", "prediction.fde_m", "prediction.cv_fde_m", 3)
    coverage = look_up(summary, "prediction.coverage.90")
    if coverage is not None:
        yield _row("  inside the 90 % ellipse", percent(coverage))
    yield _row("  windows", count(windows))
    yield f"  {'people, goal':<28}{'optcore':>10}{'prior':>10}"
    yield compare("  right goal first", "intent.top1", "intent.prior_top1", 3)
    yield compare("  NLL, nats", "intent.nll", "intent.prior_nll", 3)
    yield _row("  Brier score", fixed(look_up(summary, "intent.brier"), 3))
    yield _row("  calibration error (ECE)", fixed(look_up(summary, "intent.ece"), 3))
    yield _row("  tracks", count(look_up(summary, "intent.tracks")))


def _safety(summary: dict[str, Any]) -> Iterator[str]:
    safety = summary.get("safety") or {}
    contact = safety.get("contact_distance_m")
    yield _row(
        "least distance, m",
        fixed(safety.get("min_distance_m")),
        "" if contact is None else f"centre to centre; contact below {contact:.2f}",
    )
    yield _row(
        "collisions of the robot",
        count(safety.get("robot_caused_collisions")),
        "while it moved, above 0.1 m/s",
    )
    yield _row(
        "contacts at standstill",
        count(safety.get("contacts_at_standstill")),
        "somebody walked into it as it stood",
    )
    yield _row(
        "risk promised",
        percent(safety.get("risk_promised"), 2),
        f"budget {percent(safety.get('risk_budget'), 2)}, "
        f"observed {percent(safety.get('risk_observed'), 2)}",
    )


def _robot(summary: dict[str, Any]) -> Iterator[str]:
    robot = summary.get("robot") or {}
    crossings = robot.get("crossings") or []
    reached = sum(bool(crossing.get("reached")) for crossing in crossings)
    yield _row(
        "goal reached",
        {None: MISSING, True: "yes", False: "no"}[robot.get("reached")],
        f"{reached} of {len(crossings)} crossings completed" if crossings else "",
    )
    yield _row("time to goal, s", fixed(robot.get("time_to_goal_s"), 1))
    path, straight = robot.get("path_length_m"), robot.get("straight_line_m")
    ratio = f", {path / straight:.2f} times" if path is not None and straight else ""
    yield _row("path, m", fixed(path), f"straight line {fixed(straight)}{ratio}")
    idle = robot.get("standstill_without_reason_s")
    without = "" if idle is None else f"of these {idle:.1f} without a reason"
    yield _row("standing still, s", fixed(robot.get("standstill_s"), 1), without)


def _fallbacks(summary: dict[str, Any]) -> Iterator[str]:
    fallbacks = {k: v for k, v in (summary.get("fallbacks") or {}).items() if v}
    total = sum(fallbacks.values())
    parts = [f"{name} {percent(value / total)}" for name, value in fallbacks.items()]
    text = ", ".join(parts) or "n/a"
    yield from textwrap.wrap(
        f"{'plans used':<30}{text}", _COLUMNS, initial_indent="  ", subsequent_indent=" " * 32
    )


def _row(label: str, value: str, remark: str = "") -> str:
    return f"  {label:<28}{value:>10}  {remark}".rstrip()


def _change(own: float | None, other: float | None) -> str:
    return "" if own is None or other is None else f"{own - other:+.2f}"
