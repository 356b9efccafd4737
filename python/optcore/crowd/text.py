"""Numbers from a text file: parsed all at once, or one clear line about the first wrong row."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.errors import SceneError

__all__ = ["TextFile", "clip", "is_number", "scene_error"]


def scene_error(path: Path, row: int | None, came: str, need: str, remedy: str) -> SceneError:
    """Build the one line every unusable file gets: where, what came, what is needed, remedy."""
    return SceneError(path, f"{came}; need {need}", row=row, remedy=remedy)


@dataclass(frozen=True, eq=False, slots=True)
class TextFile:
    """A text file of numbers in columns; empty lines and those beginning with # are skipped.

    Attributes:
        path: the file.
        text: its content, line ends normalised.
        delimiter: a comma, or None for blanks and tabs.
    """

    path: Path
    text: str
    delimiter: str | None

    @classmethod
    def read(cls, path: Path, need: str) -> TextFile:
        """Read `path`; `need` says in the error what was expected. Raises SceneError."""
        if not path.exists():
            raise scene_error(path, None, "no such file", need, "check the path")
        if path.is_dir():
            raise scene_error(path, None, "it is a directory", need, "name a file inside it")
        if not path.is_file():
            raise scene_error(path, None, "it is no regular file", need, "copy it to one first")
        try:
            raw = path.read_bytes()
        except OSError as error:
            came = f"cannot be read ({(error.strerror or str(error)).lower()})"
            raise scene_error(path, None, came, need, "check its permissions") from error
        if (zero := raw.find(b"\0")) >= 0:
            row = raw.count(b"\n", 0, zero) + 1
            raise scene_error(path, row, "the file is binary", need, "export it as text")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            row = raw.count(b"\n", 0, error.start) + 1
            raise scene_error(
                path, row, "bytes that are no text", need, "save it as UTF-8"
            ) from error
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if not text.strip():
            raise scene_error(path, None, "the file is empty", need, "give one with rows in it")
        return cls(path, text, "," if "," in text else None)

    def lines(self, skip: int = 0) -> Iterator[tuple[int, str]]:
        """Yield (1-based number, content) of the lines that hold data, after `skip` lines."""
        for number, line in enumerate(io.StringIO(self.text), start=1):
            if number > skip and (content := line.split("#", 1)[0].strip()):
                yield number, content

    def line_of(self, row: int, skip: int = 0) -> int:
        """Return the 1-based line of data row `row` (0-based)."""
        return next(number for index, (number, _) in enumerate(self.lines(skip)) if index == row)

    def cells(self, content: str) -> list[str]:
        """Split the content of a line into its columns."""
        return [cell.strip() for cell in content.split(self.delimiter)]

    def parse(
        self, need: str, width: int, columns: Sequence[int], skip: int = 0
    ) -> NDArray[np.float64]:
        """Return the wanted `columns` of all rows, (n, len(columns)), n >= 1.

        Args:
            need: names of the columns, for the error message.
            width: columns every row must have; those not wanted may hold anything.
            columns: which to read.
            skip: lines of header.

        Raises:
            SceneError: a row has another width, or a wanted column no number.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there is no row is said below
                values = np.loadtxt(
                    io.StringIO(self.text),
                    delimiter=self.delimiter,
                    skiprows=skip,
                    ndmin=2,
                    usecols=None if len(columns) == width else columns,
                )
            wrong_width = len(columns) == width and values.shape[1] not in (0, width)
        except (ValueError, OverflowError) as error:
            self._raise_first_wrong(need, width, columns, skip)
            came = f"not understood ({clip(str(error))})"
            raise scene_error(self.path, None, came, f"rows of {need}", "check it") from error
        if values.shape[0] == 0:
            raise scene_error(self.path, None, "no rows", f"rows of {need}", "give some")
        # With columns left out the parser does not compare widths; counting separators does.
        if len(columns) != width and self.delimiter is not None:
            body = self.text.split("\n", skip)[-1]
            wrong_width = body.count(self.delimiter) != values.shape[0] * (width - 1)
        if wrong_width:
            self._raise_first_wrong(need, width, columns, skip)
        return values[:, columns] if len(columns) == width else values

    def _raise_first_wrong(self, need: str, width: int, columns: Sequence[int], skip: int) -> None:
        for number, content in self.lines(skip):
            cells = self.cells(content)
            if len(cells) != width:
                noun = "column" if len(cells) == 1 else "columns"
                raise scene_error(
                    self.path, number, f"{len(cells)} {noun} in {clip(content)}",
                    f"{width} columns: {need}", "complete or delete the row",
                )  # fmt: skip
            for column in columns:
                if not is_number(cells[column]):
                    came = clip(cells[column]) if cells[column] else "nothing"
                    raise scene_error(
                        self.path, number, f"{came} in column {column + 1}", "a number",
                        "correct or delete the row",
                    )  # fmt: skip


def is_number(cell: str) -> bool:
    """Tell whether `cell` is a number; 1_000, which Python reads, is none in a recording."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def clip(text: str, longest: int = 40) -> str:
    """Quote `text`, cut to `longest` characters, on one line."""
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")
