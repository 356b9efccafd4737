"""The disk level among faults: no wrong value, nothing executed, no partial file."""

from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore.caching_system.disk_tier import DiskTier
from optcore.caching_system.frame import encode

KEY = b"0123456789abcdef"


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[DiskTier]:
    tier = DiskTier(tmp_path / "cache", 2**30)
    yield tier
    tier.close()


def stored(tier: DiskTier, value: object) -> None:
    assert tier.put(KEY, encode(KEY, value), 60)


def value_of(tier: DiskTier) -> Any:
    found = tier.get(KEY)
    assert found is not None
    return found.value


def files(tier: DiskTier) -> list[Path]:
    return [p for p in tier.directory.rglob("*") if p.suffix in {".frame", ".part"}]


@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
def test_rows_files_and_mapped_files_come_back(tier: DiskTier, size: int) -> None:
    value = np.arange(float(size))
    stored(tier, value)
    back = value_of(tier)
    np.testing.assert_array_equal(back, value)
    assert not back.flags.writeable
    assert len(files(tier)) == (size > 1000)
    stored(tier, value)
    assert len(files(tier)) == (size > 1000), "the replaced file stayed"


@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize("fault", ["truncated", "flipped", "gone", "empty", "longer"])
def test_a_damaged_file_is_a_miss_and_goes(tier: DiskTier, size: int, fault: str) -> None:
    stored(tier, np.arange(float(size)))
    (path,) = files(tier)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    changed = {"truncated": raw[:-9], "flipped": raw, "empty": b"", "longer": raw + b"\0"}
    if fault == "gone":
        path.unlink()
    else:
        path.write_bytes(changed[fault])
    assert tier.get(KEY) is None
    stored(tier, 1)
    assert value_of(tier) == 1


def test_a_forged_row_runs_nothing(tier: DiskTier, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    stored(tier, 1)
    outside = tmp_path / "outside"
    outside.write_bytes(encode(KEY, "stolen"))
    with sqlite3.connect(tier.directory / "cache.db") as database:
        for mode, name, blob in [
            (4, None, pickle.dumps(Evil())),
            (1, None, pickle.dumps(Evil())),
            (3, None, "text"),
            (2, "../outside", None),
            (2, str(outside), None),
            (None, None, None),
        ]:
            database.execute("DELETE FROM Cache")
            database.execute(
                "INSERT INTO Cache(key, raw, store_time, access_time, mode, filename, value)"
                " VALUES (?, 1, 0, 0, ?, ?, ?)",
                (KEY, mode, name, blob),
            )
            database.commit()
            assert tier.get(KEY) is None, (mode, name)
        database.execute(
            "INSERT OR REPLACE INTO Cache(key, raw, store_time, access_time, mode, value)"
            " VALUES (?, 0, 0, 0, 4, ?)",
            (pickle.dumps(Evil()), pickle.dumps(Evil())),
        )
    database.close()
    tier.verify()
    tier.clear()
    assert outside.exists(), "a file outside the folder was removed"
    assert not (tmp_path / "executed").exists()


def test_a_database_of_garbage_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 500)
    tier = DiskTier(tmp_path, 2**30)
    stored(tier, 5)
    assert value_of(tier) == 5
    assert list(tmp_path.glob("cache.db.broken-*"))
    tier.close()


def test_an_entry_expires_and_the_bound_on_bytes_holds(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 4 * 2**20)
    assert tier.put(KEY, encode(KEY, 1), 1e-6)
    assert tier.get(KEY) is None
    for i in range(40):
        key = i.to_bytes(16, "little")
        tier.put(key, encode(key, np.zeros(2**16)), 60)
    assert 0 < tier.keys() < 40
    assert sum(p.stat().st_size for p in files(tier)) <= 5 * 2**20
    tier.close()


def test_a_full_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    script = f"""
        import resource, signal, numpy as np
        from optcore.caching_system.disk_tier import DiskTier
        from optcore.caching_system.frame import encode
        tier = DiskTier({str(tmp_path)!r}, 2**30)
        key = b"0123456789abcdef"
        assert tier.put(key, encode(key, 1), 60)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        assert not tier.put(key, encode(key, np.zeros(10**6)), 60)
        assert tier.errors > 0
        tier.close()
    """
    run(script)
    assert not [p for p in tmp_path.rglob("*") if p.suffix in {".part", ".frame"}]


def run(script: str) -> None:
    code = textwrap.dedent(script)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_writers_killed_in_the_act_leave_only_whole_values(tmp_path: Path) -> None:
    script = f"""
        import itertools, numpy as np
        from optcore.caching_system.disk_tier import DiskTier
        from optcore.caching_system.frame import encode
        tier = DiskTier({str(tmp_path)!r}, 2**30)
        key = b"0123456789abcdef"
        print("ready", flush=True)
        for i in itertools.count():
            tier.put(key, encode(key, np.full(200_000, float(i))), 60)
    """
    tier = DiskTier(tmp_path, 2**30)
    seen = 0
    for _ in range(2):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        for _ in range(200):
            found = tier.get(KEY)
            if found is not None:
                seen += 1
                value = found.value
                assert value.shape == (200_000,)
                assert (value == value[0]).all()
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert seen > 0
    tier.close()
