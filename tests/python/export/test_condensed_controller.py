"""The controller of the robot against the solver of the host, on random problems."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore._header import padded
from optcore.export import include_dir
from optcore.mpc import OcpQp, QpSolver, SoftRows, TerminalSet
from optcore.mpc.compact import compact_tables
from optcore.mpc.condensed import CondensedProblem, condense

DRIVER = Path(__file__).with_name("condensed_driver.cpp")
KINDS = ("bounds", "soft", "rows", "units", "terminal")
STATES = 6  # solved one after the other, so that most start warm


def random_problem(seed: int) -> tuple[OcpQp, Any]:
    """Bounds, hard or priced rows, states in units of very different sizes (n,); bounds may be out
    of reach."""
    rng = np.random.default_rng(seed)
    n, m, N = (int(rng.integers(low, high)) for low, high in ((1, 6), (1, 4), (1, 15)))
    more: dict[str, Any] = {}
    kind = KINDS[seed % len(KINDS)]
    if kind != "soft":
        more = {"lbx": np.full(n, -rng.uniform(0.3, 2)), "ubx": np.full(n, rng.uniform(0.3, 2))}
    if kind == "soft":
        more["soft"] = SoftRows(rng.normal(size=(5, n)), rng.normal(size=5), l1=0.0, l2=10.0)
    if kind == "rows":
        more |= {"C": rng.normal(size=(3, n)), "D": rng.normal(size=(3, m)), "lg": np.full(3, -2.0),
                 "ug": np.full(3, 2.0)}  # fmt: skip
    if kind == "terminal":
        more["terminal"] = TerminalSet(rng.normal(size=(4, n)), np.full(4, -0.1), np.full(4, 0.1))
    A = rng.normal(size=(n, n))
    A *= rng.uniform(0.5, 1.15) / np.abs(np.linalg.eigvals(A)).max()
    B = rng.normal(size=(n, m))
    if rng.random() < 0.3:
        B[: n // 2] = 0  # what no input reaches in one step
    problem: dict[str, Any] = {
        "A": A, "B": B, "N": N, "Q": np.diag(rng.uniform(0.1, 5, n)),
        "R": np.diag(10 ** rng.uniform(-2, 0, m)), "q": 0.3 * rng.normal(size=n),
        "lbu": np.full(m, -1.0), "ubu": np.full(m, 1.0), **more,
    }  # fmt: skip
    unit = np.ones(n)
    if kind == "units":
        unit = 10.0 ** rng.integers(-4, 5, n)
        problem["A"] = A * np.outer(unit, 1 / unit)
        problem["B"] = B * unit[:, None]
        problem["Q"] = problem["Q"] / np.outer(unit, unit)
        problem["q"] = problem["q"] / unit
        problem["lbx"], problem["ubx"] = problem["lbx"] * unit, problem["ubx"] * unit
    return OcpQp(**problem), unit


def tables_of(p: CondensedProblem, solves: int, dtype: Any) -> bytes:
    values, stride = len(p.offset), padded(len(p.offset))
    wide, unit = [(0, 0), (0, stride - values)], p.unit
    arrays = [
        np.pad(p.response.T / unit, wide), np.pad(p.offset / unit, wide[1]),
        np.pad(p.low / unit, wide[1], constant_values=-np.inf),
        np.pad(p.high / unit, wide[1], constant_values=np.inf),
        np.pad(p.gram / np.outer(unit, unit), wide), np.pad(unit, wide[1], constant_values=1),
    ]  # fmt: skip
    sizes = (p.states, p.inputs, p.horizon, p.disturbances, values, stride, p.capacity, solves)
    return struct.pack("8i", *sizes) + b"".join(a.astype(dtype).tobytes() for a in arrays)


def compact_tables_of(problem: OcpQp, solves: int, dtype: Any) -> bytes:
    sizes, arrays, _ = compact_tables(problem)
    numbers = b"".join(array.astype(dtype).tobytes() for array in arrays.values())
    return struct.pack("9i", *sizes, solves) + numbers


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(("scalar", "margin"), [("float", 5e-3), ("double", 1e-3)])
def test_the_robot_answers_as_the_host(
    scalar: str, margin: float, compact: bool, tmp_path: Path, cxx: str
) -> None:
    seeds = range(300)
    if compact:  # bounds alone
        seeds = [seed for seed in seeds if KINDS[seed % len(KINDS)] in ("bounds", "units")]
    program = tmp_path / "driver"
    flags = [
        "-std=c++20",
        "-O1",
        "-Wno-psabi",
        "-fsanitize=address,undefined",
        f"-DSCALAR={scalar}",
        *(["-DCOMPACT"] if compact else []),
    ]
    subprocess.run([cxx, *flags, f"-I{include_dir()}", str(DRIVER), "-o", program], check=True)
    dtype = np.float32 if scalar == "float" else np.float64
    stream, asked = [], []
    for seed in seeds:
        problem, unit = random_problem(seed)
        p = condense(problem)
        stream.append(
            compact_tables_of(problem, STATES, dtype) if compact else tables_of(p, STATES, dtype)
        )
        rng = np.random.default_rng(10_000 + seed)
        for _ in range(STATES):
            x0 = (0.7 * rng.normal(size=problem.nx) * unit).astype(dtype)
            stream.append(x0.tobytes())
            asked.append((problem, p, unit, x0.astype(float)))
    done = subprocess.run(
        [program], input=b"".join(stream), capture_output=True, check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(asked)
    solved = unsolved = 0
    for (problem, p, unit, x0), line in zip(asked, lines, strict=True):
        status, *numbers = line.split()
        plan = np.array(numbers, float)
        assert np.isfinite(plan).all()
        u = plan[: p.horizon * p.inputs].reshape(p.horizon, p.inputs)
        assert (np.abs(u) <= 1).all()
        host = QpSolver(problem, tolerance=1e-9).solve(x0, warm_start=False)
        if status == "0":
            states = rolled_out(problem, x0, u) / unit
            bounds = [problem.arrays[name][1:] / unit for name in ("lbx", "ubx")]
            assert (states >= bounds[0] - margin).all()
            assert (states <= bounds[1] + margin).all()
            if host.solved:
                solved += 1
                assert np.abs(u - host.u).max() < margin
        elif host.solved:
            unsolved += 1
    assert solved > 0.5 * len(asked)
    assert unsolved <= 0.01 * len(asked)


def rolled_out(problem: OcpQp, x0: Any, u: Any) -> Any:
    """(N, nx) what the inputs lead to, whatever the plan says."""
    states, x, a = [], x0, problem.arrays
    for k in range(len(u)):
        x = a["A"][k] @ x + a["B"][k] @ u[k] + a["b"][k]
        states.append(x)
    return np.array(states)
