"""Whether a function's code lets its result depend on its arguments alone."""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Purity", "purity_of"]

_PURE_MODULES = {"math", "cmath", "numpy", "scipy", "operator", "functools", "itertools",
                 "statistics", "fractions", "decimal", "optcore"}  # fmt: skip
_IMPURE_NAMES = {
    "random", "default_rng", "seed", "shuffle", "load", "save", "savez", "loadtxt", "savetxt",
    "fromfile", "tofile", "memmap", "now", "today", "urandom", "environ", "getenv", "read", "write",
    "send", "recv", "put", "get_nowait", "sleep", "acquire", "perf_counter", "monotonic",
}  # fmt: skip
_IMPURE_BUILTINS = {"print", "open", "input", "exec", "eval", "id", "globals", "locals", "vars",
                    "setattr", "delattr", "__import__", "breakpoint"}  # fmt: skip
_CONSTANTS = (int, float, complex, str, bytes, bool, type(None))
_DEPTH = 4


@dataclass(frozen=True)
class Purity:
    """`pure`: nothing else is read or changed; a global number or text counts as a constant.
    `unknown`: something is called or read whose code or content says nothing. `impure`: something
    else is certainly read or changed."""

    verdict: Literal["pure", "unknown", "impure"]
    reasons: tuple[str, ...] = ()


def purity_of(function: Callable[..., Any]) -> Purity:
    """Judge by byte code and by the globals it names; nothing is run."""
    found = list(_findings(function, _DEPTH, set()))
    for verdict in ("impure", "unknown"):
        if reasons := tuple(dict.fromkeys(why for kind, why in found if kind == verdict)):
            return Purity(verdict, reasons)
    return Purity("pure")


Finding = tuple[str, str]


def _findings(function: Any, depth: int, seen: set[int]) -> Iterator[Finding]:
    function = getattr(function, "__func__", function)
    if id(function) in seen:
        return
    seen.add(id(function))
    code = getattr(function, "__code__", None)
    if code is None:
        yield from _of_value("it", function, depth, seen)
        return
    if depth == 0:
        yield "unknown", f"calls nest too deep at {function.__qualname__}"
        return
    if code.co_flags & 0x2A0:  # generator, coroutine, asynchronous generator
        yield "impure", "it is a generator or coroutine"
    names = {**vars(builtins), **function.__globals__}
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
    for one in _nested(code):
        yield from _of_code(one, names, cells, depth, seen)


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


def _of_code(
    code: types.CodeType, names: dict[str, Any], cells: dict[str, Any], depth: int, seen: set[int]
) -> Iterator[Finding]:
    for step in dis.get_instructions(code):
        name = step.argval
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield "impure", f"it sets the global {name}"
        elif step.opname in ("STORE_DEREF", "DELETE_DEREF") and name in cells:
            yield "impure", f"it sets {name} of an outer function"
        elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
            yield "impure", f"it sets the attribute {name}"
        elif step.opname == "IMPORT_NAME":
            if name.split(".")[0] not in _PURE_MODULES:
                yield "unknown", f"it imports {name}"
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and name in _IMPURE_NAMES:
            yield "impure", f"it uses .{name}"
        elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            if name not in names:
                yield "unknown", f"the global {name} is not defined"
            else:
                yield from _of_value(name, names[name], depth, seen)
        elif step.opname == "LOAD_DEREF" and name in cells:
            try:
                value = cells[name].cell_contents
            except ValueError:  # not filled yet: the function itself, when it recurs
                continue
            yield from _of_value(name, value, depth, seen)


def _of_value(name: str, value: Any, depth: int, seen: set[int]) -> Iterator[Finding]:
    """What reading or calling a name may mean."""
    if isinstance(value, types.ModuleType):
        if value.__name__.split(".")[0] not in _PURE_MODULES:
            yield "unknown", f"it uses the module {value.__name__}"
    elif isinstance(value, types.FunctionType):
        if str(value.__module__).split(".")[0] not in _PURE_MODULES:
            yield from _findings(value, depth - 1, seen)
    elif isinstance(value, types.BuiltinFunctionType) or type(value).__name__ == "ufunc":
        module = str(getattr(value, "__module__", None) or "builtins").split(".")[0]
        if name in _IMPURE_NAMES | _IMPURE_BUILTINS:
            yield "impure", f"it calls {name}()"
        elif module not in _PURE_MODULES | {"builtins", "_operator", "_functools"}:
            yield "unknown", f"it calls {name} of {module}"
    elif isinstance(value, type):
        if str(value.__module__).split(".")[0] not in _PURE_MODULES | {"builtins"}:
            yield "unknown", f"it uses the class {name}"
    elif not _is_constant(value):
        yield "unknown", f"it reads {name}, which may change"


def _is_constant(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_is_constant(one) for one in value)
    return isinstance(value, _CONSTANTS)
