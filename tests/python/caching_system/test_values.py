"""What is kept and handed out: private, of known size, and never a thing that works once."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from optcore.caching_system import CacheConfig, CacheSystem
from optcore.caching_system.values import Failure, freeze, give, weight


class Estimate(NamedTuple):
    x: Any
    name: str = "robot"


@pytest.fixture
def cache() -> Iterator[CacheSystem]:
    with CacheSystem(CacheConfig(enable_persistence=False)) as cache:
        yield cache


def test_arrays_within_named_tuples_are_private(cache: CacheSystem) -> None:
    mine = np.zeros(3)
    cache.put("k", Estimate(mine))
    mine[0] = 5.0
    kept = cache.get("k").value
    assert type(kept) is Estimate
    assert kept.x.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        kept.x[0] = 5.0
    cache.put("l", Estimate([1]))
    cache.get("l").value.x.append(2)
    assert cache.get("l").value == Estimate([1])


@pytest.mark.parametrize("mask", [np.ma.nomask, False, [True, False]])
def test_masked_arrays_are_private_with_their_mask(cache: CacheSystem, mask: Any) -> None:
    cache.put("k", np.ma.MaskedArray([1.0, 2.0], mask))
    for new in (5.0, np.ma.masked):
        with contextlib.suppress(ValueError):  # read-only; or it goes to this caller's own mask
            cache.get("k").value[1] = new
    with contextlib.suppress(ValueError):
        cache.get("k").value.mask = True
    after = cache.get("k").value
    assert type(after) is np.ma.MaskedArray
    assert np.ma.getmaskarray(after).tolist() == [bool(np.any(mask)), False]
    assert after.data.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="WRITEABLE"):
        after.flags.writeable = True


def test_a_read_only_view_of_what_others_write_is_copied(tmp_path: Path) -> None:
    changing = bytearray(16)
    kept = freeze(np.frombuffer(memoryview(changing).toreadonly()))
    changing[:8] = b"\1" * 8
    assert kept.tolist() == [0.0, 0.0]
    (tmp_path / "f").write_bytes(bytes(16))
    with open(tmp_path / "f", "r+b") as file:
        writable = mmap.mmap(file.fileno(), 0)
        kept = freeze(np.frombuffer(memoryview(writable).toreadonly()))
        writable[:8] = b"\1" * 8
        assert kept.tolist() == [0.0, 0.0]
        fixed = np.frombuffer(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        assert freeze(fixed) is fixed, "what nobody writes is shared"
    constant = np.frombuffer(bytes(16))
    assert freeze(constant) is constant


def test_the_weight_counts_arrays_in_fields_and_attributes() -> None:
    class Holder:
        def __init__(self, held: Any) -> None:
            self.held = held

    array = np.zeros(10**6)
    for value in (
        Estimate(array),
        Holder(array),
        Holder({"a": [Holder(array)]}),
        np.ma.array(array),
    ):
        assert 8e6 <= weight(value) < 8.1e6
    assert weight([array, array, Holder(array)]) < 8.1e6, "each array once"
    circle = Holder(array)
    circle.circle = circle  # type: ignore[attr-defined]
    assert 8e6 <= weight(circle) < 8.1e6


def test_the_bound_on_bytes_holds_for_objects() -> None:
    class Holder:
        def __init__(self) -> None:
            self.held = np.zeros(100_000)

    with CacheSystem(CacheConfig(enable_persistence=False, max_memory_mb=2.0)) as cache:
        for i in range(10):
            cache.put(i, Holder())
        assert 1 <= cache.get_statistics()["memory"]["keys"] <= 2


def test_a_value_nested_too_deep_is_given_and_not_kept(tmp_path: Path) -> None:
    def nested() -> Any:
        value: Any = []
        for _ in range(100_000):
            value = [value]
        return value

    with CacheSystem(CacheConfig(cache_dir=str(tmp_path))) as cache:
        cache.put("k", 1)
        assert len(cache.cached(nested)()) == 1
        assert not cache.put("k", nested())
        assert not cache.get("k").found, "nor is the older one"
        circle: list[Any] = []
        circle.append(circle)
        assert not cache.put("k", circle)


def test_what_can_be_used_once_is_refused_by_name(cache: CacheSystem) -> None:
    async def fetch() -> int:
        return 1

    with pytest.raises(TypeError, match=r"coroutine .*fetch can be used once"):
        cache.get_or_compute("k", lambda: fetch())
    with pytest.raises(TypeError, match=r"generator .* can be used once"):
        cache.put("k", (i for i in range(3)))
    with pytest.raises(TypeError, match=r"numbers.*makes generators"):

        @cache.cached
        def numbers() -> Iterator[int]:
            yield 1

    with pytest.raises(TypeError, match=r"precompute.*fetch.* coroutine"):
        cache.precompute(cache.cached(fetch), [()])
    assert asyncio.run(cache.cached(fetch)()) == 1


class Doubled(Exception):
    def __init__(self, x: int) -> None:
        super().__init__(f"bad {x}")
        self.x = x


class Needs(Exception):
    def __init__(self, *, reason: str) -> None:
        super().__init__("needs", reason)
        self.reason = reason


@pytest.mark.parametrize(
    "error",
    [
        KeyError(7),
        FileNotFoundError(2, "no such", "file"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        Doubled(3),
        Needs(reason="it"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_kept_exception_is_raised_as_it_was(error: Exception) -> None:
    with pytest.raises(type(error)):
        raise error
    kept = Failure(error)
    assert error.__traceback__ is not None, "the one in flight keeps its frames"
    for _ in range(2):
        with pytest.raises(type(error)) as raised:
            give(kept)
        assert str(raised.value) == str(error)
        assert vars(raised.value) == vars(error)
        assert raised.value is not error
        raised.value.args = ("spoiled",)


def test_the_first_caller_sees_where_it_failed(cache: CacheSystem) -> None:
    @cache.cached(negative_ttl=60)
    def look() -> int:
        return deeper()

    def deeper() -> int:
        raise ValueError("x")

    look = cache.cached(negative_ttl=60, ignore=["deeper"])(look.__wrapped__)
    with pytest.raises(ValueError, match="x") as first:
        look()
    assert traceback.extract_tb(first.value.__traceback__)[-1].name == "deeper"
