"""The `optcore` command: one module per sub-command."""

from __future__ import annotations

from optcore.cli.main import main

__all__ = ["main"]
