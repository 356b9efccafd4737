"""Measures benchmarks of another source tree: run as a script there, spoken to in lines of JSON.

    python worker.py TIMING.py < {"load": "path/or/module:function"} ... > {"names": [...]} ...

Standard library alone, besides the timing file that the parent names: the tree may have another
optcore, or none.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["find_benchmarks"]

_PREFIX = "bench_"


def find_benchmarks(target: str) -> dict[str, Any]:
    """Functions of "FILE.py", "FILE.py:function", "module" or "module:function", by name.

    Without a function, all whose name begins with bench_ and that need no argument.
    """
    place, _, wanted = target.partition(":")
    module = _file_module(place) if place.endswith(".py") else importlib.import_module(place)
    if wanted:
        function: Any = module
        for part in wanted.split("."):
            function = getattr(function, part)
        return {f"{place}:{wanted}": function}
    return {
        f"{place}:{name}": function
        for name, function in vars(module).items()
        if name.startswith(_PREFIX) and callable(function) and _needs_nothing(function)
    }


def _file_module(place: str) -> ModuleType:
    path = Path(place).resolve()
    name = f"optcore_bench_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{place}: no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def _needs_nothing(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


class _Worker:
    def __init__(self, timing: ModuleType) -> None:
        self._timing = timing
        self._found: dict[str, Any] = {}
        self._samplers: dict[str, Any] = {}

    def load(self, target: str) -> dict[str, Any]:
        self._found = find_benchmarks(target)
        return {"names": list(self._found)}

    def warm(self, name: str, least: int, inner: int | None = None) -> dict[str, Any]:
        sampler = self._timing.Sampler(self._found[name], inner=inner)
        with self._timing.quiet_collector():
            sampler.look()
            sampler.warm_up(least, 10 * least)
        self._samplers[name] = sampler
        return {"inner": sampler.samples.inner}

    def sample(self, name: str, count: int) -> dict[str, Any]:
        sampler = self._samplers[name]
        before = len(sampler.samples.seconds)
        with self._timing.quiet_collector():
            sampler.take(count)
        s = sampler.samples
        return {
            "seconds": s.seconds[before:],
            "errors": s.errors,
            "first_error": s.first_error,
            "nonfinite": s.nonfinite,
        }


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a benchmark prints must not stand among the answers
    spec = importlib.util.spec_from_file_location("optcore_bench_timing", sys.argv[1])
    assert spec is not None
    assert spec.loader is not None
    timing = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = timing  # dataclasses look there
    spec.loader.exec_module(timing)
    worker = _Worker(timing)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = getattr(worker, request.pop("do"))(**request)
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    sys.path[0] = ""  # this folder has names of the standard library
    _serve()
