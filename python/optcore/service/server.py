"""Running the application with uvicorn; connections that never say what they want are ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from optcore.errors import ConfigError, MissingDependency
from optcore.service.app import Model, create_app
from optcore.service.config import ServiceConfig

__all__ = ["serve"]


def serve(
    model: Model,
    config: ServiceConfig | None = None,
    *,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Answer requests until the process is told to stop (SIGINT, SIGTERM).

    Args:
        model: a fitted process.
        config: where to listen, and the limits.
        ready: called with the address once connections are accepted.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingDependency("the service needs uvicorn: pip install 'optcore[serve]'") from None
    settings = config if config is not None else ServiceConfig()
    app = create_app(model, settings)
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=_protocol(settings.request_timeout),
            ws="none",
            limit_concurrency=settings.max_connections,
            timeout_keep_alive=int(settings.keep_alive),
            timeout_graceful_shutdown=max(1, int(settings.request_timeout)),
            h11_max_incomplete_event_size=16 * 1024,
            server_header=False,
            proxy_headers=False,  # anybody can write X-Forwarded-For
            access_log=False,
            log_level="warning",
        )
    )

    async def run() -> None:
        task = asyncio.ensure_future(server.serve(sockets=[listening]))
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        if ready is not None and not task.done():
            ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await task

    try:
        asyncio.run(run())
    finally:
        listening.close()


def _listen(config: ServiceConfig) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, number)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except OSError as error:
        raise ConfigError(f"cannot listen on {config.host} port {config.port}: {error}") from None
    found.setblocking(False)
    return found


def _protocol(timeout: float) -> Any:
    """uvicorn's HTTP protocol, which waits for the end of the headers for ever, with a limit."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class TimedProtocol(H11Protocol):  # type: ignore[misc]  # alike where uvicorn is missing
        _header_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._await_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            between = self.conn.their_state is h11.IDLE
            if not between:
                self._stop_timer()
            elif self._header_timer is None and self.conn.trailing_data[0]:
                self._await_headers()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(error)

        def _await_headers(self) -> None:
            self._header_timer = self.loop.call_later(timeout, self._give_up)

        def _stop_timer(self) -> None:
            if self._header_timer is not None:
                self._header_timer.cancel()
                self._header_timer = None

        def _give_up(self) -> None:
            self._header_timer = None
            if not self.transport.is_closing():
                self.transport.close()

    return TimedProtocol
