"""One HTML file of an analysis: tables, verdicts and pictures. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from optcore.scalability_analyzer import pictures
from optcore.scalability_analyzer.report import law_lines, scenario_doubts, sizing_lines
from optcore.scalability_analyzer.result import ScalabilityResult, TargetResult

__all__ = ["html_page"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;background:#fff;margin:0}
main{max-width:1000px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:19px;margin:28px 0 8px;overflow-wrap:anywhere}
h3{font-size:16px;margin:22px 0 4px}.quiet{color:#5b6875;margin:0 0 12px}
.found{border-left:4px solid #c2571a;padding:4px 12px;margin:8px 0;background:#fdf6f1}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:right;padding:3px 8px;border-bottom:1px solid #e8ecf0}
th:first-child,td:first-child{text-align:left}
pre{font-size:12.5px;white-space:pre-wrap;background:#f5f7f9;padding:8px 12px}
svg{width:100%;height:auto;max-width:760px}
"""


def html_page(result: ScalabilityResult) -> str:
    """The page.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    return "\n".join(_page(result))


def _page(result: ScalabilityResult) -> Iterator[str]:
    e = result.environment
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>optcore load test</title><style>{_STYLE}</style></head><body><main>"
    yield "<h1>Load test</h1>"
    yield (
        f'<p class="quiet">{escape(str(e["time"]))} &middot; {e["cpus"]} processors &middot; '
        f"{escape(str(e['system']))} &middot; Python {escape(str(e['python']))}</p>"
    )
    longest = float(e["config"]["max_response_time"])
    for number, target in enumerate(result.targets):
        yield from _target(target, f"t{number}", longest)
    yield "</main></body></html>"


def _target(target: TargetResult, prefix: str, longest: float) -> Iterator[str]:
    yield f"<h2>{escape(target.target)}</h2>"
    yield _table(
        ["scenario", "calls/s", "offered/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms",
         "start lag p99 ms", "errors", "cpu %", "MB"],
        [
            [s.name, f"{s.throughput:.5g}", "" if s.offered_rate is None else
             f"{s.offered_rate:.5g}", *(f"{1e3 * v:.4g}" for v in (
                 s.response.p50, s.response.p99, s.response.p999, s.response.max)),
             f"{1e3 * s.start_lag.p99:.3g}" if s.start_lag.count else "", str(s.errors),
             f"{s.cpu_percent:.0f}", f"{s.memory_mb:.0f}"]
            for s in target.scenarios
        ],
    )  # fmt: skip
    for s in target.scenarios:
        for doubt in scenario_doubts(s):
            yield f'<div class="found"><b>{escape(s.name)}</b>: {escape(doubt)}</div>'
    answered = [s for s in target.scenarios if s.response.count]
    if target.limit is not None:
        yield (
            f"<h3>What limits: {escape(target.limit.kind)}</h3><p>{escape(target.limit.evidence)}."
            f" Try: {escape(target.limit.remedy)} ({target.limit.confidence:.0%} sure).</p>"
        )
        yield _table(["resource", "seen"], [list(c) for c in target.limit.candidates])
    if answered:
        yield "<h3>Throughput against load</h3>"
        yield pictures.throughput_over_load(answered, f"{prefix}-x")
        if target.knee:
            yield f"<p>Knee: {escape(target.knee)}.</p>"
        yield "<h3>Response time against load</h3>"
        yield pictures.latency_over_load(answered, f"{prefix}-l", longest)
    yield "<h3>Scaling law</h3>"
    if target.usl is not None:
        yield pictures.law(target.usl, f"{prefix}-u")
    yield _lines(law_lines(target.usl, target.usl_reason))
    if target.sizing is not None:
        yield "<h3>What the target takes</h3>"
        yield _lines(sizing_lines(target.sizing))
    if target.advice is not None:
        yield f"<h3>Auto-scaling</h3><pre>{escape(target.advice.to_json())}</pre>"
    for number, s in enumerate(answered):
        yield f"<h3>Response time over time: {escape(s.name)}</h3>"
        yield pictures.heat_map(s, f"{prefix}-h{number}")


def _lines(lines: Iterator[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
