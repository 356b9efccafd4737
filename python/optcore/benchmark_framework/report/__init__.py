"""From results to a page, a table, or data."""

from __future__ import annotations

from collections.abc import Callable

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.report import page, tables
from optcore.benchmark_framework.report.content import Report
from optcore.errors import ConfigError

__all__ = ["FORMATS", "Report", "render"]

FORMATS: dict[str, Callable[[Report, BenchmarkConfig], str]] = {
    "html": page.html_page,
    "json": tables.json_text,
    "csv": tables.csv_text,
    "md": tables.markdown,
}


def render(report: Report, format: str, config: BenchmarkConfig) -> str:
    """A report in one of FORMATS."""
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    return FORMATS[format](report, config)
