"""Entry point of the `optcore` command."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence

from optcore import __version__
from optcore.cli import (
    bench,
    cache,
    doctor,
    evaluate,
    export,
    learn,
    load,
    profile,
    report,
    run,
    serve,
)
from optcore.errors import OptcoreError

__all__ = ["main"]

_COMMANDS = (run, evaluate, learn, profile, bench, report, load, serve, export, cache, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 ok, 2 bad usage or bad input)."""
    parser = argparse.ArgumentParser(
        prog="optcore", description="Real-time inference and control for robots among people."
    )
    parser.add_argument("--version", action="version", version=f"optcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except OptcoreError as error:
        print(f"optcore: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("optcore: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        return 141  # as a shell says of SIGPIPE


def _reader_has_gone() -> bool:
    """Of the standard output (`optcore doctor | head -1`); what is left of it is then dropped."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    gone = any(event & select.POLLERR for _, event in poll.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone
