"""The generated program compiled as it lies there, on this machine and on microcontrollers."""

from __future__ import annotations

import json
import subprocess
import sys
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
    X = rng.uniform(-1, 1, (26, 2))
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


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("scalar", ["float", "double"])
def test_answers_as_the_host(scalar: str, compact: bool, tmp_path: Path, cxx: str) -> None:
    report = export_firmware(tmp_path, **robot(), scalar=scalar, compact=compact)
    assert subprocess.run([built(tmp_path, cxx)]).returncode == 0
    assert set(report.tables) == {"controller", "model", "belief"}
    assert json.loads((tmp_path / "report.json").read_text())["tables"] == report.tables
    controller = "mpc/compact.hpp" if compact else "mpc/condensed.hpp"
    assert f'"optcore/{controller}"' in (tmp_path / "optcore_step.cpp").read_text()
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


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("name", microcontroller.BOARDS)
def test_runs_on_a_microcontroller(name: str, compact: bool, tmp_path: Path) -> None:
    board = microcontroller.BOARDS[name]
    export_firmware(tmp_path, **robot(), compact=compact)
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
            cost += 0.5 * u[k] @ data["R"][k] @ u[k] + data["r"][k] @ u[k]
            x = data["A"][k] @ x + data["B"][k] @ u[k] + data["b"][k]
            cost += 0.5 * x @ data["Q"][k + 1] @ x + data["q"][k + 1] @ x
            assert (x >= data["lbx" + name][k + 1] - 1e-4).all()
            assert (x <= data["ubx" + name][k + 1] + 1e-4).all()
        reference = float(data["obj" + name])
        assert abs(cost - reference) < 1e-3 * abs(reference)


def test_from_files_on_the_command_line(tmp_path: Path, cxx: str) -> None:
    parts = robot()
    parts["gp"].save(tmp_path / "gp.npz")
    a = parts["problem"].arrays
    keys = ("A", "B", "Q", "R", "lbx", "ubx", "lbu", "ubu")
    np.savez(tmp_path / "mpc.npz", **{k: a[k] for k in keys}, E=parts["disturbance"])
    np.savez(tmp_path / "belief.npz", transition=parts["transition"])
    command = [
        sys.executable,
        "-m",
        "optcore",
        "export",
        "gp.npz",
        "mpc.npz",
        "belief.npz",
        "-o",
        "out",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "controller" in done.stdout
    assert subprocess.run([built(tmp_path / "out", cxx)]).returncode == 0
    done = subprocess.run(
        [*command[:4], "gp.npz", "gp.npz", "-o", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "a second gp" in done.stderr


@pytest.mark.parametrize("scalar", ["float", "double"])
@pytest.mark.parametrize("case", ["rate", "one-sided bounds", "large outputs", "little noise"])
def test_its_self_test_holds_for(case: str, scalar: str, tmp_path: Path, cxx: str) -> None:
    given: dict[str, Any] = {"A": [[1.0]], "B": [[1.0]], "Q": [[1.0]], "R": [[1.0]], "N": 3}
    X = np.random.default_rng(1).uniform(-1, 1, (12, 1))
    parts: dict[str, Any] = {
        "rate": {"problem": OcpQp(**given, lbu=[-1], ubu=[1], rate=([-0.2], [0.2]))},
        "one-sided bounds": {"problem": OcpQp(**given, lbx=[1.0], lbu=[-1], ubu=[1])},
        "large outputs": {"gp": GaussianProcess(RBF(0.5, 1e4), noise=1.0).fit(X, 100 * X[:, 0])},
        "little noise": {"gp": GaussianProcess(RBF(0.5, 1.0), noise=1e-6).fit(X, X[:, 0])},
    }[case]
    export_firmware(tmp_path, **parts, scalar=scalar)
    if case == "rate":
        assert "then the last input" in (tmp_path / "optcore_step.h").read_text()
    assert subprocess.run([built(tmp_path, cxx)]).returncode == 0


def test_inputs_beyond_all_data_give_the_prior_and_say_so(tmp_path: Path, cxx: str) -> None:
    X = np.random.default_rng(1).uniform(-1, 1, (12, 1))
    export_firmware(
        tmp_path, gp=GaussianProcess(RBF(0.5, 2.0), 0.1, mean="linear").fit(X, 3 * X[:, 0])
    )
    (tmp_path / "self_test.cpp").write_text(
        '#include "optcore_step.h"\n'
        "int main() {\n"
        "  optcore_input in = {{3e38f}};\n  optcore_output out;\n"
        "  if (optcore_init() != 0) return 1;\n"
        "  if (optcore_step(&in, &out) != -3 || !(out.mean[0] * 0 == 0)) return 2;\n"
        "  in.query[0] *= 10;\n"  # infinite
        "  return optcore_step(&in, &out) == -3 && out.variance == 2 ? 0 : 3;\n}\n"
    )
    assert subprocess.run([built(tmp_path, cxx, "-Wno-overflow")]).returncode == 0


def test_bad_files_and_folders_are_named(tmp_path: Path) -> None:
    good = {"A": np.eye(1), "B": np.eye(1), "Q": np.eye(1), "R": np.eye(1), "N": np.array(3)}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"A": np.eye(1), "B": np.eye(1)}, "lacks Q, R"),
        ({**good, "lbX": np.ones(1)}, "unknown lbX"),
        ({**good, "rate": np.ones(2)}, "unknown rate"),
        ({**good, "N": np.array(2.5)}, "N must be one whole number"),
        ({**good, "N": np.array([1, 2])}, "N must be one whole number"),
        ({**good, "Q": np.array([["a"]])}, "Q must hold real numbers"),
        ({**good, "Q": np.array([[1j]])}, "Q must hold real numbers"),
        ({**good, "A": np.array([[np.nan]])}, "A holds NaN"),
        ({"prior": np.ones(2)}, "lacks transition"),
    ]
    for arrays, said in cases:
        np.savez(tmp_path / "in.npz", **arrays)
        command = [sys.executable, "-m", "optcore", "export", "in.npz", "-o", "out"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"folder: .*file cannot be written"):
        export_firmware(tmp_path / "file", problem=robot()["problem"])


def test_what_is_refused_late_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    gp = GaussianProcess(RBF(), 0.1, mean=lambda x: x[:, 0]).fit(np.eye(2), [0.0, 1.0])
    with pytest.raises(ConfigError, match="mean function"):
        export_firmware(tmp_path, problem=robot()["problem"], gp=gp)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    report = export_firmware(tmp_path, problem=robot()["problem"])
    assert "mine.txt" not in report.files
    assert "controller.hpp" in report.files
    huge = OcpQp(A=[[1.0]], B=[[1.0]], Q=[[1.0]], R=[[1.0]], N=1, b=[1e60])
    with pytest.raises(ConfigError, match="constant of type float"):
        export_firmware(tmp_path, problem=huge)


def test_bad_calls_are_named(tmp_path: Path) -> None:
    parts = robot()
    with pytest.raises(ConfigError, match="nothing to export"):
        export_firmware(tmp_path)
    with pytest.raises(ConfigError, match="prior: only with a transition"):
        export_firmware(tmp_path, problem=parts["problem"], prior=[1.0])
    with pytest.raises(ConfigError, match="disturbance: only with"):
        export_firmware(tmp_path, problem=parts["problem"], disturbance=np.ones((4, 2)))
    with pytest.raises(ShapeError, match=r"disturbance must be \(4, 2\)"):
        export_firmware(tmp_path, **{**parts, "disturbance": np.ones((4, 1))})
    with pytest.raises(ConfigError, match="scalar"):
        export_firmware(tmp_path, **parts, scalar="half")
    assert not list(tmp_path.iterdir())
