"""`optcore load MODULE:FUNCTION` or a URL: a load test, its scaling law, and what it would take."""

from __future__ import annotations

import argparse
import importlib
import math
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optcore.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_FORMATS = {".html": "html", ".json": "json", ".csv": "csv", ".txt": "text"}
_LADDER = "1,2,4,8,16,32"


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "load",
        help="load a function or a URL and see how it scales",
        description="Closed loops of some numbers of users, or open loops at some rates, in which "
        "latency counts from the time a call was due. Exit code 3: the target was not met.",
    )
    parser.add_argument("target", help="module:function, or an http(s) URL")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--users", metavar="N,...", help=f"closed loops of so many ({_LADDER})")
    how.add_argument("--rate", metavar="R,...", help="open loops of so many calls a second")
    parser.add_argument("--duration", type=float, default=30.0, metavar="S", help="each (30)")
    parser.add_argument("--ramp", type=float, default=1.0, metavar="S", help="before each (1)")
    parser.add_argument("--workers", type=int, metavar="N", help="calls at once under --rate")
    parser.add_argument("--constant", action="store_true", help="equal gaps instead of Poisson's")
    parser.add_argument("--spin", action="store_true", help="exact starts for a core's time")
    parser.add_argument(
        "--executor", choices=("thread", "process", "async", "dask"), default="thread"
    )  # fmt: skip
    parser.add_argument("--scheduler", metavar="ADDRESS",
                        help="of Dask, whose workers make the load")  # fmt: skip
    parser.add_argument("--timeout", type=float, metavar="S")
    parser.add_argument("--usl", action="store_true", help="fail when no scaling law can be fitted")
    parser.add_argument("--target-rate", type=float, metavar="R", help="calls/s to size for")
    parser.add_argument("--target-response", type=float, metavar="S", help="p99 to size for")
    parser.add_argument("--price", action="append", default=[], metavar="NAME=VALUE",
                        help="cpu_hour, gb_hour or gpu_hour; repeat")  # fmt: skip
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="held by an instance (0)")
    parser.add_argument("--hpa", metavar="DEPLOYMENT", help="print a HorizontalPodAutoscaler")
    parser.add_argument("--max-replicas", type=int, default=10, metavar="N")
    parser.add_argument("--locustfile", type=Path, metavar="FILE",
                        help="also write the test of a URL for locust")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="FILE",
                        help=f"report; its ending chooses: {', '.join(_FORMATS)}")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON instead of text")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from optcore._files import replace_file
    from optcore.scalability_analyzer import ScalabilityAnalyzer, ScalabilityConfig

    if options.output is not None and options.output.suffix not in _FORMATS:
        raise ConfigError(f"{options.output}: the name must end in one of {', '.join(_FORMATS)}")
    changes: dict[str, Any] = {"max_replicas": options.max_replicas}
    if options.target_rate is not None:
        changes["target_throughput"] = options.target_rate
    if options.target_response is not None:
        changes["max_response_time"] = options.target_response
    if options.scheduler is not None and options.executor != "dask":
        raise ConfigError("--scheduler belongs to --executor dask")
    config = ScalabilityConfig(
        enable_auto_scaling=options.hpa is not None,
        enable_distributed_testing=options.executor == "dask",
        scheduler=options.scheduler,
        prices=_prices(options.price),
        gpus_per_replica=options.gpus,
        **changes,
    )
    url = options.target.startswith(("http://", "https://"))
    told = None if options.quiet or not sys.stderr.isatty() else _tell
    analyzer = ScalabilityAnalyzer(config, progress=told)
    scenarios = _scenarios(options)
    if options.locustfile is not None:
        from optcore.scalability_analyzer.locust import locustfile
        from optcore.scalability_analyzer.target import Endpoint

        if not url:
            raise ConfigError("--locustfile needs a URL")
        text = locustfile(Endpoint(options.target))
        replace_file(options.locustfile, lambda file: file.write(text.encode()))
    result = analyzer.run_comprehensive_analysis(
        None if url else _function(options.target),
        scenarios,
        endpoints=[options.target] if url else None,
    )
    if options.output is not None:
        page = analyzer.generate_scaling_report(result, _FORMATS[options.output.suffix])
        replace_file(options.output, lambda file: file.write(page.encode()))
    found = result.targets[0]
    if options.hpa is not None:
        if found.advice is None:
            raise ConfigError("no call was answered: there is nothing to recommend")
        print(found.advice.to_yaml(options.hpa), end="")
    else:
        print(
            analyzer.generate_scaling_report(result, "json" if options.json else "text"), end=""
        )  # fmt: skip
    if options.usl and found.usl is None:
        raise ConfigError(found.usl_reason)
    asked = options.target_rate is not None or options.target_response is not None
    missed = found.sizing is None or found.sizing.replicas is None
    return 3 if asked and missed else 0


def _tell(line: str) -> None:
    print(f"optcore: {line}", file=sys.stderr, flush=True)


def _scenarios(options: argparse.Namespace) -> list[dict[str, Any]]:
    common: dict[str, Any] = {
        "duration": options.duration, "ramp_up": options.ramp, "executor": options.executor,
    }  # fmt: skip
    if options.timeout is not None:
        common["timeout"] = options.timeout
    if options.rate is None:
        if options.workers is not None or options.constant or options.spin:
            raise ConfigError("--workers, --constant and --spin belong to --rate")
        users = options.users or _LADDER
        return [{"concurrent_users": int(n), **common} for n in _numbers("--users", users, True)]
    common |= {"arrival": "constant" if options.constant else "poisson", "spin": options.spin}
    if options.workers is not None:
        common["concurrent_users"] = options.workers
    return [{"arrival_rate": n, **common} for n in _numbers("--rate", options.rate, False)]


def _numbers(option: str, text: str, whole: bool) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option}: need numbers with commas between, got {text!r}") from None
    if not all(math.isfinite(n) for n in numbers):
        raise ConfigError(f"{option}: need finite numbers, got {text!r}")
    if whole and any(n != int(n) for n in numbers):
        raise ConfigError(f"{option}: need whole numbers, got {text!r}")
    return numbers


def _prices(given: list[str]) -> dict[str, float] | None:
    prices = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            prices[name] = float(value)
        except ValueError:
            raise ConfigError(f"--price: need NAME=NUMBER, got {item!r}") from None
    return prices or None


def _function(name: str) -> Callable[..., Any]:
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise ConfigError(f"target: need module:function or a URL, got {name!r}")
    sys.path.insert(0, "")  # as python -m does
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{name}: {error}") from None
    try:
        found = operator.attrgetter(path)(found)
    except AttributeError:
        raise ConfigError(f"{name}: {module_name} has no {path}") from None
    if not callable(found):
        raise ConfigError(f"{name}: not a function but {type(found).__name__}")
    function: Callable[..., Any] = found
    return function
