"""The exported header compiled as firmware would, beside the process it was made from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from optcore.errors import ConfigError
from optcore.gp import RBF, GaussianProcess, Linear, Matern, export_header
from optcore.gp.kernels import Kernel

INCLUDE = Path(__file__).resolve().parents[3] / "cpp" / "include"
MAIN = """
#include <cstdio>
#include "optcore/gp/model.hpp"
#include "a.hpp"
#include "b.hpp"
alignas(64) static unsigned char memory[1 << 16];
template <class T>
static int ask(const optcore::gp::Tables<T>& tables) {
  optcore::gp::Model<T> gp;
  optcore::Arena arena(memory, sizeof memory);
  if (optcore::failed(gp.attach(arena, tables)) || arena.overflowed()) return 1;
  for (int i = 0; i < 5; ++i) {
    T x[2] = {static_cast<T>(0.3 * i - 0.7), static_cast<T>(0.2 * i - 0.4)};
    T mean[2], variance;
    gp.predict({x, 1, 2, 2}, {mean, 1, tables.outputs, 2}, {&variance, 1});
    std::printf("%.9g %.9g %.9g\\n", static_cast<double>(mean[0]),
                static_cast<double>(mean[tables.outputs - 1]), static_cast<double>(variance));
  }
  T x[2] = {}, y[2] = {};
  const bool refused = gp.append({x, 2}, {y, tables.outputs}) == optcore::Status::not_ready &&
                       gp.drop(0) == optcore::Status::not_ready;
  return refused && gp.size() == tables.points ? 0 : 2;
}
int main() { return ask(a::tables) + 10 * ask(b::tables); }
"""


@pytest.mark.parametrize("march", ["x86-64", "x86-64-v3"])
def test_tables_answer_as_the_process(march: str, tmp_path: Path, cxx: str) -> None:
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (37, 2))
    y = np.column_stack([np.sin(3 * X[:, 0]), X[:, 1]])
    cases: dict[str, tuple[Kernel, np.ndarray, str]] = {
        "a": (Matern((0.6, 0.9), 1.2, nu=1.5), y, "float"),
        "b": (RBF(0.5) * Linear(0.7) + 0.3, y[:, 0], "double"),
    }
    expected = []
    Z = np.array([[0.3 * i - 0.7, 0.2 * i - 0.4] for i in range(5)])
    for name, (kernel, values, scalar) in cases.items():
        mean: float | str = "linear" if name == "a" else 0.1
        gp = GaussianProcess(kernel, noise=0.02, mean=mean).fit(
            X, values, point_noise=np.full(37, 0.01)
        )
        assert export_header(gp, tmp_path / f"{name}.hpp", name=name, scalar=scalar) > 37 * 37
        mean, variance = gp.predict(Z)
        mean = mean.reshape(5, -1)
        expected.append(np.column_stack([mean[:, 0], mean[:, -1], variance]))
    (tmp_path / "main.cpp").write_text(MAIN)
    flags = ["-std=c++20", "-O1", f"-march={march}", "-Wno-psabi", "-fno-exceptions", "-fno-rtti"]
    subprocess.run(
        [cxx, *flags, f"-I{INCLUDE}", f"-I{tmp_path}", "main.cpp", "-o", "main"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    if done.returncode == -4:
        pytest.skip(f"compiled, but this CPU has no {march} (illegal instruction)")
    assert done.returncode == 0, done.stdout
    got = np.array([[float(v) for v in line.split()] for line in done.stdout.splitlines()])
    np.testing.assert_allclose(got[:5], expected[0], atol=2e-4)  # single precision
    np.testing.assert_allclose(got[5:], expected[1], atol=1e-8)


def test_tables_compile_for_a_microcontroller(tmp_path: Path) -> None:
    compiler = shutil.which("arm-none-eabi-g++")
    if compiler is None:
        pytest.skip("no arm-none-eabi-g++ (apt-get install gcc-arm-none-eabi)")
    rng = np.random.default_rng(4)
    X = rng.uniform(-1, 1, (24, 3))
    gp = GaussianProcess(Matern(0.7), noise=0.02, mean="linear").fit(X, np.sin(X.sum(axis=1)))
    size = export_header(gp, tmp_path / "torque.hpp", name="torque")
    (tmp_path / "main.cpp").write_text("""
#include "optcore/gp/model.hpp"
#include "torque.hpp"
alignas(64) static unsigned char memory[1 << 14];
float torque_at(const float* x) {
  optcore::gp::Model<float> gp;
  optcore::Arena arena(memory, sizeof memory);
  if (optcore::failed(gp.attach(arena, torque::tables))) return 0;
  float mean = 0, variance = 0;
  gp.predict({x, 1, 3, 3}, {&mean, 1, 1, 1}, {&variance, 1});
  return mean;
}
""")
    flags = ["-std=c++20", "-Os", "-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard",
             "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror"]  # fmt: skip
    subprocess.run(
        [compiler, *flags, f"-I{INCLUDE}", "-c", "main.cpp", "-o", "main.o"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    nm = shutil.which("arm-none-eabi-nm")
    assert nm is not None
    symbols = subprocess.run(
        [nm, "-S", "main.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    for forbidden in ("_Znwj", "malloc", "__cxa_throw", "__cxa_guard"):
        assert forbidden not in symbols
    tables = [line.split() for line in symbols.splitlines() if "torque" in line.lower()]
    held = sum(int(row[1], 16) for row in tables if len(row) == 4 and row[2] in "rRV")
    assert size <= held <= size + 1024, symbols


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    gp = GaussianProcess(RBF(), 0.1, mean=lambda x: x[:, 0]).fit(np.eye(2), [0.0, 1.0])
    with pytest.raises(ConfigError, match="mean function"):
        export_header(gp, tmp_path / "a.hpp")
    gp = GaussianProcess(RBF(), 0.1).fit(np.eye(2), [0.0, 1.0])
    with pytest.raises(ConfigError, match="identifier"):
        export_header(gp, tmp_path / "a.hpp", name="a b")
    with pytest.raises(ConfigError, match="scalar"):
        export_header(gp, tmp_path / "a.hpp", scalar="half")
