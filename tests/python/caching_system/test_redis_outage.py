"""What Redis must not bring back, wait for or take, when it is away, full or slow."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from redis_server import RedisServer, distributed, host, need_redis, until

need_redis()
import redis  # noqa: E402

from optcore.caching_system import CacheSystem, redis_link  # noqa: E402


@contextlib.contextmanager
def away(cache: CacheSystem) -> Iterator[None]:
    """The circuit is open, and then the probe is answered."""
    tier = cache.levels.redis
    assert tier is not None
    tier._circuit.open = True
    yield
    tier._circuit._probe()
    tier._circuit.open = False


def test_what_did_not_reach_redis_leaves_no_older_value(server: RedisServer) -> None:
    with host(server.url) as a, host(server.url) as b:
        for key in ("put", "deleted", "objects", "untouched"):
            assert a.put(key, 1)
        with away(a):
            a.put("put", 2)
            a.put("objects", object())
            a.delete("deleted")
        assert distributed(a)["errors"] == 0
        a.clear("memory")
        for cache in (a, b):
            assert not any(cache.get(key).found for key in ("put", "deleted", "objects"))
            assert cache.get("untouched").value == 1
        assert a.put("put", 3)
        b.clear("memory")
        assert b.get("put").value == 3


def test_a_clear_without_redis_is_made_up_for(own_server: RedisServer) -> None:
    with host(own_server.url) as a, host(own_server.url) as b:
        a.put("k", 1)
        assert own_server.process is not None
        os.kill(own_server.process.pid, signal.SIGSTOP)
        try:
            a.levels.redis._circuit.trip(OSError("away"))
            a.clear()
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        until(lambda: not distributed(a)["circuit_open"])
        assert not a.get("k").found
        assert not b.get("k").found


def test_more_outdated_names_than_can_be_remembered_clear_the_prefix(server: RedisServer) -> None:
    with host(server.url, max_entries=10) as a, host(server.url) as b:
        a.put_many(dict.fromkeys(range(12), 1))
        with away(a):
            a.put_many(dict.fromkeys(range(12), 2))
        assert b.get_many(range(12)) == {}


def test_a_refused_write_takes_the_older_value_with_it(own_server: RedisServer) -> None:
    with host(own_server.url) as a, host(own_server.url) as b:
        a.put("k", 1)
        redis.Redis(port=own_server.port).config_set("maxmemory", 1)
        a.put("k", 2)
        assert distributed(a)["errors"] == 1
        assert not b.get("k").found


def test_a_prefix_is_no_pattern(server: RedisServer) -> None:
    with host(server.url, redis_prefix="app[1]*") as a, host(server.url, redis_prefix="app1") as b:
        a.put("k", 1)
        b.put("k", 2)
        a.clear()
        a.clear("memory")
        b.clear("memory")
        assert not a.get("k").found
        assert b.get("k").value == 2


def test_a_value_too_large_for_a_slow_line_stays_here(server: RedisServer) -> None:
    with host(server.url, redis_timeout=1e-3, redis_retry_after=30.0) as a:
        link = a.levels.redis._link
        assert link.largest == int(5e-3 * 64 * 2**20)
    with host(server.url) as a:
        a.levels.redis._link.largest = 10_000
        a.put("k", 1)
        assert a.put("k", np.zeros(2_000)), "memory took it"
        a.clear("memory")
        assert not a.get("k").found, "nor does the older one come back"
        a.put("k", 1)
        assert a.put_many({"k": np.zeros(2_000), "l": 1}) == 2
        assert (distributed(a)["errors"], distributed(a)["circuit_open"]) == (0, False)
        a.clear("memory")
        assert not a.get("k").found
        assert a.get("l").found


def test_a_large_value_is_sent_in_pieces_and_then_the_clock_starts(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        ahead = 0.0

        def monotonic(self) -> float:
            return time.monotonic() + self.ahead

    clock = Clock()
    sizes: list[int] = []
    send = redis.Connection.send_packed_command

    def slowly(self: Any, command: Any, check_health: bool = True) -> None:
        pieces = list(command)
        sizes.extend(map(len, pieces))
        send(self, pieces, check_health)
        clock.ahead += 1000.0

    with host(server.url) as a:
        a.put("warm", 1)
        monkeypatch.setattr(redis_link, "time", clock)
        monkeypatch.setattr(redis.Connection, "send_packed_command", slowly)
        value = np.arange(300_000.0)
        assert a.put("k", value)
        a.clear("memory")
        np.testing.assert_array_equal(a.get("k").value, value)
        assert distributed(a)["errors"] == 0
    assert sum(sizes) > value.nbytes
    assert max(sizes) <= 2**18


def test_what_lives_longer_than_a_century_has_no_term_in_redis(server: RedisServer) -> None:
    with host(server.url) as a, host(server.url) as b:
        assert a.put("k", 1, ttl=1e300)
        assert distributed(a)["errors"] == 0
        assert b.get("k").value == 1


def test_a_silent_sentinel_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.0)
        port = silent.getsockname()[1]
        url = f"redis+sentinel://127.0.0.1:{port}/robots"
        with host(url, redis_timeout=0.05, redis_retry_after=30.0) as cache:
            assert not cache.get("k").found
            assert distributed(cache)["errors"] == 1
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
