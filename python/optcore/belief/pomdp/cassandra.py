"""Reader of Cassandra's POMDP file format (.POMDP, .pomdp), the whole grammar.

Names or counts for states, actions and observations; rewards or costs; `uniform`, `identity`,
`reset`; every form of T, O and R down to single entries, with wildcards; `start`, `start include`
and `start exclude`; files without observations are fully observable. Later lines override earlier.

Source   A. Cassandra, pomdp-solve file format, https://www.pomdp.org/code/pomdp-file-spec.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optcore.belief.pomdp.reward_table import RewardTable
from optcore.belief.pomdp.row_table import SUM_TOLERANCE, RowTable, TableError
from optcore.belief.pomdp.tables import MAX_PAIRS, PomdpTables
from optcore.errors import ModelFileError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["read_pomdp"]

_TOKEN = re.compile(r"#[^\n]*|\n|:|\*|[^\s:*#]+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_KEYWORDS = {"discount", "values", "states", "actions", "observations", "start", "T", "O", "R"}


def read_pomdp(file: str | Path, *, max_bytes: int = 256 << 20) -> PomdpTables:
    """Read a model in Cassandra's format.

    Raises:
        ModelFileError: the file cannot be read or is no valid model; names file and line.
    """
    path = Path(file)
    try:
        if path.stat().st_size > max_bytes:
            raise ModelFileError(path, f"larger than {max_bytes >> 20} MiB")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelFileError(path, f"cannot be read: {error.strerror or error}") from error
    return _Reader(path, text).read()


class _Reader:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._words: list[str] = []
        self._lines: list[int] = []
        line = 1
        for match in _TOKEN.finditer(text):
            word = match.group()
            if word == "\n":
                line += 1
            elif word[0] != "#":
                self._words.append(word)
                self._lines.append(line)
        self._last_line = line
        self._at = 0
        self._discount: float | None = None
        self._cost = False
        self._names: dict[str, Sequence[str]] = {}
        self._index: dict[str, dict[str, int]] = {}
        self._start: NDArray[np.float64] | None = None

    # --- tokens ------------------------------------------------------------------------------
    def _fail(self, problem: str, line: int | None = None) -> ModelFileError:
        if line is None:
            line = self._lines[self._at] if self._at < len(self._lines) else self._last_line
        return ModelFileError(self._file, problem, line=line)

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else ""

    def _next(self, needed: str) -> str:
        word = self._peek()
        if not word:
            raise self._fail(f"the file ends where {needed} is needed")
        self._at += 1
        return word

    def _colon(self) -> None:
        if self._peek() != ":":
            raise self._fail(f"need ':', found {self._peek() or 'the end of the file'!r}")
        self._at += 1

    def _at_keyword(self) -> bool:
        word = self._peek()
        if word not in _KEYWORDS:
            return False
        return self._peek(1) == ":" or (
            word == "start" and self._peek(1) in {"include", "exclude"} and self._peek(2) == ":"
        )

    def _number(self, needed: str) -> float:
        word = self._peek()
        if not _NUMBER.match(word):
            raise self._fail(f"need {needed}, found {word or 'the end of the file'!r}")
        self._at += 1
        value = float(word)
        if not np.isfinite(value):
            self._at -= 1
            raise self._fail(f"need {needed}, {word} is too large")
        return value

    def _numbers(self, count: int, needed: str) -> NDArray[np.float64]:
        words = self._words[self._at : self._at + count]
        if len(words) < count or not all(map(_NUMBER.match, words)):
            for have in range(count):  # find the culprit, for the message
                self._number(f"number {have + 1} of {count} for {needed}")
        values = np.array([float(word) for word in words])
        if not np.isfinite(values).all():
            self._at += int(np.flatnonzero(~np.isfinite(values))[0])
            raise self._fail(f"need a finite number for {needed}, {self._peek()} is too large")
        self._at += count
        return values

    def _selection(self, kind: str) -> range | list[int]:
        """One index, or all of them for '*'."""
        word = self._next(f"one of the {kind}")
        if word == "*":
            return range(len(self._names[kind]))
        return [self._resolve(word, kind)]

    def _resolve(self, word: str, kind: str) -> int:
        index = self._index[kind].get(word)
        if index is None and word.isdecimal() and int(word) < len(self._names[kind]):
            index = int(word)
        if index is None:
            self._at -= 1
            count = len(self._names[kind])
            raise self._fail(f"unknown name or number {word!r}; there are {count} {kind}")
        return index

    # --- the file ----------------------------------------------------------------------------
    def read(self) -> PomdpTables:
        while self._at_keyword() and self._peek() not in {"T", "O", "R"}:
            self._preamble(self._next("a keyword"))
        if self._peek() and not self._at_keyword():
            raise self._fail(f"need a keyword and ':', found {self._peek()!r}")
        for kind in ("states", "actions"):
            if kind not in self._names:
                raise self._fail(f"'{kind}:' is missing before the first T, O or R")
        if self._discount is None:
            raise self._fail("'discount:' is missing before the first T, O or R")
        observable = "observations" not in self._names
        if observable:
            self._names["observations"] = self._names["states"]
            self._index["observations"] = self._index["states"]
        S, A, Z = (len(self._names[k]) for k in ("states", "actions", "observations"))
        if A * max(S, Z) > MAX_PAIRS:
            raise self._fail(
                f"{S} states, {A} actions, {Z} observations: too large for this format"
            )
        start = np.full(S, 1.0 / S) if self._start is None else self._start
        T = [RowTable(S, S) for _ in range(A)]
        seen = [RowTable(S, Z) for _ in range(A)]
        R = RewardTable(S, A)
        if observable:
            for table in seen:
                table.set_identity(1)
        while self._peek():
            if not self._at_keyword():
                raise self._fail(f"need T:, O: or R:, found {self._peek()!r}")
            word = self._next("T, O or R")
            if word == "T":
                self._table(T, "states", start, square=True)
            elif word == "O" and not observable:
                self._table(seen, "observations", None, square=S == Z)
            elif word == "R":
                self._reward(R, observable)
            else:
                self._at -= 1
                raise self._fail(f"'{word}:' is not expected here")
        transitions = self._finish("T", T)
        observations = self._finish("O", seen)
        rewards = R.expected(transitions, observations)
        if self._cost:
            rewards = -rewards
        return PomdpTables(
            transitions,
            observations,
            rewards,
            self._discount,
            start,
            self._names["states"],
            self._names["actions"],
            self._names["observations"],
        )

    def _finish(self, keyword: str, tables: list[RowTable]) -> list[csr_array]:
        states = self._names["states"]
        done: list[csr_array] = []
        try:
            done.extend(table.to_csr("state", states) for table in tables)
        except TableError as error:
            line = error.line if error.line is not None else self._last_line
            action = self._names["actions"][len(done)]
            raise self._fail(f"{keyword}: action {action}: {error}", line) from None
        return done

    def _preamble(self, keyword: str) -> None:
        if keyword == "start":
            self._read_start()
            return
        self._colon()
        if keyword == "discount":
            self._discount = self._number("the discount")
            if not 0.0 <= self._discount < 1.0:
                self._at -= 1
                raise self._fail(f"discount: need a number in [0, 1), got {self._discount:g}")
        elif keyword == "values":
            word = self._next("'reward' or 'cost'")
            if word not in {"reward", "cost"}:
                self._at -= 1
                raise self._fail(f"values: need 'reward' or 'cost', found {word!r}")
            self._cost = word == "cost"
        else:
            self._read_names(keyword)

    def _read_names(self, kind: str) -> None:
        if kind in self._names:
            raise self._fail(f"'{kind}:' is given twice")
        line = self._lines[self._at - 1]
        words: list[str] = []
        while self._peek() and not self._at_keyword():
            word = self._next("a name")
            if word in {":", "*"}:
                self._at -= 1
                raise self._fail(f"{word!r} cannot stand in the list of {kind}")
            words.append(word)
        if len(words) == 1 and words[0].isdecimal():
            count = int(words[0]) if len(words[0]) < 10 else MAX_PAIRS + 1
            if not 1 <= count <= MAX_PAIRS:
                raise self._fail(f"{kind}: need a number from 1 to {MAX_PAIRS}", line)
            self._names[kind] = [str(i) for i in range(count)]
            self._index[kind] = {}
            return
        if not words:
            raise self._fail(f"{kind}: need a number or names", line)
        self._names[kind] = words
        self._index[kind] = {word: i for i, word in enumerate(words)}
        if len(self._index[kind]) != len(words):
            twice = next(w for i, w in enumerate(words) if self._index[kind][w] != i)
            raise self._fail(f"{kind}: {twice!r} is named twice", line)

    def _read_start(self) -> None:
        line = self._lines[self._at - 1]
        if "states" not in self._names:
            raise self._fail("'start' needs 'states:' before it", line)
        S = len(self._names["states"])
        if self._peek() in {"include", "exclude"}:
            include = self._next("include or exclude") == "include"
            self._colon()
            listed = np.zeros(S, bool)
            while self._peek() and not self._at_keyword():
                listed[self._resolve(self._next("a state"), "states")] = True
            chosen = listed if include else ~listed
            if not chosen.any():
                raise self._fail("start: no state is left to start in", line)
            self._start = chosen / chosen.sum()
            return
        self._colon()
        word = self._peek()
        if word == "uniform":
            self._at += 1
            self._start = np.full(S, 1.0 / S)
        elif not _NUMBER.match(word) or (S > 1 and not _NUMBER.match(self._peek(1))):
            self._start = np.zeros(S)
            self._start[self._resolve(self._next("a state"), "states")] = 1.0
        else:
            start = self._numbers(S, "start")
            if (start < 0).any() or abs(start.sum() - 1.0) > SUM_TOLERANCE:
                raise self._fail(f"start: the belief sums to {start.sum():.6g}, need 1", line)
            self._start = start / start.sum()

    def _table(
        self,
        tables: list[RowTable],
        columns: str,
        reset: NDArray[np.float64] | None,
        *,
        square: bool,
    ) -> None:
        """T: or O: in any of its forms, from a whole matrix to a single entry."""
        line = self._lines[self._at - 1]
        self._colon()
        S, width = len(self._names["states"]), len(self._names[columns])
        chosen = [tables[a] for a in self._selection("actions")]
        if self._peek() != ":":  # the matrix of an action
            word = self._peek()
            if word == "identity" and square:
                self._at += 1
                for table in chosen:
                    table.set_identity(line)
            elif word == "uniform":
                self._at += 1
                for table in chosen:
                    table.set_row(range(S), np.full(width, 1.0 / width), line)
            else:
                for row in range(S):
                    line = self._lines[min(self._at, len(self._lines) - 1)]
                    values = self._numbers(width, f"row {row} of {S}")
                    for table in chosen:
                        table.set_row([row], values, line)
            return
        self._colon()
        rows = self._selection("states")
        if self._peek() != ":":  # the row of a state
            word = self._peek()
            if word == "uniform":
                self._at += 1
                values = np.full(width, 1.0 / width)
            elif word == "reset" and reset is not None:
                self._at += 1
                values = reset
            else:
                values = self._numbers(width, "the row")
            for table in chosen:
                table.set_row(rows, values, line)
            return
        self._colon()
        cols = self._selection(columns)
        value = self._number("a probability")
        for table in chosen:
            table.set_entries(rows, None if isinstance(cols, range) else cols, value, line)

    def _reward(self, table: RewardTable, observable: bool) -> None:
        """R: with a number, a row over the observations, or a matrix over next states too."""
        self._colon()
        S = len(self._names["states"])
        Z = 1 if observable else len(self._names["observations"])
        actions = self._selection("actions")
        self._colon()
        from_states = self._selection("states")
        states = None if isinstance(from_states, range) else from_states
        if self._peek() != ":":
            values = self._numbers(S * Z, "the matrix of rewards").reshape(S, Z)
            if observable:  # the observation is the next state
                for end in range(S):
                    table.set(actions, states, [end], None, float(values[end, 0]))
            else:
                table.set(actions, states, [None], None, values)
            return
        self._colon()
        to_states = self._selection("states")
        ends: list[int | None] = [None] if isinstance(to_states, range) else list(to_states)
        if observable:
            if self._peek() == ":":
                self._colon()
                self._selection("states")
            table.set(actions, states, ends, None, self._number("a reward"))
            return
        if self._peek() != ":":
            table.set(actions, states, ends, None, self._numbers(Z, "the row of rewards"))
            return
        self._colon()
        seen = self._selection("observations")
        value = self._number("a reward")
        table.set(actions, states, ends, None if isinstance(seen, range) else seen[0], value)
