"""A new version of a function beside the reliable one: for a share of calls, measured, and dropped
by itself when it fails, differs or is slower."""

from __future__ import annotations

from optcore.rollout.rollout import Rollout, with_fallback
from optcore.rollout.variant import Variant, difference

__all__ = ["Rollout", "Variant", "difference", "with_fallback"]
