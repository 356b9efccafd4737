"""Hits that never leave native code are the same as those that do."""

from __future__ import annotations

import gc
import itertools
import pickle
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optcore._native import runtime
from optcore.caching_system import CacheConfig, CacheSystem
from optcore.caching_system.keys import key_of

COUNT = itertools.count()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CacheSystem]:
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path), enable_persistence=False)) as cache:
        yield cache


def positions(a: Any, b: Any = 2, /, c: Any = "3", *, d: Any = None) -> int:
    return next(COUNT)


def test_all_ways_of_one_call_are_one_entry(cache: CacheSystem) -> None:
    f = cache.cached(positions)
    assert type(f) is runtime.cached
    ways = [f(1), f(1, 2), f(1, c="3"), f(1, 2, "3", d=None), f(1, **{"".join(["d"]): None})]
    assert len(set(ways)) == 1
    others = [f(2), f(1, 3), f(1, 2, "4"), f(1, d=0), f(1.0), f(True)]
    assert len({*ways, *others}) == 7
    info = f.cache_info()
    assert (info["calls"], info["hits"]) == (11, 4)
    assert cache.get_statistics()["global"]["hits"] == 4
    assert cache.get_statistics()["memory"]["latency_us"]["p50"] > 0
    assert f.__name__ == "positions"
    assert f.__wrapped__ is positions


def test_a_call_that_does_not_fit_fails_as_the_function_does(cache: CacheSystem) -> None:
    f = cache.cached(positions)
    for args, kwargs in [((), {}), ((1, 2, 3, 4), {}), ((1,), {"b": 2}), ((1,), {"x": 2}),
                         ((1, 2, 3), {"c": 3})]:  # fmt: skip
        with pytest.raises(TypeError):
            f(*args, **kwargs)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=600),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=60,
)


@given(PLAIN, PLAIN)
def test_native_and_python_keys_agree(a: Any, c: Any) -> None:
    with CacheSystem(CacheConfig(enable_persistence=False)) as cache:
        f = cache.cached(positions)
        value = f(a, c=c)
        assert cache.levels.find(f.cache_key(a, c=c))[0] == value
        assert f.cache_key(a, c=c) == key_of((f._identity, a, 2, c, None))


def test_ignored_and_captured_values(cache: CacheSystem) -> None:
    def build(n: int) -> Any:
        @cache.cached(ignore=["log"])
        def f(x: int, log: Any = None) -> tuple[int, int]:
            return n, next(COUNT)

        return f

    f, g = build(1), build(2)
    assert f(5, log=object()) == f(5)
    assert f(5) != g(5)
    assert g(5) == build(2)(5)


def test_lists_arrays_and_tags_come_out_as_from_the_slow_way(cache: CacheSystem) -> None:
    @cache.cached(tags=["t"])
    def tagged(x: Any) -> Any:
        return [next(COUNT), np.zeros(2)]

    first, second = tagged(1), tagged(1)
    assert first[0] == second[0]
    assert first is not second
    assert not second[1].flags.writeable
    cache.invalidate("t")
    assert tagged(1)[0] != first[0]

    @cache.cached
    def array(x: Any) -> Any:
        return x + 1

    grown = array(np.zeros((3, 2)))
    assert array(np.zeros((3, 2), order="F")) is grown


def test_variadic_functions_and_given_keys_work_in_python(cache: CacheSystem) -> None:
    @cache.cached
    def variadic(*args: int, **kwargs: int) -> int:
        return next(COUNT)

    assert variadic(1, 2, z=3) == variadic(1, 2, z=3) != variadic(1, 2)
    by_key = cache.cached(key=lambda x: x["id"])(lambda x: next(COUNT))
    assert by_key({"id": 1, "o": object()}) == by_key({"id": 1})


def test_a_cached_function_is_collected_with_its_cycle(cache: CacheSystem) -> None:
    def build() -> Any:
        class Model:
            @cache.cached
            def f(self) -> int:
                return 1

        Model.again = Model.f  # type: ignore[attr-defined]
        Model().f()
        return weakref.ref(Model)

    gone = build()
    gc.collect()
    assert gone() is None
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(cache.cached(positions))
