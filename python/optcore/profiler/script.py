"""Runs a script as `python SCRIPT ARGS` would, under a profiler."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from optcore.profiler import passes
from optcore.profiler.system_profiler import SystemProfiler

__all__ = ["run_script"]


def run_script(profiler: SystemProfiler, script: Path, arguments: Sequence[str]) -> int:
    """The exit code that the script would have; what was measured is in `profiler.last`.

    With ``line_backend="trace"`` the lines of all functions of the script's file are timed.
    """
    code = compile(script.read_bytes(), str(script), "exec")
    module = ModuleType("__main__")
    module.__file__ = str(script)
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    old = sys.argv, sys.path[0], sys.modules["__main__"]
    sys.argv, sys.path[0] = [str(script), *arguments], str(script.resolve().parent)
    sys.modules["__main__"] = module

    trace = passes.open_pass(profiler.config)

    def program() -> None:
        exec(code, module.__dict__)

    def program_by_line() -> None:
        from line_profiler.autoprofile import autoprofile

        assert isinstance(trace, passes.LinePass)
        # autoprofile and the code that it writes call it by these names
        module.__dict__.update(prof=trace.profiler, profile=trace.profiler)
        autoprofile.run(str(script), module.__dict__, prof_mod=[str(script)])

    try:
        if isinstance(trace, passes.LinePass):
            trace.wrap = lambda function: function  # type: ignore[method-assign]
            profiler.run_pass(script.name, trace, program_by_line)
        else:
            profiler.run_pass(script.name, trace, program)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        traceback.print_exception(error)
        return 1
    finally:
        sys.argv, sys.path[0], sys.modules["__main__"] = old
    return 0
