"""A GP, a belief and an MPC problem as a self-contained C++ program for firmware."""

from __future__ import annotations

from optcore.export.headers import include_dir
from optcore.export.program import Report, export_firmware

__all__ = ["Report", "export_firmware", "include_dir"]
