"""Connections to Redis through redis-py and hiredis: one server, Sentinel or Cluster, by URL.

redis-py opens, authenticates and names the connections; commands go straight to a connection, since
its client spends more time around a call than the call takes, and by default retries for seconds.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from optcore.caching_system.config import CacheConfig
from optcore.errors import ConfigError, MissingDependency

try:
    import hiredis  # noqa: F401  (redis-py uses it when it is there)
    import redis
    from redis.backoff import NoBackoff
    from redis.connection import DefaultParser
    from redis.retry import Retry
except ImportError as error:
    raise MissingDependency(
        "enable_distributed needs redis and hiredis: pip install optcore[redis]"
    ) from error

__all__ = ["Link", "refusals"]

_ANSWER_WAITS = 5  # a whole answer may take this many time-outs, so that large values can pass
_SLOW_LINE = 64 * 2**20  # bytes per s
_PIECE = 2**18  # bytes sent within one time-out
_LARGEST = 2**29 - 2**20  # bytes; Redis takes no more
_deadline = threading.local()


class DeadlineParser(DefaultParser):  # type: ignore[misc]
    """Ends an answer that comes in drops; the socket's time-out starts anew with each of them.

    Not that of a Sentinel or of a cluster's node: their clients have parsers of their own.
    """

    def read_from_socket(self, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() > getattr(_deadline, "at", float("inf")):
            raise redis.TimeoutError("the answer took too long")
        return super().read_from_socket(*args, **kwargs)


class _InTime:
    """What this thread reads within `with` must have come in so many seconds."""

    __slots__ = ("_before", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._before = getattr(_deadline, "at", float("inf"))
        _deadline.at = time.monotonic() + self._seconds

    def __exit__(self, *_: object) -> None:
        _deadline.at = self._before


def refusals() -> tuple[type[Exception], ...]:
    """Errors by which a server that is well says no to one command."""
    return (redis.ResponseError,)


class Link:
    """Sends commands; raises what redis-py raises. Safe for threads; opens nothing before use."""

    def __init__(self, config: CacheConfig) -> None:
        self._url = config.redis_url or (
            f"redis://{config.redis_host}:{config.redis_port}/{config.redis_db}"
        )
        self._timeout = config.redis_timeout
        parts = urlsplit(self._url)
        self.address = parts.netloc.rpartition("@")[2] or parts.path  # without the password
        if parts.scheme not in _SCHEMES:
            raise ConfigError(
                f"redis_url must begin with {', '.join(f'{s}://' for s in _SCHEMES)}; "
                f"got {parts.scheme}://"
            )
        _check(self._url)
        #: bytes of the largest value that a slow line carries while an answer may take
        self.largest = min(_LARGEST, int(_ANSWER_WAITS * self._timeout * _SLOW_LINE))
        self._is_cluster = parts.scheme == "redis+cluster"
        self._options = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        self.renew()

    def renew(self) -> None:
        """Forget all connections without a word to the server: what a forked child must do."""
        self._idle: deque[Any] = deque()
        self._client: Any = None
        self._lock = threading.Lock()

    def call(self, command: Sequence[Any]) -> Any:
        """The answer to one command."""
        if self._is_cluster:
            with self._in_time():
                return self.client.execute_command(*_named(command))
        return self._talk(lambda c: c.pack_command(*command), 1)[0]

    def call_many(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers to several commands sent together; a refused one's answer is its error."""
        if not commands:
            return []
        if self._is_cluster:
            with self._in_time():
                pipeline = self.client.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*_named(command))
                answers: list[Any] = pipeline.execute(raise_on_error=False)
                return answers
        answers = self._talk(lambda c: c.pack_commands(commands), len(commands), several=True)
        return answers

    def ping(self) -> None:
        """Return when the server answers on a new connection."""
        with self._in_time():
            if self._is_cluster:
                self.client.ping(target_nodes="random")
                return
            connection = self._new()
            try:
                connection.connect()
                connection.send_command("PING")
                connection.read_response()
                self._idle.append(connection)
            except BaseException:
                connection.disconnect()
                raise

    def remove_all(self, pattern: bytes) -> None:
        names: list[Any] = []
        with self._in_time(1000.0):
            for name in self.client.scan_iter(match=pattern, count=1000):
                names.append(name)
                if len(names) == 1000:
                    self.call_many([(b"UNLINK", n) for n in names])
                    names.clear()
            self.call_many([(b"UNLINK", n) for n in names])

    def subscription(self, channel: bytes) -> Any:
        """redis-py's PubSub, subscribed."""
        pubsub = self.client.pubsub()
        pubsub.subscribe(channel)
        return pubsub

    @property
    def client(self) -> Any:
        """redis-py's client: for what is rare."""
        with self._lock:
            if self._client is None:
                self._client = _SCHEMES[urlsplit(self._url).scheme](self._url, self._options)
            return self._client

    def close(self) -> None:
        while self._idle:
            with contextlib.suppress(IndexError, redis.RedisError, OSError):
                self._idle.pop().disconnect()
        if self._client is not None:
            with contextlib.suppress(redis.RedisError, OSError):
                self._client.close()

    def _in_time(self, waits: float = _ANSWER_WAITS) -> _InTime:
        return _InTime(waits * self._timeout)

    def _new(self) -> Any:
        pool = self.client.connection_pool
        return pool.connection_class(**pool.connection_kwargs)

    def _talk(self, pack: Any, count: int, *, several: bool = False) -> list[Any]:
        while True:
            try:
                connection, reused = self._idle.pop(), True
            except IndexError:
                connection, reused = self._new(), False
            try:
                if not reused:
                    with self._in_time():
                        connection.connect()
                pieces = _pieces(pack(connection))
                connection.send_packed_command(pieces, check_health=False)
                with self._in_time():
                    answers = [_answer(connection, several) for _ in range(count)]
            except redis.ResponseError:
                self._idle.append(connection)  # answered in full
                raise
            except BaseException as error:
                connection.disconnect()
                if reused and isinstance(error, redis.ConnectionError | OSError):
                    self.close_idle()  # the server was restarted: once more on a new connection
                    continue
                raise
            self._idle.append(connection)
            return answers

    def close_idle(self) -> None:
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().disconnect()


def _named(command: Sequence[Any]) -> tuple[Any, ...]:
    return (command[0].decode(), *command[1:])  # redis-py looks up by name how to route it


def _pieces(packed: Iterable[Any]) -> Iterator[Any]:
    """The socket's time-out is for each piece, so that a large value is not taken for a stall."""
    for part in packed:
        if len(part) <= _PIECE:
            yield part
        else:
            whole = memoryview(part)
            yield from (whole[i : i + _PIECE] for i in range(0, len(whole), _PIECE))


def _answer(connection: Any, keep_refusal: bool) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        if keep_refusal:
            return error
        raise


def _plain(url: str, options: dict[str, Any]) -> Any:
    return redis.Redis.from_url(url, parser_class=DeadlineParser, **options)


def _nodes(url: str) -> tuple[list[tuple[str, int]], dict[str, Any], list[str]]:
    """Hosts with ports, credentials and path parts of scheme://user:password@host:port,.../a/b."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    credentials = {"username": unquote(user) or None, "password": unquote(password) or None}
    nodes = []
    for host in hosts.split(","):
        name, _, port = host.rpartition(":")
        if not name or not port.isdigit():
            raise ConfigError(f"redis_url: need host:port,host:port, got {hosts}")
        nodes.append((name.strip("[]"), int(port)))
    return nodes, credentials if login else {}, [p for p in parts.path.split("/") if p]


def _service(url: str) -> tuple[str, int]:
    """Name of the master and number of the database, of redis+sentinel://.../service/db."""
    path = _nodes(url)[2]
    if not path or (len(path) > 1 and not path[1].isdigit()) or len(path) > 2:
        raise ConfigError(
            "redis_url: need redis+sentinel://host:port,.../service or .../service/db"
        )
    return path[0], int(path[1]) if len(path) > 1 else 0


def _check(url: str) -> None:
    """Raise for an address that can never be one, before anything is opened."""
    parts = urlsplit(url)
    if parts.scheme == "redis+sentinel":
        _service(url)
    elif parts.scheme == "redis+cluster":
        _nodes(url)
    else:
        try:
            _ = parts.port
        except ValueError as error:
            raise ConfigError(f"redis_url: {error}") from None


def _sentinel(url: str, options: dict[str, Any]) -> Any:
    from redis.sentinel import Sentinel

    nodes, credentials, _ = _nodes(url)
    service, db = _service(url)
    sentinel = Sentinel(nodes, sentinel_kwargs=options, **options)  # theirs would retry for seconds
    return sentinel.master_for(
        service, db=db, parser_class=DeadlineParser, **credentials, **options
    )


def _cluster(url: str, options: dict[str, Any]) -> Any:
    from redis.cluster import ClusterNode, RedisCluster

    nodes, credentials, _ = _nodes(url)
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes], **credentials, **options
    )


_SCHEMES: dict[str, Any] = {
    "redis": _plain,
    "rediss": _plain,
    "unix": _plain,
    "redis+sentinel": _sentinel,
    "redis+cluster": _cluster,
}
