"""What cannot work is refused where it is said, and by its name."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Iterator
from typing import Any

import pytest

from optcore.caching_system import CacheConfig, CacheSystem
from optcore.errors import ConfigError

CALLS: list[Any] = []  # globals: what a closure holds is part of the key


@pytest.fixture
def cache() -> Iterator[CacheSystem]:
    CALLS.clear()
    with CacheSystem(CacheConfig(enable_persistence=False)) as cache:
        yield cache


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_memory_mb", math.inf),
        ("max_memory_mb", 1e300),
        ("max_disk_mb", math.inf),
        ("max_entries", 10**30),
        ("lock_timeout", math.inf),
        ("redis_timeout", 1e300),
        ("redis_retry_after", math.inf),
        ("redis_db", 2**40),
        ("precompute_batch_size", 2**70),
        ("signing_key", ""),
    ],
)
def test_a_setting_that_no_level_can_use_names_itself(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must"):
        CacheConfig(**{name: value})


def test_the_largest_settings_work(tmp_path: Any) -> None:
    config = CacheConfig(
        cache_dir=str(tmp_path), max_memory_mb=1e12, max_disk_mb=1e12, max_entries=10**12,
        lock_timeout=1e6,
    )  # fmt: skip
    with CacheSystem(config) as cache:
        assert cache.get_or_compute("k", lambda: 1) == 1
        cache.clear("memory")
        assert cache.get("k").value == 1


def test_a_dict_is_no_configuration() -> None:
    with pytest.raises(ConfigError, match=r"config must be a CacheConfig.*from_dict"):
        CacheSystem({"max_memory_mb": 1})  # type: ignore[arg-type]


def test_decorations_are_checked_at_once(cache: CacheSystem) -> None:
    for bad in ([KeyError, 5], 5, [BaseException]):
        with pytest.raises(ConfigError, match="negative_errors must be exception types"):
            cache.cached(negative_errors=bad)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a tag must be a string"):
        cache.cached(tags=[5])  # type: ignore[list-item]

    for good in ([KeyError], KeyError, ()):

        @cache.cached(negative_ttl=60, negative_errors=good)  # type: ignore[call-overload]
        def look() -> None:
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            look()


def test_an_object_without_weak_references_is_named(cache: CacheSystem) -> None:
    class Slotted:
        __slots__ = ("x",)

        @cache.cached
        def f(self, x: int) -> int:
            return x

    with pytest.raises(TypeError, match=r"Slotted.f: argument 'self' cannot be keyed"):
        Slotted().f(1)


def test_an_argument_that_has_no_key_counts_as_no_hit(cache: CacheSystem) -> None:
    async def fetch(x: Any) -> Any:
        return x

    plain, coroutine = cache.cached(lambda x: x), cache.cached(fetch)
    for call in (lambda: plain(object()), lambda: asyncio.run(coroutine(object()))):
        with pytest.raises(TypeError, match="cannot be keyed"):
            call()
    assert plain.cache_info()["calls"] == coroutine.cache_info()["calls"] == 0


def test_what_a_dropped_function_leaves_can_still_be_called(cache: CacheSystem) -> None:
    clear = cache.cached(lambda: 1).cache_clear
    gc.collect()
    clear()


def test_two_functions_of_one_name_are_counted_apart(cache: CacheSystem) -> None:
    def build(n: int) -> Any:
        @cache.cached
        def f(x: int) -> int:
            return n * x

        return f

    first, second = build(1), build(2)
    first(1), first(2), second(1)
    counted = cache.get_statistics()["functions"]
    assert [f["misses"] for f in counted.values()] == [2, 1]
    assert [name.partition("f")[2] for name in counted][-1].endswith("f (2)")


def test_self_may_be_ignored(cache: CacheSystem) -> None:
    class Model:
        @cache.cached(ignore=["self"])
        def f(self, x: int) -> int:
            CALLS.append(x)
            return x

        @cache.cached(ignore=["self"])
        async def g(self, x: int) -> int:
            CALLS.append(x)
            return x

    assert Model().f(1) == Model().f(1) == 1
    assert asyncio.run(Model().g(2)) == asyncio.run(Model().g(2)) == 2
    assert CALLS == [1, 2]
    assert Model.f.invalidate(Model(), 1)
    Model().f(1)
    assert CALLS == [1, 2, 1]


def test_a_method_can_be_precomputed(cache: CacheSystem) -> None:
    class Model:
        @cache.cached
        def f(self, x: int) -> int:
            CALLS.append(x)
            return x

    model = Model()
    assert cache.precompute(model.f, [1, 2]) == 2
    assert (model.f(1), model.f(2), CALLS) == (1, 2, [1, 2])


def test_a_cache_around_a_cache_keeps_its_own_plan(cache: CacheSystem) -> None:
    async def fetch(x: int) -> int:
        return x

    fetch.unit = "m"  # type: ignore[attr-defined]
    with CacheSystem(CacheConfig(enable_persistence=False)) as other:
        inner = cache.cached(ttl=5)(fetch)
        outer = other.cached(ttl=99)(inner)
        assert (outer._plan.ttl, outer._cache) == (99.0, other)
        assert outer.__wrapped__ is inner
        assert outer.unit == "m"
        assert asyncio.run(outer(1)) == asyncio.run(outer(1)) == 1
