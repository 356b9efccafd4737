"""What all configurations of the workbench share: checked, frozen, and built from anywhere.

A configuration is ``@dataclass(frozen=True, slots=True)`` on top of :class:`Config`; limits stand
in the field: ``interval: float = bounded(0.1, low=1e-3)``.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union

from optcore.errors import ConfigError

__all__ = ["Config", "bounded"]

_Self = TypeVar("_Self", bound="Config")
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def bounded(
    default: Any = dataclasses.MISSING,
    *,
    default_factory: Any = dataclasses.MISSING,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
) -> Any:
    """A dataclass field whose number must lie in [low, high], or in (low, high] if `open_low`."""
    metadata = {"low": low, "high": high, "open_low": open_low}
    if default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Config:
    """Base of the configurations; `aliases` maps other accepted names to fields.

    Types are checked on construction: a whole number is taken where a float is needed, nothing else
    is converted. Errors are :class:`ConfigError` (also ``ValueError``) and name the field.
    """

    __slots__ = ()
    aliases: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for field in _fields(type(self)):
            value = _checked(field.name, getattr(self, field.name), _types(type(self))[field.name])
            _check_range(field, value)
            object.__setattr__(self, field.name, value)

    def replace(self: _Self, **changes: Any) -> _Self:
        """A copy with some fields changed, checked again."""
        return type(self).from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, in their order; JSON-ready where the values are."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    @classmethod
    def from_dict(cls: type[_Self], values: Mapping[str, Any]) -> _Self:
        """Build from names and values; an unknown name raises with the nearest known one."""
        known = [field.name for field in _fields(cls)]
        given: dict[str, Any] = {}
        for key, value in values.items():
            name = cls.aliases.get(key, key)
            if name not in known:
                near = difflib.get_close_matches(name, [*known, *cls.aliases], 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                raise ConfigError(f"{cls.__name__}: unknown field {key!r}; {hint}")
            if name in given:
                raise ConfigError(f"{cls.__name__}: {name} is given twice")
            given[name] = value
        return cls(**given)

    @classmethod
    def from_env(
        cls: type[_Self],
        prefix: str = "OPTCORE_",
        environment: Mapping[str, str] | None = None,
        base: _Self | None = None,
    ) -> _Self:
        """Read PREFIX + FIELD in capitals (OPTCORE_SAMPLING_INTERVAL=0.5) over `base`."""
        environment = os.environ if environment is None else environment
        given = {
            field.name: _parsed(prefix + field.name.upper(), text, _types(cls)[field.name])
            for field in _fields(cls)
            if (text := environment.get(prefix + field.name.upper())) is not None
        }
        return base.replace(**given) if base is not None else cls.from_dict(given)

    @classmethod
    def from_file(cls: type[_Self], path: str | Path, table: str | None = None) -> _Self:
        """Read a .toml or .json file: the fields alone, or under the table that is named.

        Raises:
            ConfigError: the file cannot be read or parsed, or a field is unknown or out of range.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text) if path.suffix == ".json" else _toml(text)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:  # TOML, JSON and UTF-8 errors are all ValueErrors
            raise ConfigError(f"{path}: {error}") from error
        if table is not None and isinstance(content, dict):
            if table not in content:
                raise ConfigError(f"{path}: no table [{table}]; there are {', '.join(content)}")
            content = content[table]
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: need a table of fields, got {type(content).__name__}")
        try:
            return cls.from_dict(content)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


def _toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _fields(cls: type[Config]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(typing.cast(Any, cls))


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _types(cls: type[Config]) -> dict[str, Any]:
    return _hints(typing.cast(Any, cls))


def _alternatives(kind: Any) -> tuple[Any, ...]:
    union = typing.get_origin(kind) in (Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """The value in the field's type, or a ConfigError."""
    for one in _alternatives(kind):
        if one is type(None) and value is None:
            return None
        if typing.get_origin(one) is Literal and value in typing.get_args(one):
            return value
        plain = typing.get_origin(one) or one
        if plain is Any:
            return value
        if plain is float and _is_number(value):
            return float(value)
        if plain is int and _is_number(value) and float(value).is_integer():
            return int(value)
        if plain is bool and isinstance(value, bool):
            return value
        if plain in (int, float, bool, type(None), Literal):
            continue
        if plain is Path and isinstance(value, str | os.PathLike):
            return Path(value)
        if plain is tuple and isinstance(value, list | tuple):
            return tuple(value)
        if isinstance(plain, type) and isinstance(value, plain):
            return value
    raise ConfigError(f"{name} must be {_spelled(kind)}, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spelled(kind: Any) -> str:
    names = {float: "a number", int: "a whole number", bool: "True or False", str: "a string"}
    parts = []
    for one in _alternatives(kind):
        if typing.get_origin(one) is Literal:
            parts += [repr(choice) for choice in typing.get_args(one)]
        elif one is type(None):
            parts.append("None")
        else:
            parts.append(names.get(one, getattr(one, "__name__", str(one))))
    return _either(parts)


def _either(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} or {last}" if first else last


def _check_range(field: dataclasses.Field[Any], value: Any) -> None:
    if not _is_number(value):
        return
    low, high = field.metadata.get("low", -math.inf), field.metadata.get("high", math.inf)
    beyond = value <= low if field.metadata.get("open_low") else value < low
    if math.isnan(value) or beyond or value > high:
        opening = "(" if field.metadata.get("open_low") or low == -math.inf else "["
        raise ConfigError(f"{field.name} must lie in {opening}{low:g}, {high:g}], got {value:g}")


def _parsed(name: str, text: str, kind: Any) -> Any:
    """An environment variable in the field's type."""
    options = _alternatives(kind)
    if type(None) in options and text.lower() in {"", "none"}:
        return None
    for one in options:
        origin = typing.get_origin(one) or one
        if one is bool and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        if origin is Literal:
            for choice in typing.get_args(one):
                if str(choice) == text:
                    return choice
        if one in (int, float):
            try:
                return one(text)
            except ValueError:
                continue
        if origin in (list, tuple):
            return [part.strip() for part in text.split(",") if part.strip()]
        if one in (str, Path):
            return text
    raise ConfigError(f"{name} must be {_spelled(kind)}, got {text!r}")
