"""The disk level when it is busy, away or shared: what is older does not come back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore.caching_system import CacheConfig, CacheSystem, disk_tier
from optcore.caching_system.disk_tier import DiskTier
from optcore.caching_system.frame import encode
from optcore.caching_system.tags import SLOTS, TagSlots

KEY = b"0123456789abcdef"
LARGE = np.zeros(10_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CacheSystem]:
    monkeypatch.setattr(disk_tier, "_BUSY_S", 0.05)
    with CacheSystem(CacheConfig(cache_dir=str(folder))) as cache:
        yield cache


@contextmanager
def paused(cache: CacheSystem, folder: Path) -> Iterator[None]:
    assert cache.levels.disk is not None
    cache.levels.disk._paused_until = time.monotonic() + 600
    yield
    cache.levels.disk._paused_until = 0.0


@contextmanager
def busy(cache: CacheSystem, folder: Path) -> Iterator[None]:
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def paused_and_busy(cache: CacheSystem, folder: Path) -> Iterator[None]:
    with paused(cache, folder), busy(cache, folder):
        yield


@pytest.mark.parametrize("trouble", [paused, busy, paused_and_busy])
def test_what_could_not_be_replaced_or_removed_is_gone(
    cache: CacheSystem, folder: Path, trouble: Callable[..., AbstractContextManager[None]]
) -> None:
    for key in ("put", "objects", "deleted", "untouched"):
        assert cache.put(key, 1)
    with trouble(cache, folder):
        assert cache.put("put", 2), "memory took it"
        cache.put("objects", object())
        cache.delete("deleted")
        assert cache.put("new", 1)
    cache.clear("memory")
    assert not any(cache.get(key).found for key in ("put", "objects", "deleted", "new"))
    assert cache.get("untouched").value == 1
    for key in ("put", "objects", "deleted"):
        assert cache.put(key, 3)
    cache.clear("memory")
    assert all(cache.get(key).value == 3 for key in ("put", "objects", "deleted"))
    assert not cache.levels.disk._outdated


def test_a_clear_while_busy_is_a_clear(cache: CacheSystem, folder: Path) -> None:
    for key in range(3):
        cache.put(key, key)
    with busy(cache, folder):
        cache.clear()
    cache.put(1, 1)
    cache.clear("memory")
    assert [cache.get(key).found for key in range(3)] == [False, True, False]
    cache.clear()
    assert not cache.levels.disk._outdated


@pytest.mark.parametrize("new", [LARGE + 1, 7], ids=["file", "row"])
def test_a_reader_overtaken_by_a_writer_finds_the_new_value(folder: Path, new: Any) -> None:
    reader, writer = DiskTier(folder, 2**30), DiskTier(folder, 2**30)
    reader.put(KEY, encode(KEY, LARGE), 60)
    load = reader._cache.disk.load

    def overtaken(*row: Any) -> Any:
        reader._cache.disk.load = load
        writer.put(KEY, encode(KEY, new), 60)
        return load(*row)

    reader._cache.disk.load = overtaken
    found = reader.get(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.value, new)
    reader.close()
    writer.close()


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_a_reader_removes_what_it_read_and_not_what_came_after(folder: Path, damage: str) -> None:
    reader, writer = DiskTier(folder, 2**30), DiskTier(folder, 2**30)
    reader.put(KEY, encode(KEY, LARGE), 60)
    (path,) = folder.rglob("*.frame")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\1")
    drop = reader._drop

    def overtaken(*given: Any) -> None:
        writer.put(KEY, encode(KEY, LARGE + 1), 60)
        drop(*given)

    reader._drop = overtaken  # type: ignore[method-assign]
    assert reader.get(KEY) is None
    found = reader.get(KEY)
    assert found is not None
    assert found.value[0] == 1.0
    assert len(list(folder.rglob("*.frame"))) == 1
    reader.close()
    writer.close()


def test_threads_that_fail_on_one_index_move_it_aside_once(folder: Path) -> None:
    tier = DiskTier(folder, 2**30)
    broken = tier._cache
    for _ in range(2):  # the second comes late
        tier._failed(sqlite3.DatabaseError("malformed"), broken)
    assert tier.enabled
    assert tier.put(KEY, encode(KEY, 1), 60)
    assert len(list(folder.glob("cache.db.broken-*"))) == 1
    tier.close()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"\xff" * 8 * SLOTS, id="negative"),
        pytest.param(b"\xff" * 7 + b"\x7f", id="the largest, and too short"),
        pytest.param((b"\xff" * 7 + b"\x7f") * SLOTS + b"more", id="too long"),
    ],
)
def test_damaged_tag_numbers_make_entries_invalid_and_nothing_fails(
    folder: Path, damage: bytes
) -> None:
    calls: list[int] = []
    with CacheSystem(CacheConfig(cache_dir=str(folder))) as cache:
        cache.put("old", 1, tags=["t"])
        cache.invalidate("t")
        cache.put("k", 2, tags=["t"])
    (folder / "tags.bin").write_bytes(damage)
    with CacheSystem(CacheConfig(cache_dir=str(folder))) as cache:
        assert not cache.get("k").found
        assert not cache.get("old").found
        cached = cache.cached(tags=["t"], ignore=["calls"])(lambda: calls.append(1))
        cached(), cached()
        assert len(calls) == 1
        cache.invalidate("t")
        cached()
        assert len(calls) == 2
    assert (folder / "tags.bin").stat().st_size == 8 * SLOTS


def test_tag_numbers_own_their_blocks(tmp_path: Path) -> None:
    """A hole that a full disk cannot fill would end the process when it is touched."""
    TagSlots(tmp_path)
    assert (tmp_path / "tags.bin").stat().st_blocks * 512 >= 8 * SLOTS
