"""Any order of gets, returns, views and drops: two live arrays never share a byte."""

from __future__ import annotations

import gc
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from numpy.typing import NDArray

from optcore.memory_manager import MemoryConfig, MemoryManager

Array = NDArray[Any]
SHAPES = st.one_of(
    st.integers(0, 3000),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.just((1 << 17) + 3),  # beyond 1 MiB: blocks of whole huge pages
)
DTYPES = st.sampled_from(["float64", "float32", "int64", "uint8", "complex128", "bool"])


def extent(array: Array) -> tuple[int, int]:
    """First byte and the byte behind the last of a contiguous array."""
    return array.ctypes.data, array.ctypes.data + array.nbytes


class Pool(RuleBasedStateMachine):
    """Every array holds the number it was filled with for as long as its holder keeps it."""

    arrays: Bundle[Any] = Bundle("arrays")
    views: Bundle[Any] = Bundle("views")

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryManager(MemoryConfig(pool_max_size=6, enable_monitoring=False))
        self.held: dict[int, tuple[Array, int]] = {}  # what somebody may read, and what is in it
        self.next = 0

    @rule(target=arrays, shape=SHAPES, dtype=DTYPES, order=st.sampled_from("CF"))
    def get(self, shape: Any, dtype: str, order: str) -> int:
        value = self.next % 2 if dtype == "bool" else self.next % 120 + 1
        array = self.memory.get_numpy_array(shape, dtype, order=order, fill=value)
        assert array.dtype == dtype
        assert array.shape == (shape if isinstance(shape, tuple) else (shape,))
        self.next += 1
        self.held[self.next] = array, value
        return self.next

    @rule(target=views, of=arrays)
    def view(self, of: int) -> int | None:
        if of not in self.held:
            return None
        array, value = self.held[of]
        self.next += 1
        self.held[self.next] = array.reshape(-1, order="A")[: array.size // 2], value
        return self.next

    @rule(of=consumes(arrays), twice=st.booleans())
    def give_back(self, of: int, twice: bool) -> None:
        array, value = self.held.pop(of)
        for _ in range(1 + twice):
            self.memory.return_numpy_array(array)
        if array.flags.writeable:  # a view lives: the memory stays with both
            self.held[-of] = array, value

    @rule(of=consumes(arrays))
    def drop(self, of: int) -> None:
        del self.held[of]
        gc.collect(0)

    @rule(of=consumes(views))
    def drop_view(self, of: int | None) -> None:
        self.held.pop(of or 0, None)

    @rule(shape=SHAPES)
    def borrow(self, shape: Any) -> None:
        with self.memory.temporary_array(shape, "uint8") as array:
            array.fill(255)
            for other, _ in self.held.values():
                assert not np.shares_memory(array, other)

    @rule()
    def trim(self) -> None:
        self.memory.close()

    @invariant()
    def everything_is_as_it_was_left(self) -> None:
        for array, value in self.held.values():
            assert (array == value).all()

    @invariant()
    def no_byte_has_two_owners(self) -> None:
        own = [a for a, _ in self.held.values() if not isinstance(a.base, np.ndarray) and a.nbytes]
        for a, b in combinations(own, 2):
            (first, end), (second, last) = extent(a), extent(b)
            assert end <= second or last <= first


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
