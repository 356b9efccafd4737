"""Rows of probabilities as a file gives them: later lines override earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optcore.belief.pomdp.tables import MAX_ENTRIES

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["RowTable", "TableError"]

SUM_TOLERANCE = 1e-4
"""How far from 1 a row may sum; files round to a few digits. Rows are then scaled to 1."""


class TableError(ValueError):
    """A row that is no distribution; `line` is where it was last written, None if never."""

    def __init__(self, problem: str, line: int | None) -> None:
        self.line = line
        super().__init__(problem)


class RowTable:
    """A sparse (rows, cols) table of probabilities under construction."""

    def __init__(self, rows: int, cols: int) -> None:
        self._shape = (rows, cols)
        self._rows: list[dict[int, float] | None] = [None] * rows
        self._shared: list[bool] = [False] * rows  # the dictionary also serves other rows
        self._lines: list[int | None] = [None] * rows

    def set_row(self, rows: Iterable[int], values: NDArray[np.float64], line: int) -> None:
        """Replace whole rows by (cols,) values; wildcards share one dictionary until written."""
        self._set({int(c): float(values[c]) for c in np.flatnonzero(values)}, rows, line)

    def set_identity(self, line: int) -> None:
        for row in range(self._shape[0]):
            self._rows[row], self._shared[row] = {row: 1.0}, False
            self._lines[row] = line

    def set_entries(
        self, rows: Iterable[int], cols: Iterable[int] | None, value: float, line: int
    ) -> None:
        """One number for some rows; cols None: for every column."""
        if cols is None:
            self.set_row(rows, np.full(self._shape[1], value), line)
            return
        columns = list(cols)
        for row in rows:
            entries = self._rows[row]
            if entries is None or self._shared[row]:
                entries = dict(entries or {})
                self._rows[row], self._shared[row] = entries, False
            for column in columns:
                entries[column] = value
            self._lines[row] = line

    def _set(self, entries: dict[int, float], rows: Iterable[int], line: int) -> None:
        for row in rows:
            self._rows[row], self._shared[row] = entries, True
            self._lines[row] = line

    def to_csr(self, row_name: str, names: Sequence[str]) -> csr_array:
        """The table as CSR, each row scaled to sum 1.

        Raises:
            TableError: a row is missing, holds a negative number, or does not sum to 1.
        """
        from scipy.sparse import csr_array

        total = 0
        checked: dict[int, float] = {}  # sum by identity of the shared dictionary
        for row, entries in enumerate(self._rows):
            where = f"{row_name} {names[row]}"
            if entries is None:
                raise TableError(f"no probabilities are given for {where}", None)
            if id(entries) not in checked:
                mass = sum(entries.values())
                if min(entries.values(), default=0.0) < 0:
                    raise TableError(f"a negative probability for {where}", self._lines[row])
                if abs(mass - 1.0) > SUM_TOLERANCE:
                    raise TableError(
                        f"the probabilities for {where} sum to {mass:.6g}, need 1",
                        self._lines[row],
                    )
                checked[id(entries)] = mass
            total += len(entries)
            if total > MAX_ENTRIES:
                raise TableError(f"more than {MAX_ENTRIES:,} probabilities", self._lines[row])
        indptr = np.zeros(len(self._rows) + 1, np.int64)
        indices = np.empty(total, np.int32)
        data = np.empty(total, np.float64)
        at = 0
        for row, entries in enumerate(self._rows):
            assert entries is not None
            mass = checked[id(entries)]
            for column in sorted(entries):
                if entries[column] != 0.0:
                    indices[at], data[at] = column, entries[column] / mass
                    at += 1
            indptr[row + 1] = at
        return csr_array((data[:at], indices[:at], indptr), shape=self._shape)
