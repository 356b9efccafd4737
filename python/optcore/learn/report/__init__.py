"""One HTML page about a run of learning: nothing outside it is loaded."""

from __future__ import annotations

from optcore.learn.report.page import write_report

__all__ = ["write_report"]
