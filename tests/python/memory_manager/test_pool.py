"""Pooled arrays: aligned, never aliased, counted."""

from __future__ import annotations

import numpy as np
import pytest

from optcore.memory_manager import MemoryConfig, MemoryManager


def test_arrays_are_aligned_typed_and_filled() -> None:
    memory = MemoryManager()
    a = memory.get_numpy_array((3, 5), np.float32, order="F", fill=2)
    assert a.dtype == np.float32
    assert a.flags.f_contiguous
    np.testing.assert_array_equal(a, np.full((3, 5), 2.0))
    assert a.ctypes.data % 64 == 0
    assert memory.get_numpy_array(1 << 20).ctypes.data % (2 << 20) == 0


def test_a_returned_array_is_blind_and_its_memory_serves_the_next() -> None:
    memory = MemoryManager()
    with memory.temporary_array(shape=(100, 100)) as a:
        place = a.ctypes.data
        a[:] = 1
    assert np.isnan(a).all()
    with pytest.raises(ValueError, match="read-only"):
        a[0, 0] = 5
    with memory.temporary_array(shape=(100, 100)) as b:
        assert b.ctypes.data == place
        b[:] = 3
        assert np.isnan(a).all()


def test_the_memory_of_a_living_view_is_not_handed_out() -> None:
    memory = MemoryManager()
    a = memory.get_numpy_array(1000, fill=7)
    view = a[10:20][::2]
    memory.return_numpy_array(a)
    other = memory.get_numpy_array(1000, fill=0)
    assert not np.shares_memory(view, other)
    np.testing.assert_array_equal(view, 7)
    assert memory.get_memory_stats().escaped == 1


def test_wrong_returns_are_counted_and_harmless() -> None:
    memory = MemoryManager()
    a = memory.get_numpy_array(10)
    memory.return_numpy_array(a)
    memory.return_numpy_array(a)
    memory.return_numpy_array(np.zeros(10))
    memory.return_numpy_array("no array")  # type: ignore[arg-type]
    assert memory.get_memory_stats().ignored == 3


def test_what_dies_unreturned_is_reclaimed_and_counted() -> None:
    memory = MemoryManager()
    a = memory.get_numpy_array(1000)
    place = a.ctypes.data
    del a
    stats = memory.get_memory_stats()
    assert (stats.leaked, stats.outstanding) == (1, 0)
    assert memory.get_numpy_array(1000).ctypes.data == place


def test_an_exception_inside_the_block_returns_the_array() -> None:
    memory = MemoryManager()
    with pytest.raises(KeyError), memory.temporary_array(10):
        raise KeyError
    assert memory.get_memory_stats().outstanding == 0


def test_out_of_memory_is_a_memory_error_and_bad_requests_name_the_argument() -> None:
    memory = MemoryManager(MemoryConfig(poison=True))
    with pytest.raises(MemoryError):
        memory.get_numpy_array(1 << 43)
    with pytest.raises(MemoryError, match="shape"):
        memory.get_numpy_array((1 << 40, 1 << 40))
    with pytest.raises(ValueError, match="shape"):
        memory.get_numpy_array((3, -1))
    with pytest.raises(TypeError, match="objects"):
        memory.get_numpy_array(3, object)
    assert np.isnan(memory.get_numpy_array(3)).all()


def test_a_leak_is_named_with_file_and_line() -> None:
    memory = MemoryManager()
    kept = []
    with memory.track() as report:
        for _ in range(4):
            kept += [memory.get_numpy_array(1 << 17)]  # the line
    (row,) = report.outstanding
    assert row.file == __file__
    assert row.arrays == 4
    assert row.megabytes >= 4


def test_mapped_npy_obeys_its_header_and_buffers_keep_the_newest(tmp_path) -> None:  # type: ignore[no-untyped-def]
    memory = MemoryManager()
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.int32).reshape(2, 3))
    mapped = memory.create_memory_mapped_array(tmp_path / "a.npy", shape=(None, 3))
    np.testing.assert_array_equal(mapped, [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(ValueError, match="header"):
        memory.create_memory_mapped_array(tmp_path / "a.npy", shape=(3, 3))
    buffer = memory.create_circular_buffer(size=3)
    for i in range(5):
        buffer.append(i)
    np.testing.assert_array_equal(buffer.get_recent(2), [3, 4])
    buffer.extend([5, 6, 7, 8])
    np.testing.assert_array_equal(buffer.view(), [6, 7, 8])


def test_parked_arrays_come_back_bit_for_bit() -> None:
    array = np.repeat(np.arange(100.0), 500).reshape(-1, 50)
    parked = MemoryManager().park(array)
    assert parked.stored_bytes < array.nbytes / 2
    np.testing.assert_array_equal(parked.restore(), array)


def test_a_realtime_loop_has_no_collection() -> None:
    memory = MemoryManager()
    with memory.realtime() as report:
        for _ in range(20_000):
            with memory.temporary_array(64) as a:
                a[0] = 1.0
    assert report.collections == 0
