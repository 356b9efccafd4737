"""`optcore serve MODEL.npz`: predictions, belief updates and MPC solves over HTTP."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="answer predictions, belief updates and MPC solves over HTTP",
        description="POST /v1/gp/predict, /v1/belief/update, /v1/mpc/solve; GET /health, /metrics. "
        "Listens on loopback; any other address needs --token-file.",
    )
    parser.add_argument("model", type=Path, help="a saved Gaussian process (.npz)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: one that is free (8000)")
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="its first line is what Authorization: Bearer must carry")  # fmt: skip
    parser.add_argument("--max-body", type=int, metavar="BYTES", help="of a request (1 MiB)")
    parser.add_argument("--max-rate", type=float, metavar="R", help="requests/s of an address")
    parser.add_argument("--timeout", type=float, metavar="S", help="of a request (5)")
    parser.add_argument("--batch-window", type=float, metavar="MS", help="wait for company (0)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from optcore.service import ServiceConfig, load_model, serve

    changes: dict[str, Any] = {
        "max_body_bytes": options.max_body,
        "max_rate": options.max_rate,
        "request_timeout": options.timeout,
        "batch_window": None if options.batch_window is None else options.batch_window * 1e-3,
        "token": None if options.token_file is None else _token(options.token_file),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    config = ServiceConfig(host=options.host, port=options.port, **given)
    model = load_model(options.model)
    serve(model, config, ready=lambda url: print(f"optcore: serving {options.model} on {url}",
                                                 flush=True))  # fmt: skip
    return 0


def _token(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if not lines or not lines[0].strip():
        raise ConfigError(f"{path}: need the token in the first line")
    return lines[0].strip()
