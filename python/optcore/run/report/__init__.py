"""One HTML page about one or several runs: nothing outside it is loaded."""

from __future__ import annotations

from optcore.run.report.hero import write_hero
from optcore.run.report.page import write_report

__all__ = ["write_hero", "write_report"]
