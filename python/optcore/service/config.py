"""Settings and limits of the service."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from optcore._config import Config, bounded
from optcore.errors import ConfigError

__all__ = ["ServiceConfig"]


@dataclass(frozen=True, slots=True)
class ServiceConfig(Config):
    """Where :func:`optcore.service.serve` listens, and what it refuses."""

    host: str = "127.0.0.1"
    """loopback; another address needs a token"""
    port: int = bounded(8000, low=0, high=65535)
    """0: one that is free"""
    token: str | None = field(default=None, repr=False)
    """what ``Authorization: Bearer`` must carry, for all but /health"""
    max_body_bytes: int = bounded(1 << 20, low=1)
    """a larger request is answered with 413"""
    max_rows: int = bounded(4096, low=1)
    """queries or beliefs in one request"""
    max_solve_work: float = bounded(5e7, low=1)
    """N (nx + nu + rows)^3 of one MPC problem"""
    request_timeout: float = bounded(5.0, low=0, open_low=True)
    """s for the headers, for the body, and for the answer"""
    keep_alive: float = bounded(15.0, low=1)
    """s that a connection may stay open between two requests"""
    max_rate: float | None = bounded(None, low=0, open_low=True)
    """requests per second from one address; beyond, 429. None: no limit. The address is that of
    the connection: all that comes through one proxy counts as one"""
    burst: int = bounded(100, low=1)
    """requests that an address may send at once before `max_rate` holds it"""
    max_pending: int = bounded(1024, low=1)
    """requests under way; beyond, 503"""
    max_connections: int = bounded(4096, low=1)
    batch_rows: int = bounded(1024, low=1)
    """queries put together into one prediction"""
    batch_window: float = bounded(0.0, low=0, high=1)
    """s that a prediction waits for company; 0: only for what has come already"""
    max_problems: int = bounded(64, low=1)
    """MPC problems whose solvers are kept"""
    max_solver_mb: float = bounded(256.0, low=0)
    """memory of the kept solvers, MB = 2^20 bytes; the one used longest ago leaves first"""

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if self.token is not None:
            if not self.token:
                raise ConfigError("token must not be empty")
            if self.token != self.token.strip() or not self.token.isprintable():
                raise ConfigError(  # no header could carry it
                    "token must be printable and have no spaces around it"
                )
        if self.token is None and not _is_loopback(self.host):
            raise ConfigError(
                f"host {self.host} is open to other machines: give a token, or use 127.0.0.1"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
