"""Where the C++ headers lie, and the ones that a program needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from optcore.errors import ConfigError

__all__ = ["include_dir", "needed"]

_INCLUDE = re.compile(r'^\s*#\s*include\s+"(optcore/[^"]+)"', re.MULTILINE)


def include_dir() -> Path:
    """Folder to give to a compiler as -I: of the installed package, or of the source tree.

    Raises:
        ConfigError: this installation came without headers.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "include", package.parents[1] / "cpp" / "include"):
        if (folder / "optcore" / "core" / "config.hpp").is_file():
            return folder
    raise ConfigError(f"no C++ headers beside {package}: reinstall optcore")


def needed(roots: Iterable[str]) -> list[str]:
    """Headers reached from `roots`, both as written in #include, sorted."""
    folder, found, open_ = include_dir(), set[str](), list(roots)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += _INCLUDE.findall((folder / name).read_text())
    return sorted(found)
