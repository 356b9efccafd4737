"""Decorated functions, methods and coroutines."""

from __future__ import annotations

import asyncio
import gc
import inspect
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import together

from optcore.caching_system import CacheConfig, CacheSystem
from optcore.errors import ConfigError

CALLS: list[Any] = []  # globals: what a closure holds is part of the key


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CacheSystem]:
    CALLS.clear()
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path / "c"))) as cache:
        yield cache


class Robot:
    def __init__(self, speed: float) -> None:
        self.speed = speed


def test_a_method_is_cached_for_each_object_and_in_memory_only(cache: CacheSystem) -> None:
    class Model(Robot):
        @cache.cached
        def predict(self, x: float) -> float:
            CALLS.append(x)
            return self.speed * x

    a, b = Model(1.0), Model(2.0)
    assert [a.predict(3.0), b.predict(3.0), a.predict(x=3.0), b.predict(3.0)] == [3, 6, 3, 6]
    assert len(CALLS) == 2
    assert cache.get_statistics()["disk"]["keys"] == 0
    assert a.predict.__self__ is a
    old = a.predict.cache_key(a, 3.0)
    del a, b
    gc.collect()
    assert Model.predict.cache_key(Model(1.0), 3.0) != old, "a number is never given twice"


def test_a_class_that_says_what_its_objects_are_shares_values(cache: CacheSystem) -> None:
    class Model(Robot):
        def __cache_key__(self) -> object:
            return self.speed

        @cache.cached
        def predict(self, x: float) -> float:
            CALLS.append(x)
            return self.speed * x

    assert Model(2.0).predict(3.0) == Model(2.0).predict(3.0) == 6.0
    assert Model(5.0).predict(3.0) == 15.0
    assert len(CALLS) == 2
    assert cache.get_statistics()["disk"]["keys"] == 2


def test_levels_choose_where_a_value_lives(cache: CacheSystem) -> None:
    @cache.cached(levels=["memory"])
    def one(x: int) -> int:
        return x

    @cache.cached(levels=["disk"])
    def two(x: int) -> int:
        CALLS.append(x)
        return x

    one(1)
    assert (cache.get_statistics()["memory"]["keys"], cache.levels.disk.keys()) == (1, 0)
    assert two(1) == two(1) == 1
    assert (cache.get_statistics()["memory"]["keys"], cache.levels.disk.keys()) == (1, 1)
    assert CALLS == [1]
    with pytest.raises(ConfigError, match=r"levels must be of memory, disk, distributed.*tape"):
        cache.cached(levels=["tape"])


def test_an_exception_of_a_listed_type_is_kept_for_its_time(cache: CacheSystem) -> None:
    @cache.cached(negative_ttl=60, negative_errors=(KeyError,))
    def look(x: int) -> int:
        CALLS.append(x)
        raise KeyError(x) if x else OSError("not listed")

    for _ in range(3):
        with pytest.raises(KeyError, match="7"):
            look(7)
        with pytest.raises(OSError, match="not listed"):
            look(0)
    assert CALLS.count(7) == 1
    assert CALLS.count(0) == 3
    assert cache.get_statistics()["global"]["negative_hits"] == 2
    cache.levels.memory.advance(61.0)
    with pytest.raises(KeyError):
        look(7)
    assert CALLS.count(7) == 2


def test_copies_are_as_they_were_asked_for(cache: CacheSystem) -> None:
    def make() -> Any:
        return {"a": np.zeros(3)}

    deep = cache.cached(copy="deep", version="deep")(make)
    deep()["a"][0] = 5
    deep()["a"][0] = 5
    assert deep()["a"][0] == 0
    bare = cache.cached(copy="none", version="none", levels=["memory"])(make)
    bare()["a"][0] = 5
    assert bare()["a"][0] == 5
    assert bare() is bare()
    with pytest.raises(ConfigError, match="copy must be"):
        cache.cached(copy="shallow")  # type: ignore[call-overload]


def test_clear_and_invalidate_forget(cache: CacheSystem) -> None:
    @cache.cached
    def f(x: int) -> int:
        CALLS.append(x)
        return x

    f(1), f(2)
    assert f.invalidate(1)
    f(1), f(2)
    assert CALLS == [1, 2, 1]
    f.cache_clear()
    f(1)
    assert CALLS == [1, 2, 1, 1]


def test_tags_forget_in_every_level_and_process(tmp_path: Path) -> None:
    config = CacheConfig(cache_dir=str(tmp_path))
    with CacheSystem(config) as a, CacheSystem(config) as b:
        a.put("map", 1, tags=["office", "robot 3"])
        a.put("route", 2, tags=["robot 4"])
        a.put("plain", 3)
        assert b.get("map").found
        a.invalidate("robot 3")
        for cache in (a, b):
            assert not cache.get("map").found
            assert cache.get("route").value == 2
            assert cache.get("plain").value == 3
    with CacheSystem(config) as c:
        assert not c.get("map").found
        assert c.get("route").found
        with pytest.raises(TypeError, match="one string"):
            c.put("k", 1, tags="office")


def test_a_value_computed_while_its_tag_changes_is_not_kept(cache: CacheSystem) -> None:
    @cache.cached(tags=["map"], ignore=["cache"])
    def plan() -> int:
        CALLS.append(1)
        if len(CALLS) == 1:
            cache.invalidate("map")
        return len(CALLS)

    assert [plan(), plan(), plan()] == [1, 2, 2]


def test_coroutines_of_a_loop_compute_once(cache: CacheSystem) -> None:
    @cache.cached(ttl=60)
    async def fetch(x: int) -> int:
        CALLS.append(x)
        await asyncio.sleep(0.02)
        return 2 * x

    async def many() -> list[int]:
        return await asyncio.gather(*(fetch(4) for _ in range(50)))

    assert asyncio.run(many()) == [8] * 50
    assert CALLS == [4]
    assert asyncio.run(fetch(4)) == 8
    assert fetch.cache_info()["hits"] == 50
    assert inspect.iscoroutinefunction(fetch) or asyncio.iscoroutinefunction(fetch)

    async def get() -> Any:
        return await cache.get_or_compute("k", _answer)

    assert asyncio.run(get()) == 42
    assert cache.get("k").value == 42


async def _answer() -> int:
    return 42


def test_a_cancelled_leader_hands_over_and_an_error_reaches_all(cache: CacheSystem) -> None:
    gate: list[asyncio.Event] = []

    @cache.cached(ignore=["gate"])
    async def slow(x: int) -> int:
        CALLS.append(x)
        await gate[0].wait()
        if x < 0:
            raise ZeroDivisionError
        return x

    async def begun(count: int) -> None:
        while len(CALLS) < count:
            await asyncio.sleep(0.001)

    async def scenario() -> None:
        gate.append(asyncio.Event())
        first = asyncio.create_task(slow(1))
        await begun(1)
        others = [asyncio.create_task(slow(1)) for _ in range(3)]
        await asyncio.sleep(0.01)
        first.cancel()
        await begun(2)
        gate[0].set()
        assert await asyncio.gather(*others) == [1, 1, 1]
        failed = await asyncio.gather(*(slow(-1) for _ in range(3)), return_exceptions=True)
        assert {type(e) for e in failed} == {ZeroDivisionError}

    asyncio.run(scenario())
    assert CALLS[:3] == [1, 1, -1]


def _process(folder: str, seconds: float, start: Any) -> None:
    def slow(x: int) -> int:
        Path(folder, f"computed-{os.getpid()}").touch()
        time.sleep(seconds)
        return x + 1

    config = CacheConfig(cache_dir=f"{folder}/cache", lock_timeout=1000.0)
    with CacheSystem(config) as cache:
        cached = cache.cached(key=lambda x: x, version="1")(slow)
        start.wait()
        assert cached(1) == 2


def test_eight_processes_compute_once(tmp_path: Path) -> None:
    together(8, _process, str(tmp_path), 0.3)
    assert len(list(tmp_path.glob("computed-*"))) == 1
    assert not list(tmp_path.rglob("*.lease"))


def test_a_process_killed_in_its_computation_does_not_hold_up_the_others(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Event()
    start.set()
    victim = context.Process(target=_process, args=(str(tmp_path), 60.0, start))
    victim.start()
    while not list(tmp_path.glob("computed-*")):
        time.sleep(0.01)
    assert victim.pid is not None
    os.kill(victim.pid, 9)
    victim.join()
    together(1, _process, str(tmp_path), 0.0)
    assert len(list(tmp_path.glob("computed-*"))) == 2


def test_a_forked_child_starts_its_own_computations(cache: CacheSystem) -> None:
    """A thread computes in the parent while it forks; the child must not wait for it."""
    started, go = threading.Event(), threading.Event()

    def slow() -> int:
        started.set()
        go.wait(10)
        return 1

    thread = threading.Thread(target=lambda: cache.get_or_compute("k", slow))
    cache.put("before", 5)
    thread.start()
    started.wait(10)
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(cache,))
    child.start()
    child.join(timeout=20)
    go.set()
    thread.join()
    assert child.exitcode == 0
    assert cache.get("k").value == 1
    cache.clear("memory")
    assert cache.get("child").value == 3


def _in_child(cache: CacheSystem) -> None:
    assert cache.get("before").value == 5
    assert cache.put("child", 3)
    assert cache.get_or_compute("other", lambda: 2) == 2


def test_precompute_fills_and_says_how_many(cache: CacheSystem) -> None:
    @cache.cached
    def add(x: int, y: int = 1) -> int:
        CALLS.append(x)
        return x + y

    assert cache.precompute(add, [1, 2, (3, 4)]) == 3
    assert add(3, 4) == 7
    assert add(2) == 3
    assert CALLS == [1, 2, 3]


def test_a_value_that_expires_soon_is_refreshed_early_by_one(tmp_path: Path) -> None:
    config = CacheConfig(cache_dir=str(tmp_path), stampede_beta=1e12, enable_persistence=False)
    with CacheSystem(config) as cache:
        CALLS.clear()

        @cache.cached(ttl=30)
        def slow() -> int:
            CALLS.append(1)
            time.sleep(0.001)
            return len(CALLS)

        assert slow() == 1
        assert slow() == 2, "due at once with so large a beta"


def test_counters_stay_zero_when_statistics_are_off(tmp_path: Path) -> None:
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path), enable_statistics=False)) as cache:
        cache.put("k", 1)
        assert cache.get("k").found
        report = cache.get_statistics()
        assert report["memory"]["keys"] == report["disk"]["keys"] == 1
        assert report["global"]["hits"] == report["memory"]["hits"] == 0
        assert report["global"]["hit_rate"] == 0.0


def test_statistics_name_the_same_things_at_every_level(cache: CacheSystem) -> None:
    report = cache.get_statistics()
    names = {"enabled", "keys", "bytes", "hits", "misses", "evictions", "expirations", "errors"}
    for level in ("memory", "disk", "distributed"):
        assert names | {"latency_us"} <= set(report[level]), level
        assert set(report[level]["latency_us"]) == {"p50", "p99"}
    assert {"circuit_open", "skipped"} <= set(report["distributed"])
    assert not report["distributed"]["enabled"]


def test_an_infinite_life_and_a_wrong_decoration(cache: CacheSystem) -> None:
    assert cache.put("k", 1, ttl=math.inf)
    with pytest.raises(TypeError, match="ignore names no argument: z"):
        cache.cached(ignore=["z"])(lambda x: x)
    with pytest.raises(ConfigError, match="negative_ttl"):
        cache.cached(negative_ttl=-1)
