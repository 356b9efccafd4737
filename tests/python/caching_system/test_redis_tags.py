"""Tags of hosts that share a Redis: who only reads learns of them, for as long as it lives."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

from redis_server import RedisServer, host, need_redis, until

need_redis()

from optcore.caching_system import redis_link  # noqa: E402
from optcore.caching_system.config import CacheConfig  # noqa: E402

CALLS: list[int] = []


def test_the_listener_outlives_the_time_an_answer_may_take(server: RedisServer) -> None:
    """An exchange of numbers is an answer in time; the messages after it may come whenever."""
    with host(server.url, redis_timeout=0.5) as a, host(server.url) as b:
        a.put("k", 1, tags=["office"])
        listener = a.levels.redis.listen()
        until(listener.ready.is_set)
        deadlines: list[float] = []
        merge = a.levels.tags.merge

        def see(slot: int, number: int) -> None:
            deadlines.append(getattr(redis_link._deadline, "at", float("inf")))
            merge(slot, number)

        a.levels.tags.merge = see  # type: ignore[method-assign]
        b.invalidate("office")
        until(lambda: not a.get("k").found)
        assert set(deadlines) == {float("inf")}, "as seen by the listener's thread"
        assert listener.ready.is_set()


def test_a_deadline_within_another_ends_with_its_own(server: RedisServer) -> None:
    link = redis_link.Link(CacheConfig(redis_url=server.url, redis_timeout=3.0))
    with link._in_time(1000.0):
        outer = redis_link._deadline.at
        assert link.call((b"PING",)) == b"PONG"
        assert redis_link._deadline.at == outer
    assert redis_link._deadline.at == float("inf")
    link.close()


def test_a_host_that_only_reads_learns_of_tags_before_and_after(server: RedisServer) -> None:
    with host(server.url) as a:
        a.put("before", 1, tags=["office"])
        a.put("after", 2, tags=["street"])
        a.invalidate("office")
        with host(server.url) as reader:
            assert not reader.get("before").found
            assert reader.get("after").value == 2
            a.invalidate("street")
            until(lambda: not reader.get("after").found)


def test_a_decorated_function_that_only_hits_learns_of_tags(server: RedisServer) -> None:
    CALLS.clear()

    def plan(x: int) -> int:
        CALLS.append(x)
        return x

    with host(server.url) as a, host(server.url) as b:
        writes = a.cached(tags=["map"])(plan)
        reads = b.cached(tags=["map"])(plan)
        assert writes(1) == reads(1) == 1
        assert CALLS == [1]
        a.invalidate("map")
        until(lambda: reads(1) and len(CALLS) == 2)


def test_a_value_on_disk_waits_for_the_tags_of_the_others(
    server: RedisServer, tmp_path: Path
) -> None:
    disk = {"enable_persistence": True, "cache_dir": str(tmp_path)}
    with host(server.url, **disk) as a:
        a.put("k", 1, tags=["office"])
        with host(server.url) as b:  # which shares no disk
            until(a.levels.redis.listener.ready.is_set)
            a.close()
            b.invalidate("office")
    with host(server.url, **disk) as again:
        assert not again.get("k").found


def _child(cache: Any, told: Any) -> None:
    until(lambda: not cache.get("k").found)
    told.put("learned")


def test_a_forked_child_goes_on_to_learn_of_tags(server: RedisServer) -> None:
    context = multiprocessing.get_context("fork")
    told: Any = context.Queue()
    with host(server.url) as a, host(server.url) as b:
        a.put("k", 1, tags=["office"])
        until(a.levels.redis.listen().ready.is_set)
        child = context.Process(target=_child, args=(a, told))
        child.start()
        time.sleep(0.2)  # either order must do
        b.invalidate("office")
        assert told.get(timeout=60) == "learned"
        child.join()
