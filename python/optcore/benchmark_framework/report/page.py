"""One HTML file: what changed first, then every benchmark with its pictures. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.report import charts
from optcore.benchmark_framework.report.content import Report, duration, interval, status_text
from optcore.benchmark_framework.report.tables import change_of, machine_line
from optcore.benchmark_framework.summary import BenchmarkSummary
from optcore.benchmark_framework.timeline import Timeline

if TYPE_CHECKING:
    from optcore.benchmark_framework.framework import Comparison

__all__ = ["html_page"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;background:#fff;margin:0}
main{max-width:1100px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 6px;padding-top:14px;
border-top:1px solid #dde3e9;overflow-wrap:anywhere}h3{font-size:15px;margin:18px 0 4px}
.quiet{color:#5b6875;margin:0 0 10px}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:right;padding:4px 8px;border-bottom:1px solid #e8ecf0;vertical-align:top}
th:first-child,td:first-child,th:last-child,td:last-child{text-align:left;overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:10px;margin:8px 0}
.fact{border:1px solid #dde3e9;border-radius:6px;padding:6px 12px}
.fact b{display:block;font-size:16px}.fact span{color:#5b6875;font-size:12px}
.tag{border-radius:10px;padding:1px 9px;font-size:12px;background:#eceff2;white-space:nowrap}
.regression,.failed{background:#fbe4e2;color:#8c1d18}.improvement{background:#ddf0e4;color:#155d33}
.inconclusive,.not_comparable{background:#fbf0d9;color:#7a4f00}
.found{border-left:4px solid #b3261e;padding:4px 12px;margin:8px 0;background:#fdf4f3}
a{color:#2b6fb3}
"""


def html_page(report: Report, config: BenchmarkConfig) -> str:
    """The page; pictures where the configuration wants them and matplotlib is there."""
    return "\n".join(_page(report, config))


def _page(report: Report, config: BenchmarkConfig) -> Iterator[str]:
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>optcore benchmarks</title><style>{_STYLE}</style></head><body><main>"
    yield "<h1>Benchmarks</h1>"
    if not report.results and not report.comparisons:
        yield "<p>Nothing was benchmarked.</p></main></body></html>"
        return
    first = report.results[0] if report.results else report.comparisons[0].after
    yield f'<p class="quiet">{escape(machine_line(first))}</p>'
    pictures, why = _pictures(config)
    if why:
        yield f'<p class="quiet">{escape(why)}</p>'
    for s in report.results:
        if s.regression_status in ("regression", "failed", "inconclusive"):
            yield f'<div class="found"><b>{escape(s.name)}</b>: {escape(s.regression_reason)}</div>'
    if report.results:
        yield _overview(report.results)
        if pictures and any(s.median_time == s.median_time for s in report.results):
            yield charts.overview_chart(report.results)
    for comparison in report.comparisons:
        yield from _comparison(comparison, pictures)
    shown: set[str] = set()
    timelines = {timeline.name: timeline for timeline in report.timelines}
    for s in report.results:
        yield from _result(s, pictures)
        if s.name in timelines and s.name not in shown:
            shown.add(s.name)
            yield from _timeline(timelines[s.name], pictures)
    yield "</main></body></html>"


def _pictures(config: BenchmarkConfig) -> tuple[bool, str]:
    if not config.enable_visualization:
        return False, ""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False, "Pictures need matplotlib: pip install 'optcore[report]'"
    return True, ""


def _tag(status: str, text: str | None = None) -> str:
    return f'<span class="tag {escape(status)}">{escape(text or status.replace("_", " "))}</span>'


def _overview(results: Sequence[BenchmarkSummary]) -> str:
    rows = [
        [
            f'<a href="#r-{escape(s.run)}">{escape(s.name)}</a>',
            duration(s.median_time),
            interval(s),
            duration(s.min_time),
            duration(s.p99),
            f"{s.iterations} x {s.calls_per_sample}",
            escape(change_of(s)),
            _tag(s.regression_status, status_text(s)),
        ]
        for s in results
    ]
    heads = ["benchmark", "median", "interval of the median", "minimum", "p99",
             "samples x calls", "against the baseline", "status"]  # fmt: skip
    return _table(heads, rows)


def _comparison(comparison: Comparison, pictures: bool) -> Iterator[str]:
    before, after, verdict = comparison.before, comparison.after, comparison.verdict
    yield f"<h2>{escape(after.name)}: before and after {_tag(verdict.status)}</h2>"
    how = "in turns" if verdict.interleaved else "one after the other"
    yield f'<p class="quiet">Measured {how}. {escape(verdict.reason)}.</p>'
    rows = [[escape(label), duration(s.median_time), duration(s.min_time), duration(s.p99),
             str(s.iterations), escape(s.first_error or "")]
            for label, s in (("before", before), ("after", after))]  # fmt: skip
    yield _table(["", "median", "minimum", "p99", "samples", "first error"], rows)
    if pictures and before.raw.size and after.raw.size:
        yield charts.comparison_chart(before, after)


def _result(s: BenchmarkSummary, pictures: bool) -> Iterator[str]:
    yield f'<h2 id="r-{escape(s.run)}">{escape(s.name)} {_tag(s.regression_status, status_text(s))}'
    yield "</h2>"
    if s.regression_reason:
        yield f'<p class="quiet">{escape(s.regression_reason)}</p>'
    facts: list[tuple[str, str | None]] = [
        ("median", duration(s.median_time)),
        ("mean", duration(s.mean_time)),
        ("median absolute deviation", duration(s.mad)),
        ("p99", duration(s.p99)),
        ("succeeded", f"{s.success_rate:.1%} of {s.iterations}"),
        ("outliers", str(s.outliers)),
        ("drift over the run", f"{s.drift:+.1%}" if s.drift == s.drift else None),
        ("empty sample", duration(s.timer_floor) if s.timer_floor else None),
        ("cache", s.cache if s.cache != "none" else None),
        ("peak memory of a call",
         f"{s.memory_peak_mb:.1f} MB" if s.memory_peak_mb is not None else None),
    ]  # fmt: skip
    if s.cold is not None:
        facts.append(("median with an emptied cache", duration(s.cold.median_time)))
    yield '<div class="facts">'
    for label, value in facts:
        if value is not None:
            yield f'<div class="fact"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
    yield "</div>"
    for note in s.notes:
        yield f'<p class="quiet">Note: {escape(note)}.</p>'
    if pictures and s.raw.size:
        yield charts.samples_chart(s)
    if s.profile:
        yield "<h3>Where the time went, in calls after the timing</h3>"
        rows = [
            [
                escape(f"{f['function']} ({f['file']}:{f['line']})"),
                *(f"{f[key]:.1%}" for key in ("share", "total_share", "native_share")),
                "",
            ]
            for f in s.profile[:8]
        ]
        yield _table(["function", "own time", "with callees", "native", ""], rows)


def _timeline(timeline: Timeline, pictures: bool) -> Iterator[str]:
    if len(timeline) < 2:
        return
    yield f"<h3>Over {len(timeline)} runs on this machine</h3>"
    for change in timeline.changes:
        point = timeline.points[change.index]
        at = point.get("commit") or point.get("time")
        word = "slower" if change.ratio > 1 else "faster"
        yield (
            f'<div class="found">{word} by x{change.ratio:.3f} from {escape(str(at))} on: '
            f"{duration(change.before)} to {duration(change.after)} (p {change.p_value:.2g})</div>"
        )
    if pictures:
        yield charts.timeline_chart(timeline)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
