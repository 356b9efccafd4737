"""JSON with everything, CSV with a row a result, Markdown for a pull request."""

from __future__ import annotations

import csv
import io
import json

from optcore._plain import plain
from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.report.content import Report, duration, interval, status_text
from optcore.benchmark_framework.summary import BenchmarkSummary

__all__ = ["csv_text", "json_text", "markdown", "text_table"]

_COLUMNS = (
    "name", "outcome", "regression_status", "median_time", "ci_low", "ci_high", "mean_time",
    "min_time", "max_time", "std_time", "iqr", "mad", "p90", "p99", "iterations",
    "calls_per_sample", "success_rate", "errors", "outliers", "drift", "autocorrelation",
    "memory_peak_mb", "regression_ratio", "p_value", "effect_size", "cache", "run",
)  # fmt: skip


def json_text(report: Report, config: BenchmarkConfig) -> str:
    """Everything, with samples where the configuration keeps them; times in seconds."""
    content = {
        "format": "optcore-benchmark-report",
        "version": 1,
        "results": [summary.to_dict(raw=config.save_raw_data) for summary in report.results],
        "comparisons": [comparison.to_dict() for comparison in report.comparisons],
        "timelines": [timeline.to_dict() for timeline in report.timelines],
    }
    return json.dumps(plain(content), indent=1, allow_nan=False) + "\n"


def csv_text(report: Report, _: BenchmarkConfig) -> str:
    """A row a result; times in seconds, memory in MB of 2^20 bytes; empty: not measured."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    machine = ("cpu", "python_full", "git", "time")
    writer.writerow([*_COLUMNS, *machine])
    for summary in report.results:
        values = summary.to_dict()
        row = [values[column] for column in _COLUMNS]
        row += [summary.environment.get(key) for key in machine]
        writer.writerow(["" if value is None else value for value in row])
    return out.getvalue()


def markdown(report: Report, _: BenchmarkConfig) -> str:
    """Tables as code hosts show them."""
    lines = ["| benchmark | median | interval | p99 | samples | against the baseline | status |"]
    lines.append("| --- | ---: | --- | ---: | ---: | --- | --- |")
    lines += [
        f"| {_cell(s.name)} | {duration(s.median_time)} | {interval(s)} | "
        f"{duration(s.p99)} | {s.iterations} | {change_of(s)} | "
        f"{status_text(s)} |"
        for s in report.results
    ]
    lines += [
        f"\n**{_cell(s.name)}**: {_cell(s.regression_reason)}"
        for s in report.results
        if s.regression_status not in ("ok", "no_baseline")
    ]
    lines += [
        f"\n**{_cell(c.after.name)}** against {_cell(c.before.name)}: {c.status}, {_cell(c.reason)}"
        for c in report.comparisons
    ]
    if report.results:
        lines.append(f"\n{machine_line(report.results[0])}")
    return "\n".join(lines) + "\n"


def text_table(results: list[BenchmarkSummary]) -> str:
    """Columns for a terminal."""
    rows = [("benchmark", "median", "interval of the median", "p99", "samples", "ratio", "status")]
    for s in results:
        samples = f"{s.iterations} x {s.calls_per_sample}"
        rows.append((s.name, duration(s.median_time), interval(s), duration(s.p99), samples,
                     change_of(s), status_text(s)))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in (0, 2, 6) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    for s in results:
        if s.regression_status not in ("ok", "no_baseline"):
            lines.append(f"  {s.name}: {s.regression_reason}")
        lines += [f"  {s.name}: {note}" for note in s.notes]
    return "\n".join(lines)


def change_of(summary: BenchmarkSummary) -> str:
    """The ratio to the baseline with its interval."""
    if summary.regression_ratio is None:
        return "-"
    text = f"x{summary.regression_ratio:.3f}"
    if summary.regression_interval is not None:
        low, high = summary.regression_interval
        text += f" [{low:.3f}, {high:.3f}]"
    return text


def machine_line(summary: BenchmarkSummary) -> str:
    """Machine, versions and commit of a result."""
    e = summary.environment
    load = f"load {e['load']:.1f}" if isinstance(e.get("load"), float) else None
    parts = [e.get("cpu"), e.get("python_full"), e.get("git"), load, e.get("time"), e.get("tool")]
    return ", ".join(str(part) for part in parts if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
