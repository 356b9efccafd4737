"""The kernels over HTTP: predictions, belief updates and MPC solves, with limits."""

from __future__ import annotations

from optcore.service.app import create_app, load_model
from optcore.service.config import ServiceConfig
from optcore.service.server import serve

__all__ = ["ServiceConfig", "create_app", "load_model", "serve"]
