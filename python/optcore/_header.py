"""C++ headers of constant tables, as firmware takes them in."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError

__all__ = ["PADDING", "SCALARS", "array_lines", "check_name", "check_scalar", "number", "padded"]

PADDING = 16
"""Lanes of the widest register (floats on AVX-512): rows are padded to a multiple of it."""

SCALARS: Mapping[str, tuple[type[np.floating], str, str]] = {
    "float": (np.float32, ".9e", "f"),
    "double": (np.float64, ".17e", ""),
}
"""NumPy's type, format and suffix of a literal."""


def padded(n: int) -> int:
    return -(-n // PADDING) * PADDING


_RESERVED = re.compile(
    "alignas|alignof|and|asm|auto|bitand|bitor|bool|break|case|catch|char|class|compl|concept|const|"
    "consteval|constexpr|constinit|continue|co_await|co_return|co_yield|decltype|default|delete|do|"
    "double|else|enum|explicit|export|extern|false|float|for|friend|goto|if|inline|int|long|mutable|"
    "namespace|new|noexcept|not|nullptr|operator|optcore|or|private|protected|public|register|"
    "requires|return|short|signed|sizeof|static|std|struct|switch|template|this|thread_local|throw|"
    "true|try|typedef|typeid|typename|union|unsigned|using|virtual|void|volatile|wchar_t|while|xor"
)


def check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or _RESERVED.fullmatch(name):
        raise ConfigError(f"name: need a C++ identifier that is free, got {name!r}")


def check_scalar(scalar: str) -> None:
    if scalar not in SCALARS:
        raise ConfigError(f"scalar: need one of {sorted(SCALARS)}, got {scalar!r}")


def number(value: float, scalar: str) -> str:
    """A literal that reads back as the same number of that type.

    Raises:
        ConfigError: NaN, or finite and beyond the type.
    """
    dtype, style, suffix = SCALARS[scalar]
    if np.isinf(value):
        return ("-" if value < 0 else "") + f"optcore::infinity<{scalar}>()"
    with np.errstate(over="ignore"):
        rounded = dtype(value)
    if not np.isfinite(rounded):
        raise ConfigError(
            f"{value:g} cannot be a constant of type {scalar}; scale it, or use double"
        )
    return f"{rounded:{style}}{suffix}"


def array_lines(name: str, values: NDArray[np.float64], scalar: str) -> list[str]:
    """The definition of a constant array, row by row of `values`."""
    flat = np.ravel(values)
    lines = [f"alignas(64) inline constexpr {scalar} {name}[{flat.size}] = {{"]
    rows = (flat[i : i + 6] for i in range(0, flat.size, 6))
    lines += ["    " + ", ".join(number(v, scalar) for v in row) + "," for row in rows]
    return [*lines, "};"]
