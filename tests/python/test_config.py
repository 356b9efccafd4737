"""What every configuration of the workbench promises: checked, frozen, built from anywhere."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from optcore._config import Config, bounded
from optcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings(Config):
    """One field of each kind."""

    aliases: ClassVar[dict[str, str]] = {"old_name": "level"}

    level: Literal["low", "high"] = "low"
    period: float = bounded(0.1, low=0, high=10, open_low=True)
    count: int = bounded(3, low=1)
    on: bool = True
    place: Path | None = None
    names: tuple[str, ...] = ()


def test_fields_are_checked_and_plain_numbers_are_taken_over() -> None:
    settings = Settings(period=1, count=4.0, place="/tmp", names=["a"])  # type: ignore[arg-type]
    assert settings.to_dict() == {
        "level": "low", "period": 1.0, "count": 4, "on": True, "place": Path("/tmp"),
        "names": ("a",),
    }  # fmt: skip
    assert isinstance(settings.period, float)
    assert isinstance(settings.count, int)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.count = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"level": "middle"}, "level must be 'low' or 'high', got 'middle'"),
        ({"period": 0}, r"period must lie in \(0, 10\], got 0"),
        ({"period": float("nan")}, r"period must lie in \(0, 10\], got nan"),
        ({"period": "1"}, "period must be a number, got '1'"),
        ({"period": True}, "period must be a number, got True"),
        ({"count": 0}, r"count must lie in \[1, inf\], got 0"),
        ({"count": 1.5}, "count must be a whole number, got 1.5"),
        ({"on": 1}, "on must be True or False, got 1"),
        ({"place": 3}, "place must be Path or None, got 3"),
        ({"names": "abc"}, "names must be tuple"),
        ({"perod": 1}, "unknown field 'perod'; did you mean period"),
        ({"zzz": 1}, "unknown field 'zzz'; known are level, period"),
        ({"level": "low", "old_name": "high"}, "level is given twice"),
    ],
)
def test_an_error_names_the_field_what_came_and_what_is_needed(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings.from_dict(values)
    assert issubclass(ConfigError, ValueError)


def test_an_alias_stands_for_its_field_and_replace_checks_again() -> None:
    settings = Settings.from_dict({"old_name": "high"})
    assert settings.level == "high"
    assert settings.replace(count=9) == Settings("high", count=9)
    with pytest.raises(ConfigError, match="count"):
        settings.replace(count=0)


def test_the_environment_overrides_a_base() -> None:
    found = Settings.from_env(
        "X_",
        {"X_LEVEL": "high", "X_PERIOD": "2", "X_COUNT": "7", "X_ON": "off", "X_PLACE": "none",
         "X_NAMES": "a, b", "Y_COUNT": "1"},
        base=Settings(place=Path("/here")),
    )  # fmt: skip
    assert found == Settings("high", 2.0, 7, False, None, ("a", "b"))
    assert Settings.from_env("X_", {}) == Settings()
    for name, text, message in (
        ("X_COUNT", "many", "X_COUNT must be a whole number, got 'many'"),
        ("X_ON", "perhaps", "X_ON must be True or False, got 'perhaps'"),
        ("X_LEVEL", "middle", "X_LEVEL must be 'low' or 'high'"),
        ("X_COUNT", "0", "count must lie in"),
    ):
        with pytest.raises(ConfigError, match=message):
            Settings.from_env("X_", {name: text})


def test_files_are_read_whole_or_by_table(tmp_path: Path) -> None:
    toml, plain = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text('[optcore]\nlevel = "high"\ncount = 5\n')
    plain.write_text(json.dumps({"period": 3}))
    assert Settings.from_file(toml, "optcore") == Settings("high", count=5)
    assert Settings.from_file(plain) == Settings(period=3.0)
    assert Settings.from_file(str(plain)) == Settings(period=3.0)


@pytest.mark.parametrize(
    ("name", "content", "table", "message"),
    [
        ("a.toml", b"level = ", None, "a.toml: "),
        ("a.json", b"{", None, "a.json: "),
        ("a.toml", b"\xff\xfe", None, "a.toml: "),
        ("a.json", b"[1]", None, "need a table of fields, got list"),
        ("a.toml", b"[other]\n", "optcore", r"no table \[optcore\]; there are other"),
        ("a.toml", b"count = 0", None, r"a.toml: count must lie in \[1, inf\]"),
        ("a.toml", None, None, "a.toml: cannot be read: No such file"),
    ],
)
def test_a_bad_file_is_named(
    tmp_path: Path, name: str, content: bytes | None, table: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        Settings.from_file(tmp_path / name, table)
