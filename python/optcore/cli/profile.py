"""`optcore profile SCRIPT ARGS`: run a program, or look into a running one, and write a report."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optcore.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from optcore.profiler import ProfilerConfig

__all__ = ["add_parser"]

_FORMATS = {".html": "html", ".json": "json", ".csv": "csv", ".txt": "text",
            ".speedscope": "speedscope", ".collapsed": "collapsed"}  # fmt: skip


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "profile",
        help="where the time of a Python program goes",
        description="Runs a script under the sampling profiler. The ending of the output file "
        f"chooses its format: {', '.join(_FORMATS)}.",
    )
    parser.add_argument("--lines", action="store_true", help="exact lines of the script (slows it)")
    parser.add_argument("--memory", action="store_true", help="allocations by line (slows it)")
    parser.add_argument("--gpu", action="store_true", help="fail when the GPU cannot be measured")
    parser.add_argument("--attach", type=int, metavar="PID", help="a running process, by py-spy")
    parser.add_argument("--duration", type=float, default=10.0, metavar="S", help="with --attach")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="report; text if absent")
    parser.add_argument(
        "--interval", type=float, default=10.0, metavar="MS", help="between stack samples (10)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("script", nargs="?", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    format = _format(options.output)
    if options.attach is not None:
        return _attach(options, format)
    if options.script is None:
        raise ConfigError("profile: need a script, or --attach PID")
    if not options.script.is_file():
        raise ConfigError(f"{options.script}: no such file")
    from optcore._files import replace_file
    from optcore.profiler import SystemProfiler
    from optcore.profiler.script import run_script

    profiler = SystemProfiler(_config(options), None if options.quiet else _progress())
    code = run_script(profiler, options.script, options.arguments)
    text = profiler.generate_report(profiler.last, format)
    if options.output is None:
        print(text, file=sys.stderr)
    else:
        replace_file(options.output, lambda file: file.write(text.encode()))
    return code


def _config(options: argparse.Namespace) -> ProfilerConfig:
    from optcore.profiler import ProfilerConfig
    from optcore.profiler.collectors import Gpu

    if options.lines and options.memory:
        raise ConfigError("profile: --lines and --memory slow each other; run one after the other")
    if options.gpu and (reason := Gpu().reason):
        raise ConfigError(reason)
    changes: dict[str, Any] = {
        "enable_gpu_profiling": options.gpu,
        "line_interval": options.interval * 1e-3,
    }
    if options.lines:
        changes["line_backend"] = "trace"
    if options.memory:
        changes["memory_backend"] = "tracemalloc"
    return ProfilerConfig(**changes)


def _format(output: Path | None) -> str:
    if output is None:
        return "text"
    if output.name.endswith(".speedscope.json"):
        return "speedscope"
    if output.suffix not in _FORMATS:
        raise ConfigError(f"{output}: the name must end in one of {', '.join(_FORMATS)}")
    return _FORMATS[output.suffix]


def _progress() -> Any:
    if not sys.stderr.isatty():
        return None
    return lambda now: print(f"\r\033[Kprofiling, {now:.0f} s", end="", file=sys.stderr, flush=True)


def _attach(options: argparse.Namespace, format: str) -> int:
    """Have py-spy look into another process: its busy threads, without touching it."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise MissingDependency("--attach needs py-spy: pip install py-spy")
    from optcore._files import replace_file
    from optcore.profiler.attached import from_speedscope
    from optcore.profiler.report import render

    with tempfile.TemporaryDirectory(prefix="optcore-attach-") as folder:
        file = Path(folder) / "stacks.json"
        command = [spy, "record", "--pid", str(options.attach), "--format", "speedscope"]
        command += ["--threads", "--output", str(file)]
        command += ["--duration", f"{max(options.duration, 1):.0f}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not file.exists():
            said = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
            raise ConfigError(f"process {options.attach}: {said[0] if said else 'py-spy failed'}")
        data = from_speedscope(f"process {options.attach}", file.read_text(encoding="utf-8"))
    text = render([data], {}, format)
    if options.output is None:
        print(text)
    else:
        replace_file(options.output, lambda out: out.write(text.encode()))
    return 0
