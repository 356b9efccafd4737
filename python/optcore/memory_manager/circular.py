"""The last n items of a stream, without copying on append."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from optcore.errors import ShapeError

__all__ = ["CircularBuffer"]


class CircularBuffer:
    """Keeps the `size` newest items; each item has shape `item_shape`.

    Storage is written twice, `size` apart, so that the newest n items always lie together:
    :meth:`view` needs no copy. One thread writes; others may read: an item is in place before the
    count says so.

    Args:
        size: items kept, at least 1.
        item_shape: shape of one item; () for numbers.
        dtype: of the items.
    """

    def __init__(
        self, size: int, item_shape: int | tuple[int, ...] = (), dtype: DTypeLike = np.float64
    ) -> None:
        if isinstance(size, bool) or int(size) != size or size < 1:
            raise ShapeError(f"size must be a whole number of at least 1, got {size!r}")
        shape = (item_shape,) if isinstance(item_shape, int) else tuple(item_shape)
        self.size = int(size)
        self._items: NDArray[Any] = np.zeros((2 * self.size, *shape), dtype)
        self._count = 0  # ever appended

    def append(self, item: ArrayLike) -> None:
        """Add one item, pushing the oldest out when full."""
        place = self._count % self.size
        self._items[place] = item
        self._items[place + self.size] = item
        self._count += 1

    def extend(self, items: NDArray[Any] | Iterable[ArrayLike]) -> None:
        """Add items, oldest first."""
        rows = np.asarray(items if isinstance(items, np.ndarray) else list(items))
        if rows.size == 0:
            return
        if rows.shape[1:] != self._items.shape[1:]:
            raise ShapeError(f"items must be (n, {self._items.shape[1:]}), got {rows.shape}")
        kept = rows[-self.size :]
        first = self._count + len(rows) - len(kept)
        places = np.arange(first, first + len(kept)) % self.size
        self._items[places] = kept
        self._items[places + self.size] = kept
        self._count += len(rows)

    def get_recent(self, n: int) -> NDArray[Any]:
        """A copy of the n newest items, oldest first; fewer when fewer are there."""
        if n < 0:
            raise ShapeError(f"n must not be negative, got {n}")
        return self.view()[max(len(self) - n, 0) :].copy()

    def view(self) -> NDArray[Any]:
        """All items, oldest first, read-only and without a copy; later appends change it."""
        count = self._count
        held = min(count, self.size)
        start = (count - held) % self.size
        view = self._items[start : start + held]
        view.flags.writeable = False
        return view

    def clear(self) -> None:
        """Forget all items."""
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether the next item pushes one out."""
        return self._count >= self.size

    def __len__(self) -> int:
        return min(self._count, self.size)
