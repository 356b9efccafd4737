"""Goal files: read, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from optcore.crowd import read_goals
from optcore.errors import SceneError


def test_a_real_file(data_dir: Path) -> None:
    goals = read_goals(data_dir / "intent/ucy/zara01_destinations.txt")
    assert goals.tolist() == [[-2, -15], [-2, 10], [10, 5], [-15, -2]]


@pytest.mark.parametrize("text", ["1 2\n3 4\n", "x,y\n1,2\n\n3,4", "# by hand\n1\t2\n3\t4\r\n"])
def test_layouts(tmp_path: Path, text: str) -> None:
    file = tmp_path / "goals.txt"
    file.write_text(text)
    assert read_goals(file).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "row", "came"),
    [
        ("", None, "empty"),
        ("1 2\n1e6 0\n", 2, "1e\\+06"),
        ("1 2\nnan 0\n", 2, "nan"),
        ("x y\n1 2\n3 four\n", 3, "'four' in column 2"),
        ("1 2 3\n", 1, "3 columns"),
        ("1 2\n3 4\n1 2\n", 3, "each goal once"),
        ("x y\n", None, "no rows"),
        ("# none\n", None, "no rows"),
    ],
)
def test_bad_goals_get_one_clear_line(
    tmp_path: Path, text: str, row: int | None, came: str
) -> None:
    file = tmp_path / "goals.txt"
    file.write_text(text)
    with pytest.raises(SceneError, match=came) as caught:
        read_goals(file)
    assert (caught.value.file, caught.value.row) == (str(file), row)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="no such file"):
        read_goals(tmp_path / "absent.txt")
