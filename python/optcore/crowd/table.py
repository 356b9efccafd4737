"""Rows of `frame person x y` from a file, each checked by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.crowd.text import TextFile, clip, is_number, scene_error
from optcore.errors import SceneError

__all__ = ["FARTHEST_M", "Table", "read_table"]

FARTHEST_M = 1e5
"""Coordinates beyond this are taken for a mistake of units or columns."""

_NEED = "frame person x y"
_LARGEST = 2.0**53  # whole numbers beyond it are not exact in double precision
_SPELLINGS = {
    "frame": ("frame", "frame_id", "frame_number", "frameid", "framenumber"),
    "person": ("ped_id", "person", "person_id", "pedestrian", "pedestrian_id", "ped", "agent_id",
               "track_id", "id"),
    "x": ("x_m", "x", "pos_x"),
    "y": ("y_m", "y", "pos_y"),
}  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """The rows of one file, checked one by one but not against each other.

    Attributes:
        file: where they came from.
        header: lines before the first row.
        frame: (n,) any finite number below 2^53.
        person: (n,).
        position: (n, 2) metres, at most 10^5 in size.
    """

    file: TextFile
    header: int
    frame: NDArray[np.float64]
    person: NDArray[np.int64]
    position: NDArray[np.float64]

    def line(self, row: int) -> int:
        """Return the 1-based line of the file that holds row `row` (0-based)."""
        return self.file.line_of(row, self.header)

    def error(self, row: int, came: str, need: str, remedy: str) -> SceneError:
        """Build the one-line error about row `row` (0-based)."""
        return scene_error(self.file.path, self.line(row), came, need, remedy)


def read_table(path: Path) -> Table:
    """Read a recording's rows. Raises SceneError; see `optcore.crowd.reader.read_scene`."""
    file = TextFile.read(path, f"a text file with rows of {_NEED}")
    header, columns, width = _layout(file)
    values = file.parse(_NEED, width, columns, header)
    frame, person, position = values[:, 0], values[:, 1], values[:, 2:]
    far = (np.abs(position) > FARTHEST_M).any(axis=1)
    columns_hint = f"check that the columns are {_NEED}"
    checks = (
        (~np.isfinite(values).all(axis=1), "finite numbers", "correct or delete the row"),
        (np.abs(frame) > _LARGEST, "a frame number below 2^53", columns_hint),
        (np.abs(person) > _LARGEST, "a person number below 2^53", columns_hint),
        (person != np.round(person), "a whole number for the person", columns_hint),
        (far, "x and y in metres, at most 1e5 from the origin", f"{columns_hint} in metres"),
    )
    for wrong, need, remedy in checks:
        if wrong.any():
            row = int(np.argmax(wrong))
            came = "got " + " ".join(f"{value:g}" for value in values[row])
            raise scene_error(path, file.line_of(row, header), came, need, remedy)
    return Table(file, header, frame, person.astype(np.int64), position)


def _layout(file: TextFile) -> tuple[int, list[int], int]:
    """Lines before the first row; the columns of frame, person, x and y; columns in all."""
    number, first = next(file.lines(), (0, ""))
    if number == 0:
        raise scene_error(file.path, None, "comments only", f"rows of {_NEED}", "give some rows")
    names = [name.strip("\"'").lower() for name in re.split(r"[,\s]+", first)]
    if any(is_number(name) for name in names):
        return 0, [0, 1, 2, 3], 4
    columns = []
    for wanted, spellings in _SPELLINGS.items():
        found = next((names.index(name) for name in spellings if name in names), None)
        if found is None:
            raise scene_error(
                file.path, number, f"no column for {wanted} in {clip(first)}",
                "a header such as frame,ped_id,x_m,y_m or none", "rename the columns",
            )  # fmt: skip
        columns.append(found)
    return number, columns, len(names)
