"""Computing once: what leaders leave behind, hand on, and take with them."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import multiprocessing
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisServer, host, until

from optcore.caching_system import CacheConfig, CacheSystem, flight, function, leases
from optcore.caching_system.levels import MISS

CALLS: list[Any] = []  # globals: what a closure holds is part of the key


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CacheSystem]:
    CALLS.clear()
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path / "c"), lock_timeout=20.0)) as cache:
        yield cache


class Big:
    pass


def fails(big: Big) -> None:
    raise ValueError


def test_an_exception_leaves_nothing_alive(cache: CacheSystem) -> None:
    alive: list[weakref.ref[Big]] = []
    entered, go = threading.Event(), threading.Event()

    def slow(big: Big) -> None:
        entered.set()
        go.wait(20)
        raise ValueError

    def call(work: Any) -> None:
        big = Big()
        alive.append(weakref.ref(big))
        with pytest.raises(ValueError):  # noqa: PT011
            cache.get_or_compute("k", lambda: work(big))

    call(fails)
    leader = threading.Thread(target=call, args=(slow,))
    leader.start()
    entered.wait(20)
    followers = [threading.Thread(target=call, args=(slow,)) for _ in range(3)]
    for thread in followers:
        thread.start()
    until(lambda: len(alive) == 5)
    go.set()
    for thread in (leader, *followers):
        thread.join()
    gc.collect()
    assert [big() for big in alive] == [None] * 5


def test_the_end_of_a_leaders_thread_is_not_that_of_its_followers(cache: CacheSystem) -> None:
    entered, go = threading.Event(), threading.Event()
    results: list[Any] = []

    def ends() -> int:
        entered.set()
        go.wait(20)
        raise SystemExit

    def lead() -> None:
        with pytest.raises(SystemExit):
            cache.get_or_compute("k", ends)

    leader = threading.Thread(target=lead)
    leader.start()
    entered.wait(20)
    join = cache.flights._flights.join
    joined = threading.Event()

    class Watched:
        def join(self, digest: bytes) -> Any:
            try:
                return join(digest)
            finally:
                joined.set()

        def __getattr__(self, name: str) -> Any:
            return getattr(flights, name)

    flights, cache.flights._flights = cache.flights._flights, Watched()  # type: ignore[assignment]
    follower = threading.Thread(target=lambda: results.append(cache.get_or_compute("k", lambda: 5)))
    follower.start()
    joined.wait(20)
    go.set()
    leader.join()
    follower.join()
    assert results == [5]


def test_the_collector_may_meet_an_object_while_numbers_are_given() -> None:
    """weakref.ref() can start the collector, which may end an object that has a number."""
    done = threading.Event()

    def work() -> None:
        one = Big()
        function.instance_token(one)
        with function._tokens_lock:
            del one  # calls _forget in this thread
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(30)


def test_a_due_value_whose_tag_has_changed_is_gone(tmp_path: Path) -> None:
    config = CacheConfig(enable_persistence=False, stampede_beta=1e12)
    CALLS.clear()

    @(cache := CacheSystem(config)).cached(ttl=1000, tags=["t"])
    def look() -> str:
        CALLS.append(1)
        time.sleep(0.001)
        if len(CALLS) > 1:
            raise OSError("the source is away")
        return "old"

    assert look() == "old"
    assert look() == "old", "due, the refresh failed, still valid"
    cache.invalidate("t")
    with pytest.raises(OSError, match="away"):
        look()


def test_a_kept_exception_goes_with_its_tag(cache: CacheSystem) -> None:
    @cache.cached(tags=["map"], negative_ttl=60)
    def look() -> int:
        CALLS.append(1)
        if len(CALLS) == 1:
            raise ValueError("before")
        return 2

    for _ in range(2):
        with pytest.raises(ValueError, match="before"):
            look()
    assert cache.get_statistics()["global"]["negative_hits"] == 1
    assert not cache.get("absent").found
    cache.invalidate("map")
    assert look() == 2


def _lock(seen: Any, go: Any, real: Any, *given: Any) -> None:
    seen.set()
    go.wait(20)
    real(*given)


def test_a_coroutine_cancelled_while_it_acquires_leaves_no_lease(
    cache: CacheSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, go, real = threading.Event(), threading.Event(), fcntl.flock
    monkeypatch.setattr(leases.fcntl, "flock", lambda *given: _lock(seen, go, real, *given))

    async def scenario() -> None:
        task = asyncio.create_task(cache.get_or_compute("k", _one))
        await asyncio.to_thread(seen.wait, 20)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # twice: nor does that keep it
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert not list(tmp_path.rglob("*.lease"))
    assert leases.FileLease(tmp_path / "c", cache._key("k")).try_acquire()


async def _one() -> int:
    return 1


def test_a_lease_given_back_cannot_be_acquired_by_a_thread_that_comes_late(tmp_path: Path) -> None:
    lease = leases.FileLease(tmp_path, b"k" * 16)
    lease.release()
    lease.try_acquire()
    assert not list(tmp_path.iterdir())


class Never:
    def __await__(self) -> Iterator[None]:
        yield


def test_a_coroutine_thrown_away_with_its_loop_leaves_no_lease(
    cache: CacheSystem, tmp_path: Path
) -> None:
    async def wait(*_: Any) -> None:
        await Never()

    ways = flight._HERE._replace(finish=wait)  # there is no loop that would end it
    coroutine = cache.flights._lead(cache._key("k"), cache._default, MISS, None, wait, ways)
    coroutine.send(None)
    assert list(tmp_path.rglob("*.lease"))
    coroutine.close()
    assert not list(tmp_path.rglob("*.lease"))


def test_the_lease_of_redis_is_given_back_beside_the_loop(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[Any] = []
    free = leases.Lease.release
    monkeypatch.setattr(
        leases.Lease, "release", lambda s: (threads.append(threading.current_thread()), free(s))
    )
    with host(server.url) as cache:
        assert asyncio.run(cache.get_or_compute("k", _one)) == 1
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_below_is_looked_once_before_and_once_under_the_leases(
    server: RedisServer, tmp_path: Path
) -> None:
    disk = {"enable_persistence": True, "cache_dir": str(tmp_path)}
    with host(server.url, **disk) as cache:
        looks: list[bytes] = []
        find = cache.levels.find_below
        cache.levels.find_below = lambda d, p: (looks.append(d), find(d, p))[1]  # type: ignore[method-assign]
        assert cache.get_or_compute("k", lambda: 5) == 5
        assert len(looks) == 2


def _child(cache: CacheSystem) -> None:
    assert cache.get_or_compute("k", lambda: 2) == 2


def test_a_forked_child_does_not_wait_for_its_parents_computation() -> None:
    started, go = threading.Event(), threading.Event()

    def slow() -> int:
        started.set()
        go.wait(40)
        return 1

    with CacheSystem(CacheConfig(enable_persistence=False, lock_timeout=1000.0)) as cache:
        thread = threading.Thread(target=lambda: cache.get_or_compute("k", slow))
        thread.start()
        started.wait(10)
        child = multiprocessing.get_context("fork").Process(target=_child, args=(cache,))
        child.start()
        child.join(timeout=30)
        go.set()
        thread.join()
        assert child.exitcode == 0


@pytest.mark.parametrize("first", ["tags", "disk"])
def test_levels_are_opened_once_by_however_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    from optcore.caching_system import disk_tier

    made: list[Any] = []
    meet = threading.Barrier(8)

    class Slow(disk_tier.DiskTier):
        def __init__(self, *given: Any) -> None:
            made.append(self)
            time.sleep(0.1)  # the others come in the meantime
            super().__init__(*given)

    monkeypatch.setattr(disk_tier, "DiskTier", Slow)
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path))) as cache:
        seen: list[Any] = []

        def use() -> None:
            meet.wait(20)
            seen.append((getattr(cache.levels, first), cache.levels.tags, cache.levels.disk))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 1
        assert len({tuple(map(id, three)) for three in seen}) == 1
