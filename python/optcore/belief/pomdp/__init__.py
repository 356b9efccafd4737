"""Decision problems under partial observation: models, and readers of their files."""

from __future__ import annotations

from optcore.belief.pomdp.model import BeliefUpdate, SparsePOMDP

__all__ = ["BeliefUpdate", "SparsePOMDP"]
