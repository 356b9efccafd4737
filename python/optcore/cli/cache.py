"""`optcore cache stats|clear|verify DIR`: look into a cache folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("cache", help="inspect, clear or verify a cache folder")
    parser.add_argument("action", choices=("stats", "clear", "verify"))
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from optcore.caching_system.config import CacheConfig
    from optcore.caching_system.disk_tier import DiskTier

    folder: Path = arguments.directory
    if not (folder / "cache.db").is_file():
        raise ConfigError(f"{folder}: not a cache folder (it has no cache.db)")
    tier = DiskTier(folder, int(CacheConfig().max_disk_mb * 2**20))
    try:
        if not tier.enabled:
            raise ConfigError(f"{folder}: the cache cannot be opened")
        if arguments.action == "clear":
            tier.clear()
        elif arguments.action == "verify":
            whole, damaged = tier.verify()
            print(f"{whole} whole, {damaged} damaged and removed")
            return 1 if damaged else 0
        print(f"{tier.keys()} entries, {tier.bytes() / 2**20:.1f} MB")
        return 0
    finally:
        tier.close()
