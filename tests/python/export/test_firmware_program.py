"""The generated program compiled as it lies there, on this machine and on microcontrollers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import Absent, microcontroller
from optcore.errors import ConfigError, ShapeError
from optcore.export import export_firmware, include_dir
from optcore.gp import RBF, GaussianProcess
from optcore.mpc import OcpQp

STRICT = [
    "-std=c++20", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror",
    "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-math-errno",
]  # fmt: skip


def robot() -> dict[str, Any]:
    """A cart in the plane whose friction a GP knows, among people with three intents."""
    dt = 0.1
    A = np.block([[np.eye(2), dt * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    B = np.vstack([dt**2 / 2 * np.eye(2), dt * np.eye(2)])
    rng = np.random.default_rng(5)
    X = rng.uniform(-1, 1, (24, 2))
    gp = GaussianProcess(RBF((0.8, 0.6), 0.05), noise=1e-4).fit(X, -0.2 * np.tanh(2 * X))
    return {
        "problem": OcpQp(
            A=A, B=B, Q=np.diag([4.0, 4, 1, 1]), R=0.2 * np.eye(2), N=8, lbu=[-1, -1], ubu=[1, 1],
            lbx=[-5, -5, -1.5, -1.5], ubx=[5, 5, 1.5, 1.5],
        ),
        "disturbance": np.vstack([np.zeros((2, 2)), dt * np.eye(2)]),
        "gp": gp,
        "transition": 0.9 * np.eye(3) + 0.1 / 3,
    }  # fmt: skip


def built(folder: Path, compiler: str, *flags: str) -> Path:
    program = folder / "self_test.elf"
    sources = [str(folder / name) for name in ("optcore_step.cpp", "self_test.cpp")]
    command = [compiler, *STRICT, f"-I{folder}", f"-I{folder}/include", *sources, *flags]
    done = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("scalar", ["float", "double"])
def test_answers_as_the_host(scalar: str, tmp_path: Path, cxx: str) -> None:
    report = export_firmware(tmp_path, **robot(), scalar=scalar)
    assert subprocess.run([built(tmp_path, cxx)]).returncode == 0
    assert set(report.tables) == {"controller", "model", "belief"}
    assert json.loads((tmp_path / "report.json").read_text())["tables"] == report.tables
    # the self-test can fail: a planted error of 1e-4 in what is expected
    test = tmp_path / "self_test.cpp"
    text = test.read_text()
    begin = text.index("mean[16] = {") + len("mean[16] = {")
    end = text.index(",", begin)
    wrong = float(text[begin:end].strip().rstrip("f")) + 1e-4
    suffix = "f" if scalar == "float" else ""
    test.write_text(text[:begin] + f"{wrong:.9e}{suffix}" + text[end:])
    assert subprocess.run([built(tmp_path, cxx)]).returncode == 1


@pytest.mark.parametrize("part", ["problem", "gp", "transition"])
def test_each_part_alone(part: str, tmp_path: Path, cxx: str) -> None:
    export_firmware(tmp_path, **{part: robot()[part]})
    assert subprocess.run([built(tmp_path, cxx)]).returncode == 0


@pytest.mark.parametrize("name", microcontroller.BOARDS)
def test_runs_on_a_microcontroller(name: str, tmp_path: Path) -> None:
    board = microcontroller.BOARDS[name]
    export_firmware(tmp_path, **robot())
    try:
        program = microcontroller.build(
            board, tmp_path, ["optcore_step.cpp", "self_test.cpp"], ["-O2", "-I.", "-Iinclude"]
        )
        assert microcontroller.run(board, program)[0] == 0
    except Absent as missing:
        pytest.skip(f"the boards are emulated: {missing}")
    symbols = subprocess.run(
        ["arm-none-eabi-nm", "--defined-only", str(program)], capture_output=True, text=True
    ).stdout
    assert "_Znwj" not in symbols  # operator new


def test_a_c_program_can_call_it(tmp_path: Path, cxx: str) -> None:
    export_firmware(tmp_path, problem=robot()["problem"])
    (tmp_path / "main.c").write_text(
        '#include "optcore_step.h"\n'
        "int main(void) {\n"
        "  optcore_input in = {{0}};\n  optcore_output out;\n"
        "  if (optcore_step(&in, &out) != -12) return 1;\n"
        "  if (optcore_init() != 0 || optcore_workspace() == 0) return 2;\n"
        "  in.x[0] = 1;\n"
        "  if (optcore_step(&in, &out) != 0 || !(out.u[0] < 0)) return 3;\n"
        "  in.x[0] = 0.0f / (in.x[1]);\n"
        "  return optcore_step(&in, &out) == -3 && out.u[0] < 0 ? 0 : 4;\n}\n"
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-c"]
    subprocess.run([cxx, "-x", "c", *flags, "main.c", "-o", "main.o"], cwd=tmp_path, check=True)
    subprocess.run(
        [cxx, *STRICT, "-I.", "-Iinclude", "optcore_step.cpp", "main.o", "-o", "main"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_the_real_quadrotor_in_single_precision(data_dir: Path, tmp_path: Path, cxx: str) -> None:
    """Cost gap of the plan below 1e-3 of the reference on all three instances."""
    data = np.load(data_dir / "mpc" / "firmware_quadrotor_12_4_10.npz")
    arrays = {name: data[name] for name in ("A", "B", "b", "Q", "R", "q", "r", "lbu", "ubu")}
    from optcore.mpc import export_header

    main = ['#include <cstdio>\n#include "optcore/mpc/condensed.hpp"\n']
    calls = []
    for name in ("", "_state", "_mild"):
        problem = OcpQp(**arrays, lbx=data["lbx" + name], ubx=data["ubx" + name])
        export_header(problem, tmp_path / f"c{name}.hpp", name="c" + name)
        main.append(f'#include "c{name}.hpp"\n')
        x0 = ", ".join(f"{v:.9e}f" for v in data["x0" + name])
        calls.append(f"  {{ const float x0[] = {{{x0}}}; solve(c{name}::tables, x0); }}\n")
    main.append(
        "alignas(64) static unsigned char memory[20000];\n"
        "static void solve(const optcore::CondensedTables<float>& t, const float* x0) {\n"
        "  optcore::mpc::CondensedController<float> mpc;\n"
        "  optcore::Arena arena(memory, sizeof memory);\n"
        "  mpc.attach(arena, t);\n"
        "  std::printf(\"%d\", int(mpc.solve(x0).status));\n"
        "  for (int i = 0; i < 40; ++i) std::printf(\" %.9g\", double(mpc.value(i)));\n"
        "  std::puts(\"\");\n}\n"
    )  # fmt: skip
    (tmp_path / "main.cpp").write_text("".join(main) + "int main() {\n" + "".join(calls) + "}\n")
    flags = ["-std=c++20", "-O2", f"-I{include_dir()}"]
    subprocess.run([cxx, *flags, "main.cpp", "-o", "main"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    for name, line in zip(("", "_state", "_mild"), out.splitlines(), strict=True):
        status, *values = line.split()
        assert status == "0"
        u = np.array(values, float).reshape(10, 4)
        x, cost = data["x0" + name], 0.0
        for k in range(10):
            cost += 0.5 * (x @ data["Q"][k] @ x * (k > 0) + u[k] @ data["R"][k] @ u[k])
            cost += (data["q"][k] @ x) * (k > 0) + data["r"][k] @ u[k]
            x = data["A"][k] @ x + data["B"][k] @ u[k] + data["b"][k]
            assert (x >= data["lbx" + name][k + 1] - 1e-4).all()
            assert (x <= data["ubx" + name][k + 1] + 1e-4).all()
        cost += 0.5 * x @ data["Q"][10] @ x + data["q"][10] @ x
        first = data["x0" + name]
        reference = float(data["obj" + name])
        stage0 = 0.5 * first @ data["Q"][0] @ first + data["q"][0] @ first
        gap = min(abs(cost - reference), abs(cost + stage0 - reference))
        assert gap < 1e-3 * abs(reference)


def test_from_files_on_the_command_line(tmp_path: Path, cxx: str) -> None:
    parts = robot()
    parts["gp"].save(tmp_path / "gp.npz")
    a = parts["problem"].arrays
    keys = ("A", "B", "Q", "R", "lbx", "ubx", "lbu", "ubu")
    np.savez(tmp_path / "mpc.npz", **{k: a[k] for k in keys}, E=parts["disturbance"])
    np.savez(tmp_path / "belief.npz", transition=parts["transition"])
    command = ["optcore", "export", "gp.npz", "mpc.npz", "belief.npz", "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "controller" in done.stdout
    assert subprocess.run([built(tmp_path / "out", cxx)]).returncode == 0
    done = subprocess.run(
        [*command[:2], "gp.npz", "gp.npz", "-o", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "a second gp" in done.stderr


def test_bad_calls_are_named(tmp_path: Path) -> None:
    parts = robot()
    with pytest.raises(ConfigError, match="nothing to export"):
        export_firmware(tmp_path)
    with pytest.raises(ConfigError, match="disturbance: only with"):
        export_firmware(tmp_path, problem=parts["problem"], disturbance=np.ones((4, 2)))
    with pytest.raises(ShapeError, match=r"disturbance must be \(4, 2\)"):
        export_firmware(tmp_path, **{**parts, "disturbance": np.ones((4, 1))})
    with pytest.raises(ConfigError, match="scalar"):
        export_firmware(tmp_path, **parts, scalar="half")
    assert not list(tmp_path.iterdir())
