"""The table of failures, through CacheSystem as users have it: a miss, a count, never a lie."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from optcore.caching_system import CacheConfig, CacheSystem
from optcore.caching_system.frame import encode

Unprivileged = Callable[[], AbstractContextManager[None]]
REPOSITORY = Path(__file__).resolve().parents[3]


def torture() -> Any:
    path = REPOSITORY / "scripts" / "cache_torture.py"
    spec = importlib.util.spec_from_file_location("cache_torture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[CacheSystem]:
    with CacheSystem(CacheConfig(cache_dir=str(folder))) as cache:
        yield cache


def disk(cache: CacheSystem) -> dict[str, Any]:
    return dict(cache.get_statistics()["disk"])


def from_disk(cache: CacheSystem, key: Any) -> Any:
    cache.clear("memory")
    return cache.get(key)


def row(folder: Path, change: Callable[[bytes], bytes]) -> None:
    database = sqlite3.connect(folder / "cache.db")
    with database:
        ((value,),) = database.execute("SELECT value FROM Cache").fetchall()
        database.execute("UPDATE Cache SET value = ?", (change(bytes(value)),))
    database.close()


def test_every_byte_of_a_small_entry_flipped_once(cache: CacheSystem, folder: Path) -> None:
    cache.put("k", np.arange(3))
    frame = cache.levels.disk._cache._sql("SELECT value FROM Cache").fetchone()[0]
    for i in range(len(frame)):
        row(folder, lambda v, i=i: v[:i] + bytes([v[i] ^ 0x10]) + v[i + 1 :])
        assert not from_disk(cache, "k").found, i
        assert disk(cache)["keys"] == 0
        cache.put("k", np.arange(3))
    assert disk(cache)["errors"] == len(frame)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda v: v[:7] + b"\x03" + v[8:], id="wrong version"),
        pytest.param(lambda v: v[: len(v) // 2], id="truncated"),
        pytest.param(lambda v: b"", id="empty"),
        pytest.param(lambda v: encode(b"x" * 16, 666), id="of another key"),
    ],
)
def test_a_row_of_another_making_is_a_miss_and_goes(
    cache: CacheSystem, folder: Path, change: Callable[[bytes], bytes]
) -> None:
    cache.put("k", 1)
    row(folder, change)
    assert not from_disk(cache, "k").found
    assert (disk(cache)["keys"], disk(cache)["errors"]) == (0, 1)
    assert cache.put("k", 2)
    assert from_disk(cache, "k").value == 2


def test_an_index_deleted_under_way_and_between_runs(folder: Path) -> None:
    config = CacheConfig(cache_dir=str(folder))
    with CacheSystem(config) as cache:
        cache.put("k", np.zeros(100_000))
        for name in folder.glob("cache.db*"):
            name.unlink()
        found = from_disk(cache, "k")  # an open connection still sees what is gone
        assert not found.found or (found.value == np.zeros(100_000)).all()
        cache.put("l", 1)
    with CacheSystem(config) as cache:
        assert not cache.get("k").found
        assert not list(folder.rglob("*.frame")), "values that no index knows stay within no bound"
        assert cache.put("k", 3)
        assert from_disk(cache, "k").value == 3


def test_an_index_that_becomes_garbage_is_moved_aside_once(folder: Path) -> None:
    with CacheSystem(CacheConfig(cache_dir=str(folder))) as cache:
        cache.put("k", 1)
        for name in folder.glob("cache.db-*"):
            name.unlink(missing_ok=True)
        (folder / "cache.db").write_bytes(b"garbage" * 5000)
        for _ in range(3):  # open connections may still see their own pages: no exception
            from_disk(cache, "k")
            cache.put("k", 2)
    (folder / "cache.db").write_bytes(b"garbage" * 5000)
    with CacheSystem(CacheConfig(cache_dir=str(folder))) as cache:
        assert not cache.get("k").found
        assert cache.put("k", 3)
        assert from_disk(cache, "k").value == 3
        aside = len(list(folder.glob("cache.db.broken-*")))
        assert aside >= 1
        tier = cache.levels.disk
        tier._failed(sqlite3.DatabaseError("malformed"), tier._cache)  # for the second time
        assert not disk(cache)["enabled"]
        assert len(list(folder.glob("cache.db.broken-*"))) == aside
        assert cache.put("k", 4)
        assert cache.get("k").value == 4, "memory goes on"


def test_a_full_file_system_pauses_the_level_and_leaves_no_partial_file(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system (the quota test covers a full disk)")
    try:
        config = CacheConfig(cache_dir=str(small / "cache"), enable_compression=False)
        with CacheSystem(config) as cache:
            for i in range(40):
                cache.put(i, np.full(20_000, float(i)))
            assert disk(cache)["errors"] > 0
            assert not list(small.rglob("*.part"))
            for i in range(40):
                found = from_disk(cache, i)
                assert not found.found or (found.value == float(i)).all()
            assert cache.put("memory goes on", 1)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_folder_that_cannot_be_written(public_dir: Path, unprivileged: Unprivileged) -> None:
    closed = public_dir / "closed"
    closed.mkdir(mode=0o555)
    with unprivileged(), CacheSystem(CacheConfig(cache_dir=str(closed / "cache"))) as cache:
        assert cache.put("k", 1)
        assert cache.get("k").value == 1
        assert cache.get_or_compute("c", lambda: 5) == 5
        assert not disk(cache)["enabled"]
        assert disk(cache)["errors"] == 1
    assert not list(closed.iterdir())


def test_a_folder_that_becomes_read_only(public_dir: Path, unprivileged: Unprivileged) -> None:
    frozen = public_dir / "cache"
    with CacheSystem(CacheConfig(cache_dir=str(frozen))) as cache:
        cache.put("k", 1)
    for path in [*frozen.rglob("*"), frozen]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with unprivileged(), CacheSystem(CacheConfig(cache_dir=str(frozen))) as cache:
        found = cache.get("k")
        assert not found.found or found.value == 1
        assert cache.put("k", 2), "memory took it"
        assert cache.get("k").value == 2


def test_clocks_that_jump_expire_nothing_early_and_keep_nothing_for_ever(
    cache: CacheSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    cache.put("k", 1, ttl=100)
    cache.put("always", 1, ttl=math.inf)
    monkeypatch.setattr(time, "time", lambda: now() - 86_400)
    assert from_disk(cache, "k").found, "a jump backwards"
    assert cache.get("k").found
    cache.levels.memory.advance(101)
    assert cache.levels.memory.get(cache._key("k")) is None, "never longer than its time to live"
    monkeypatch.setattr(time, "time", lambda: now() + 101)
    assert not from_disk(cache, "k").found
    assert from_disk(cache, "always").found


def test_the_least_recently_used_goes_first_and_the_bound_holds(folder: Path) -> None:
    config = CacheConfig(
        cache_dir=str(folder), max_disk_mb=4.0, max_memory_mb=0.0, enable_compression=False
    )
    with CacheSystem(config) as cache:
        cache.put("kept", np.zeros(100_000))
        for i in range(12):
            cache.put(i, np.full(100_000, float(i)))
            assert cache.get("kept").found, i
            files = sum(p.stat().st_size for p in folder.rglob("*.frame"))
            assert disk(cache)["bytes"] <= 4 * 2**20
            assert files <= 4 * 2**20
        assert not cache.get(0).found
        assert cache.get(11).found
        assert disk(cache)["evictions"] >= 8
        assert not cache.put("too large", np.zeros(600_000))
        assert cache.get("kept").found, "what can never fit pushes nothing out"


def test_a_mapped_value_that_changes_on_disk_is_verified_again(
    cache: CacheSystem, folder: Path
) -> None:
    value = np.arange(300_000.0)
    cache.put("k", value)
    for _ in range(2):
        np.testing.assert_array_equal(from_disk(cache, "k").value, value)
    (path,) = folder.rglob("*.frame")
    with open(path, "r+b") as file:
        file.seek(1_000_000)
        file.write(b"\xff")
    assert not from_disk(cache, "k").found


def test_damaged_frames_neither_crash_nor_fill_the_memory() -> None:
    script = REPOSITORY / "scripts" / "cache_torture.py"  # in a process with a limit of memory
    command = [sys.executable, str(script), "fuzz", "20000"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    found = re.search(r"(\d+) refused, (\d+) decoded", result.stdout)
    assert found is not None
    assert int(found[1]) > 10_000
    assert int(found[2]) > 100


def test_processes_that_write_one_key_and_are_killed(tmp_path: Path) -> None:
    reads, killed = torture().race(3.0, tmp_path)
    assert reads > 0
    assert killed >= 4


class WholeCache(RuleBasedStateMachine):
    """CacheSystem with memory and disk against a dict, through restarts and both clocks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(os.environ.get("TMPDIR", "/tmp"), f"optcore-{os.getpid()}-{id(self)}")
        self.model: dict[int, tuple[Any, float, int | None]] = {}
        self.shift = 0.0
        self.clock = time.time
        time.time = lambda: self.clock() + self.shift
        self.open()

    def open(self) -> None:
        config = CacheConfig(cache_dir=str(self.folder), stampede_beta=0.0)
        self.cache = CacheSystem(config)

    def teardown(self) -> None:
        self.cache.close()
        time.time = self.clock
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(
        key=st.integers(0, 4),
        value=st.one_of(st.integers(), st.lists(st.floats(allow_nan=False), max_size=3)),
        life=st.integers(1, 9),
        tag=st.sampled_from([None, 0, 1]),
    )
    def put(self, key: int, value: Any, life: int, tag: int | None) -> None:
        assert self.cache.put(key, value, life * 100.0, tags=[] if tag is None else [f"tag {tag}"])
        self.model[key] = (value, self.shift + life * 100.0, tag)

    @rule(key=st.integers(0, 4))
    def get(self, key: int) -> None:
        entry = self.model.get(key)
        found = self.cache.get(key)
        assert found.found == (entry is not None and self.shift < entry[1])
        if found.found:
            assert entry is not None
            assert found.value == entry[0]

    @rule(key=st.integers(0, 4))
    def delete(self, key: int) -> None:
        self.cache.delete(key)
        self.model.pop(key, None)

    @rule(tag=st.sampled_from([0, 1]))
    def invalidate(self, tag: int) -> None:
        self.cache.invalidate(f"tag {tag}")
        self.model = {k: e for k, e in self.model.items() if e[2] != tag}

    @rule()
    def forget_memory(self) -> None:
        self.cache.clear("memory")

    @rule()
    def restart(self) -> None:
        self.cache.close()
        self.open()

    @rule(steps=st.integers(1, 4))
    def time_passes(self, steps: int) -> None:
        seconds = steps * 100.0 + 5.0
        self.cache.levels.memory.advance(seconds)
        self.shift += seconds


WholeCache.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestWholeCache = WholeCache.TestCase
