"""What is called under load: a function with its arguments, or an HTTP endpoint."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from optcore.errors import ConfigError, MissingDependency

__all__ = ["Endpoint", "FunctionTarget", "Opened", "Target", "target_of"]

Function = Callable[..., Any]


@dataclass(frozen=True)
class Opened:
    """A target ready to be called: ``function(*inputs(i))``, or ``function()`` without inputs."""

    function: Function
    inputs: Callable[[int], Any] | None
    is_async: bool
    close: Callable[[], Any] = lambda: None
    """returns an awaitable where the function is asynchronous"""


@dataclass(frozen=True)
class FunctionTarget:
    """A function; `input_factory(i)` makes the arguments of call i, outside the measured time."""

    function: Function
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    input_factory: Callable[[int], Any] | None = None

    @property
    def name(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__qualname__)

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(inspect.unwrap(self.function))

    def check(self, args: tuple[Any, ...] | None = None) -> None:
        """Raise ConfigError when a parameter has no argument, or an argument no parameter."""
        if self.input_factory is not None:
            return
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):  # native functions need not tell theirs
            return
        try:
            signature.bind(*(self.args if args is None else args), **self.kwargs)
        except TypeError as error:
            raise ConfigError(
                f"{self.name}{signature} cannot be called: {error}; give args=, kwargs= or "
                "input_factory="
            ) from None

    def open(self, args: tuple[Any, ...] | None, users: int, timeout: float) -> Opened:
        """Bind the arguments; `args` of a scenario come before the analysis' own."""
        fixed = self.args if args is None else args
        plain = not self.kwargs and (self.input_factory is not None or not fixed)
        function = self.function
        if not plain:
            bound = () if self.input_factory is not None else fixed
            function = functools.partial(self.function, *bound, **self.kwargs)
        return Opened(function, self.input_factory, self.is_async)


@dataclass(frozen=True)
class Endpoint:
    """A URL, asked by httpx with one kept connection a user; a status from 400 is an error."""

    url: str
    method: str = "GET"
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_async: bool = False
    verify: bool = True
    """whether the server's certificate must be valid"""

    def __post_init__(self) -> None:
        if not _is_http(self.url):
            raise ConfigError(f"endpoint: need an http or https URL, got {self.url!r}")

    @property
    def name(self) -> str:
        return f"{self.method} {self.url}"

    def check(self, args: tuple[Any, ...] | None = None) -> None:
        if args is not None:
            raise ConfigError(f"{self.name}: an endpoint takes no args")
        _httpx()

    def open(self, args: tuple[Any, ...] | None, users: int, timeout: float) -> Opened:
        httpx = _httpx()
        limits = httpx.Limits(max_connections=users, max_keepalive_connections=users)
        options = {
            "limits": limits,
            "timeout": None if timeout == float("inf") else timeout,
            "headers": dict(self.headers),
            "verify": self.verify,
            "trust_env": False,  # a proxy would be what is measured
        }
        content = {"json": self.json} if self.json is not None else {"content": self.content}
        if self.is_async:
            client = httpx.AsyncClient(**options)

            async def ask() -> None:
                try:
                    answer = await client.request(self.method, self.url, **content)
                except httpx.TimeoutException as error:
                    raise TimeoutError(str(error)) from error
                answer.raise_for_status()

            return Opened(ask, None, True, client.aclose)
        blocking = httpx.Client(**options)

        def ask_blocking() -> None:
            try:
                answer = blocking.request(self.method, self.url, **content)
            except httpx.TimeoutException as error:
                raise TimeoutError(str(error)) from error
            answer.raise_for_status()

        return Opened(ask_blocking, None, False, blocking.close)


Target = FunctionTarget | Endpoint


def _is_http(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        # the port is read to have it checked
        return (
            parts is not None
            and parts.scheme in ("http", "https")
            and (bool(parts.hostname) and (parts.port or 1) > 0)
        )
    except ValueError:
        return False


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingDependency("HTTP endpoints need httpx: pip install 'optcore[load]'") from None
    return httpx


def target_of(endpoint: str | Endpoint | Mapping[str, Any]) -> Endpoint:
    """An endpoint from its URL, or from a mapping of its fields."""
    if isinstance(endpoint, Endpoint):
        return endpoint
    if isinstance(endpoint, str):
        return Endpoint(endpoint)
    try:
        return Endpoint(**endpoint)
    except TypeError as error:
        raise ConfigError(f"endpoint: {error}") from None
