"""CacheSystem as its users call it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from optcore._native import runtime
from optcore.caching_system import CacheConfig, CacheSystem
from optcore.cli import main
from optcore.errors import ConfigError

OWN = np.arange(3.0)
CALLS: list[int] = []  # globals: what a closure holds is part of the key


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CacheSystem]:
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path / "c"))) as cache:
        yield cache


def test_get_and_put_as_in_the_manual(cache: CacheSystem) -> None:
    assert not cache.get("model_predictions_v1")[1]
    assert cache.put("model_predictions_v1", None)
    assert cache.get("model_predictions_v1") == (None, True)
    statistics = cache.get_statistics()
    assert statistics["global"]["hit_rate"] == 0.5
    assert statistics["memory"]["keys"] == statistics["disk"]["keys"] == 1
    assert statistics["distributed"]["enabled"] is False
    assert statistics["distributed"]["keys"] == 0


def test_sixty_four_threads_compute_once(cache: CacheSystem) -> None:
    CALLS.clear()

    @cache.cached(ttl=60)
    def slow(x: Any) -> Any:
        CALLS.append(1)
        time.sleep(0.1)
        return x * 2

    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(slow(np.arange(3)))) for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(CALLS) == 1
    assert len(results) == 64
    assert all((r == [0, 2, 4]).all() for r in results)


def test_a_hit_cannot_be_spoiled_by_its_caller(cache: CacheSystem) -> None:
    own = OWN  # a global is not in the key, a variable of a closure would be

    @cache.cached
    def give() -> Any:
        return {"array": OWN, "list": [1, [2]]}

    first = give()
    own[0] = 99.0  # the function's own array changes after the call
    first["list"][1].append(3)
    first["new"] = 1
    with pytest.raises(ValueError, match="read-only"):
        first["array"][0] = 5.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        first["array"].flags.writeable = True
    second = give()
    assert second["list"] == [1, [2]]
    assert second["array"].tolist() == [0.0, 1.0, 2.0]
    assert set(second) == {"array", "list"}


def test_values_outlive_the_process_and_the_source_is_in_the_key(tmp_path: Path) -> None:
    config = CacheConfig(cache_dir=str(tmp_path))
    calls: list[int] = []

    def square(x: float) -> float:
        return x * x

    for _ in range(2):
        with CacheSystem(config) as cache:
            cached = cache.cached()(square)
            assert cached(3.0) == 9.0
            assert cached(x=3.0) == 9.0
            calls.append(cached.cache_info()["calls"] - cached.cache_info()["hits"])
            newer = cache.cached(version="2")(square)
            assert newer.cache_key(3.0) != cached.cache_key(3.0)
    assert calls == [1, 0]


def test_closures_with_other_values_do_not_share(cache: CacheSystem) -> None:
    def scaled(factor: float) -> Any:
        @cache.cached
        def scale(x: float) -> float:
            return factor * x

        return scale

    assert scaled(2.0)(3.0) == 6.0
    assert scaled(5.0)(3.0) == 15.0


def test_an_unkeyable_argument_is_named(cache: CacheSystem) -> None:
    @cache.cached
    def f(data: Any, model: Any) -> int:
        return 1

    with pytest.raises(TypeError, match=r"argument 'model' cannot be keyed.*key="):
        f(1, object())
    assert cache.cached(ignore=["model"])(lambda data, model: data)(7, object()) == 7
    assert cache.cached(key=lambda data, model: data)(lambda data, model: data)(8, object()) == 8


def test_an_exception_is_not_kept_and_reaches_everybody(cache: CacheSystem) -> None:
    fail = [True]

    @cache.cached
    def sometimes() -> int:
        if fail:
            fail.clear()
            raise ZeroDivisionError("first")
        return 4

    with pytest.raises(ZeroDivisionError):
        sometimes()
    assert sometimes() == 4


def test_a_value_without_a_frame_stays_in_memory(cache: CacheSystem) -> None:
    token = object()
    assert cache.put("k", token)
    assert cache.get("k").value is token
    cache.clear("memory")
    assert not cache.get("k").found


@pytest.mark.parametrize("compress", [True, False])
def test_compression_makes_entries_smaller_and_is_read_either_way(
    tmp_path: Path, compress: bool
) -> None:
    text = {"log": "all is well\n" * 5000}
    config = CacheConfig(cache_dir=str(tmp_path), enable_compression=compress)
    with CacheSystem(config) as cache:
        cache.put("k", text)
        (size,) = cache.levels.disk._cache._sql(
            "SELECT size + coalesce(length(value), 0) FROM Cache"
        ).fetchone()
        assert (size < 10_000) == compress
    with CacheSystem(config.replace(enable_compression=not compress)) as cache:
        assert cache.get("k").value == text


def test_where_it_never_hits_it_says_so_and_steps_aside(tmp_path: Path) -> None:
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path), enable_persistence=False)) as cache:
        cheap = cache.cached(adaptive=True)(abs)
        for i in range(512):
            cheap(float(i))
        info = cheap.cache_info()
        assert info["hit_rate"] == 0.0
        assert info["saved_s"] < 0
        assert not info["pays"]
        assert info["stepped_aside"]
        assert cheap(-2.0) == 2.0


def test_bad_settings_name_themselves(cache: CacheSystem) -> None:
    for ttl in (0, -1, math.nan, "1"):
        with pytest.raises(ConfigError, match="ttl"):
            cache.put("k", 1, ttl=ttl)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_memory_mb"):
        CacheConfig(max_memory_mb=-1)
    assert CacheConfig.from_dict({"cache_size_mb": 5}).max_memory_mb == 5.0


def test_the_command_looks_into_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with CacheSystem(CacheConfig(cache_dir=str(tmp_path))) as cache:
        cache.put("k", 1)
    assert main(["cache", "verify", str(tmp_path)]) == 0
    assert main(["cache", "stats", str(tmp_path)]) == 0
    assert main(["cache", "clear", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "1 whole, 0 damaged" in out
    assert "1 entries" in out
    assert "0 entries" in out
    assert main(["cache", "stats", str(tmp_path / "nothing")]) == 2


class MemoryMachine(RuleBasedStateMachine):
    """The native memory level against a dict with the same policy."""

    LIMIT = 10

    def __init__(self) -> None:
        super().__init__()
        self.cache = runtime.MemoryCache(self.LIMIT, 5, 0.0)
        self.model: dict[bytes, tuple[int, int, float]] = {}
        self.now = 0.0

    @rule(k=st.integers(0, 7), value=st.integers(), size=st.integers(0, 12), life=st.integers(1, 9))
    def put(self, k: int, value: int, size: int, life: int) -> None:
        key = bytes([k]) * 16
        self.model.pop(key, None)
        stored = self.cache.put(key, value, size, life * 100.0)
        assert stored == (size <= self.LIMIT)
        if stored:
            self.model[key] = (value, size, self.now + life * 100.0)
        while len(self.model) > 5 or sum(s for _, s, _ in self.model.values()) > self.LIMIT:
            del self.model[next(iter(self.model))]  # the least recently used

    @rule(k=st.integers(0, 7))
    def get(self, k: int) -> None:
        key = bytes([k]) * 16
        entry = self.model.pop(key, None)
        if entry is not None and self.now < entry[2]:
            self.model[key] = entry
            assert self.cache.get(key) == (entry[0], False)
        else:
            assert self.cache.get(key) is None

    @rule(k=st.integers(0, 7))
    def erase(self, k: int) -> None:
        key = bytes([k]) * 16
        assert self.cache.erase(key) == (self.model.pop(key, None) is not None)

    @rule(steps=st.integers(1, 5))
    def time_passes(self, steps: int) -> None:
        self.cache.advance(steps * 100.0 + 1.0)
        self.now += steps * 100.0 + 1.0


MemoryMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMemory = MemoryMachine.TestCase
