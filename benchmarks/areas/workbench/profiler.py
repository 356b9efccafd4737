"""What a profile costs the program: a decorated call, and a whole program while it is sampled."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness import Absent, Case, Probe, Trial, agree

__all__ = ["cases"]

Function = Callable[[int], int]


def plain(x: int) -> int:
    """The function that is decorated."""
    return x + 1


def over_plain_call(decorated: Function) -> Probe:
    """What the decoration adds: blocks of decorated and of plain calls in turns, ns a call."""

    def block(function: Function, calls: int) -> float:
        turns = range(calls)
        start = time.perf_counter_ns()
        for i in turns:
            function(i)
        return (time.perf_counter_ns() - start) / calls

    def sample(count: int, calls: int = 5000) -> list[float]:
        block(decorated, calls)
        return [block(decorated, calls) - block(plain, calls) for _ in range(count)]

    return Probe(sample, lambda: decorated(41))


def python_wrapper(function: Function, state: dict[str, Any]) -> Function:
    """The decorator one writes by hand."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not state["on"]:
            return function(*args, **kwargs)
        start = time.perf_counter_ns()
        try:
            return function(*args, **kwargs)
        finally:
            state["record"](time.perf_counter_ns() - start)

    return wrapper


def decorator(trial: Trial, on: bool) -> None:
    """A call through the profiler's decorator, switched on or off."""

    @trial.contestant("optcore")
    def _() -> Probe:
        from optcore.profiler import SystemProfiler

        profiler = SystemProfiler()
        decorated = profiler.profile_decorator("plain")(plain)
        profiler.enabled = on
        return over_plain_call(decorated)

    @trial.contestant("python-wrapper")
    def _() -> Probe:
        total = [0, 0]

        def record(elapsed: int) -> None:
            total[0] += 1
            total[1] += elapsed

        return over_plain_call(python_wrapper(plain, {"on": on, "record": record}))

    if on:

        @trial.contestant("hdrhistogram")
        def _() -> Probe:
            from hdrh.histogram import HdrHistogram

            histogram = HdrHistogram(1, 3_600_000_000_000, 3)
            state = {"on": True, "record": histogram.record_value}
            return over_plain_call(python_wrapper(plain, state))

        @trial.contestant("prometheus-client")
        def _() -> Probe:
            from prometheus_client import CollectorRegistry
            from prometheus_client import Histogram as PrometheusHistogram

            histogram = PrometheusHistogram("plain", "calls", registry=CollectorRegistry())
            return over_plain_call(histogram.time()(plain))

    trial.check(lambda answers: {"result": agree(answers, rtol=0)})


PROGRAM = Path(__file__).with_name("sampled_program.py")
_ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _own_time(command: Sequence[str]) -> float:
    """Seconds that the program says its work took, run by `command`."""
    with tempfile.TemporaryDirectory() as folder:  # whatever the profiler leaves behind
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=_ONE_THREAD
        )
    took = re.search(r"took ([0-9.]+)", done.stdout)
    if took is None:
        raise RuntimeError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
    return float(took[1])


def sampled(trial: Trial, work: str) -> None:
    """A whole program under a profiler, in turns with the program alone; the work times itself."""
    python, program = sys.executable, [str(PROGRAM), work]
    scripts = Path(python).parent
    peers = {
        "py-spy": [str(scripts / "py-spy"), "record", "-o", "out.svg", "--", python, *program],
        "pyinstrument": [python, "-m", "pyinstrument", "-o", "out.txt", *program],
        "scalene": [python, "-m", "scalene", "run", "--cpu-only", "-o", "out.json", *program],
        "line_profiler": [python, "-m", "kernprof", "-q", "-l", "-p", str(PROGRAM), *program],
    }

    def contestant(name: str, command: list[str]) -> None:
        @trial.contestant(name)
        def _() -> Probe:
            try:
                _own_time(command)
            except (RuntimeError, OSError) as failure:
                raise Absent(f"does not run here ({failure})") from failure

            def sample(count: int) -> list[float]:
                added = []
                for _ in range(count):
                    alone, profiled = _own_time([python, *program]), _own_time(command)
                    added.append(1e3 * (profiled / alone - 1))
                return added

            return Probe(sample)

    contestant("optcore", [python, "-m", "optcore", "profile", "-o", "out.html", *program])
    for name, command in peers.items():
        contestant(name, command)


def cases() -> list[Case]:
    return [
        *(
            Case(
                f"workbench/sampling_{work}",
                partial(sampled, work=work),
                "ms",
                "added to a second of work",
                samples=9,
                seconds=60,
            )
            for work in ("loop", "gp_step")
        ),
        Case("workbench/decorator_off", partial(decorator, on=False), "ns", "over a plain call"),
        Case("workbench/decorator_on", partial(decorator, on=True), "ns", "over a plain call"),
    ]
