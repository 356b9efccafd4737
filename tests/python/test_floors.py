"""Includes and imports point downwards only: the floors of the house.

python packages          cli -> run -> loop -> crowd; gp, mpc, belief -> _native
host (library), runtime  cpp/include/optcore/host, cpp/src, cuda/src
pipeline -> gp, mpc, planning -> belief -> linalg -> core        firmware
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEADERS = REPOSITORY / "cpp" / "include" / "optcore"
PACKAGE = REPOSITORY / "python" / "optcore"

FIRMWARE = ("core", "linalg", "gp", "mpc", "belief", "planning", "pipeline")
KERNELS = {"gp", "mpc", "belief"}
MAY_INCLUDE = {
    "core": {"core"},
    "linalg": {"linalg", "core"},
    "gp": {"gp", "linalg", "core"},
    "mpc": {"mpc", "linalg", "core"},
    "belief": {"belief", "linalg", "core"},
    "planning": {"planning", "belief", "linalg", "core"},
    "pipeline": set(FIRMWARE),
    "runtime": {"runtime", "core"},
    "host": {"host", "runtime", *FIRMWARE},
}
# What a bare-metal compiler has without heap, exceptions or an operating system behind it.
FIRMWARE_STANDARD = {
    "algorithm", "array", "bit", "cassert", "cfloat", "climits", "cmath", "concepts", "cstddef",
    "cstdint", "cstring", "initializer_list", "limits", "tuple", "type_traits", "utility",
}  # fmt: skip

WORKBENCH = {
    "profiler", "memory_manager", "caching_system", "scalability_analyzer", "benchmark_framework",
}  # fmt: skip
BASE = {
    "errors", "_config", "_optional", "_files", "_header", "_machine", "_native", "_plain",
    "__version__", "Device",
}  # fmt: skip
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "_config": {"errors"},
    "_optional": {"errors"},
    "_files": {"errors"},
    "_header": {"errors"},
    "_machine": set(),
    "_plain": set(),
    "reference": set(),
    "gp": BASE,
    "mpc": BASE,
    "belief": BASE,
    "crowd": {"errors", "_optional"},
    "loop": {*BASE, *KERNELS, "crowd"},
    "run": {*BASE, *KERNELS, "crowd", "loop", "__version__", "Device", "Status"},
    "service": {*BASE, *KERNELS},
    "export": {*BASE, *KERNELS, "__version__"},
    "learn": {*BASE, *KERNELS, "run"},
    "referee": {*BASE, "crowd", "loop"},
    "algorithm_optimizer": {*BASE, *KERNELS, "loop", "reference"},
    "rollout": BASE,
    "optimization_manager": {
        *BASE,
        "profiler",
        "memory_manager",
        "caching_system",
        "rollout",
    },
    **dict.fromkeys(WORKBENCH, BASE),
}
MAY_IMPORT["scalability_analyzer"] = {*BASE, "benchmark_framework", "distributed", "profiler"}
MAY_IMPORT["distributed"] = {*BASE, "caching_system"}  # its safe frames
MAY_IMPORT["benchmark_framework"] = {*BASE, "profiler"}  # its profile pass


def includes(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', text, re.MULTILINE)


def sources(folder: str, *suffixes: str) -> list[Path]:
    found = [p for p in (REPOSITORY / folder).rglob("*") if p.suffix in suffixes]
    assert found, f"no source under {folder}"
    return sorted(found)


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("header", sorted(HEADERS.rglob("*.hpp")), ids=name_of)
def test_a_header_includes_only_its_own_floor_and_those_below(header: Path) -> None:
    floor = header.relative_to(HEADERS).parts[0]
    allowed = MAY_INCLUDE[floor]
    for name in includes(header):
        if name.startswith("optcore/"):
            assert name.split("/")[1] in allowed, f"{floor} must not know {name}"
            assert (HEADERS.parent / name).is_file(), f"{name} does not exist"
        elif floor in FIRMWARE:
            assert name in FIRMWARE_STANDARD, f"{floor} runs on bare metal: no <{name}>"
        else:
            assert not name.startswith(("cuda", "pybind11", "Python.h")), name


def test_every_header_is_listed_for_installation() -> None:
    listed = (REPOSITORY / "cpp" / "CMakeLists.txt").read_text(encoding="utf-8")
    missing = [
        str(header.relative_to(REPOSITORY / "cpp"))
        for header in HEADERS.rglob("*.hpp")
        if str(header.relative_to(REPOSITORY / "cpp")) not in listed
    ]
    assert not missing, "not in cpp/CMakeLists.txt"


def test_the_library_knows_neither_cuda_nor_python() -> None:
    for path in sources("cpp", ".hpp", ".cpp"):
        for name in includes(path):
            assert not re.match(r"cuda|cublas|cusolver|pybind11|Python\.h|\.\./", name), path


def test_cuda_knows_no_python_and_bindings_know_neither_cuda_nor_private_headers() -> None:
    for path in sources("cuda", ".cu", ".cuh", ".hpp"):
        assert not any(re.match(r"pybind11|Python\.h", name) for name in includes(path)), path
    for path in sources("python/bindings", ".hpp", ".cpp"):
        for name in includes(path):
            assert not re.match(r"cuda|backend\.hpp|parallel\.hpp", name), path


def imported(tree: ast.AST) -> Iterator[str]:
    """Full dotted names that a module imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(
    p
    for p in PACKAGE.rglob("*.py")
    if p.parent != PACKAGE or p.stem in {"errors", "_config", "_machine"}
)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_package_imports_only_what_lies_below(module: Path) -> None:
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    own = parts[0]
    if own == "cli":
        return  # the top floor
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for name in imported(tree):
        top, _, rest = name.partition(".")
        assert top not in {"tests", "benchmarks", "conftest"}, name
        if top == "optcore":
            target = rest.split(".")[0]
            assert target == own or target in MAY_IMPORT[own], f"{own} must not import {name}"
        elif own == "reference":
            known = top in sys.stdlib_module_names or top in {"numpy", "scipy"}
            assert known, f"the reference is plain NumPy and SciPy: no {name}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_package_calls_only_its_own_part_of_the_native_core(module: Path) -> None:
    own = module.relative_to(PACKAGE).parts[0]
    parts = KERNELS | {"loop", "runtime"}
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("_native"):
            foreign = node.attr in parts and own in parts and node.attr != own
            assert not foreign, f"{own} uses _native.{node.attr}"


def test_importing_optcore_loads_numpy_and_the_native_core_alone() -> None:
    heavy = {"scipy", "matplotlib", "sklearn", "redis", "psutil", "diskcache", "torch", "pynvml"}
    code = "import sys, optcore; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(out.stdout.split())
