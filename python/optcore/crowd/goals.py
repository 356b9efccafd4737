"""Places people walk to, given by hand in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.crowd.table import FARTHEST_M
from optcore.crowd.text import TextFile, clip, is_number, scene_error

__all__ = ["read_goals"]

_NEED = "x y"


def read_goals(path: str | Path) -> NDArray[np.float64]:
    """Read goals (k, 2) in metres, k >= 1, on the axes of the recording they belong to.

    One goal a line, `x y`, separated by blanks, tabs or a comma; a header line is skipped.

    Raises:
        SceneError: the file cannot be read, a row is not understood, a goal lies beyond 10^5 m or
            is there twice. One line: file, row, what came, what is needed, remedy.
    """
    file = TextFile.read(Path(path), f"a text file with rows of {_NEED}")
    number, first = next(file.lines(), (0, ""))
    header = number if number and not any(map(is_number, file.cells(first))) else 0
    goals = file.parse(_NEED, 2, [0, 1], header)

    _, index = np.unique(goals, axis=0, return_index=True)
    again = np.ones(len(goals), np.bool_)
    again[index] = False
    checks = (
        (~np.isfinite(goals).all(axis=1), "finite numbers", "correct or delete the row"),
        (
            (np.abs(goals) > FARTHEST_M).any(axis=1),
            "metres, at most 1e5 from the origin",
            "put the goal where people leave the scene, or delete the row",
        ),
        (again, "each goal once", "delete the repeated row"),
    )
    for wrong, need, remedy in checks:
        if wrong.any():
            row = int(np.argmax(wrong))
            came = f"goal {clip(' '.join(f'{value:g}' for value in goals[row]))}"
            raise scene_error(file.path, file.line_of(row, header), came, need, remedy)
    return goals
