"""Beliefs over what people want: discrete Bayes filters in log space."""

from __future__ import annotations

from optcore.belief.categorical import update_beliefs

__all__ = ["update_beliefs"]
