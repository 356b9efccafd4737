"""Short measurements on the machine at hand, and what they say should be set."""

from __future__ import annotations

from optcore.algorithm_optimizer.tuning.result import TARGETS, Choice, Settings, TuningResult, table

__all__ = ["TARGETS", "Choice", "Settings", "TuningResult", "table"]
