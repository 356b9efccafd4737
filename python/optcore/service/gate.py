"""The gate before the application: who may ask, how much, how often, for how long."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from optcore.service.body import Refused
from optcore.service.config import ServiceConfig
from optcore.service.metrics import Metrics

__all__ = ["Gate"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN = "/health"
_ADDRESSES = 10_000  # of which the rate is remembered
_HEADERS = 16 * 1024  # bytes: the parser only limits headers that come in more than one piece
_CLOSING = (400, 408, 413, 431)
_DRAINED = 8  # times the limit that is read and dropped: who closes on unread data cuts the answer


class Gate:
    """ASGI middleware. A body is whole, and within its limits, before the application sees it.

    Order: size of the headers (431), one end of the body (400), requests under way (503), rate of
    the address (429), token (401), declared and true size (413), time of the body (408), time of
    the answer (504). After 400, 408, 413 and 431 the connection ends: what else comes on it is not
    read.
    """

    def __init__(self, app: App, config: ServiceConfig, metrics: Metrics, paths: set[str]) -> None:
        self._app, self._config, self._metrics, self._paths = app, config, metrics, paths
        self._pending = 0
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._token = None if config.token is None else _digest(config.token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._pending += 1
        self._metrics.pending(self._pending)
        try:
            await self._serve(scope, receive, noting)
        except Refused as refused:
            if status == 0:
                await _answer(noting, refused)
        except asyncio.TimeoutError:
            if status == 0:
                await _answer(noting, Refused(504, "no answer within the time allowed"))
        finally:
            self._pending -= 1
            self._metrics.pending(self._pending)
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.answered(path, status, time.perf_counter() - begin)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = self._config
        headers = _headers(scope)
        if self._pending > config.max_pending:
            raise Refused(503, f"{config.max_pending} requests are under way already")
        if config.max_rate is not None:
            self._check_rate((scope.get("client") or ("?",))[0], config.max_rate)
        if self._token is not None and scope["path"] != _OPEN:
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            # of two, a proxy may have checked the other
            scheme, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
            # both hashed first: neither the comparison nor a length tells anything of the token
            if not hmac.compare_digest(_digest(token.strip()), self._token) or (
                scheme.lower() != b"bearer"
            ):
                raise Refused(401, "need Authorization: Bearer with the token of this service")
        body = await self._body(headers, receive)
        sent = False

        async def whole() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await asyncio.wait_for(self._app(scope, whole, send), config.request_timeout)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        limit = self._config.max_body_bytes
        declared = headers.get(b"content-length", b"")
        length = int(declared[:20]) if declared.isdigit() else 0
        if length > _DRAINED * limit:
            raise Refused(413, f"at most {limit} bytes a request")
        if not declared and b"transfer-encoding" not in headers:
            return b""
        deadline = time.monotonic() + self._config.request_timeout
        parts, size = [], 0
        while True:
            try:
                message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0))
            except asyncio.TimeoutError:
                raise Refused(408, "the body did not come in the time allowed") from None
            if message["type"] == "http.disconnect":
                raise Refused(400, "the client went away")
            part = message.get("body", b"")
            size += len(part)
            if size <= limit and length <= limit:
                parts.append(part)
            more = message.get("more_body", False)
            if size > _DRAINED * limit or (not more and max(size, length) > limit):
                raise Refused(413, f"at most {limit} bytes a request")
            if not more:
                return b"".join(parts)

    def _check_rate(self, address: str, rate: float) -> None:
        """A token bucket for each address; the one unseen for longest is forgotten."""
        now, burst = time.monotonic(), float(self._config.burst)
        level, last = self._buckets.pop(address, (burst, now))
        level = min(burst, level + (now - last) * rate)
        refused = level < 1
        self._buckets[address] = (level if refused else level - 1, now)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        if refused:
            raise Refused(429, f"at most {rate:g} requests a second")


def _headers(scope: Scope) -> dict[bytes, bytes]:
    size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size + len(scope.get("raw_path") or b"") > _HEADERS:
        raise Refused(431, f"at most {_HEADERS} bytes of headers and path")
    headers = dict(scope["headers"])
    if b"content-length" in headers and b"transfer-encoding" in headers:
        # a proxy may see another end than we do, and let the rest pass as a request
        raise Refused(400, "Content-Length and Transfer-Encoding exclude each other")
    return headers


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


async def _answer(send: Send, refused: Refused) -> None:
    body = json.dumps({"error": str(refused)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if refused.status in _CLOSING:
        headers.append((b"connection", b"close"))
    if refused.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
