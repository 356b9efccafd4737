"""firmware/loop: flash, memory and stack of the whole exported program on a Cortex-M7.

12 states, 4 inputs, 10 stages with all states bounded; a GP of 50 points that disturbs one state;
a belief over 4 intents. Compact tables, -O2; flash is that of the whole program with start-up code.
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from areas.firmware_problem import array, quadrotor
from harness.microcontroller import BOARDS, build, run, size

__all__ = ["measured"]

_BOARD = BOARDS["cortex-m7"]
_TURNS = 60
_MAIN = Path(__file__).parent / "firmware_loop.cpp"
_PUSHED, _PUSH = 8, 0.05  # vertical speed; the period in s


@functools.cache
def measured(kind: str = "plain", compact: bool = True) -> dict[str, Any]:
    """flash, ram (sections and stack), stack in bytes; worst step in instructions; tables."""
    from optcore.export import export_firmware
    from optcore.gp import RBF, GaussianProcess

    data, problems = quadrotor()
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (50, 3))
    gp = GaussianProcess(RBF((0.7, 0.9, 0.8), 0.1), noise=1e-3).fit(
        X, 0.1 * np.sin(2 * X.sum(axis=1))
    )
    E = np.zeros((12, 1))
    E[_PUSHED] = _PUSH
    x0 = data["x0" + {"plain": "", "state": "_state", "mild": "_mild"}[kind]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = export_firmware(
            folder, problem=problems[kind], disturbance=E, gp=gp, compact=compact,
            transition=0.9 * np.eye(4) + 0.025,
        )  # fmt: skip
        inputs = ["#pragma once\n", array("x0", x0)]
        inputs += [array("A", data["A"][0]), array("B", data["B"][0])]
        (folder / "inputs.hpp").write_text("".join(inputs))
        flags = [
            "-O2", "-I.", "-Iinclude", "-Wno-conversion", f"-DTURNS={_TURNS}",
            f"-DTICK={int(_BOARD.instructions_per_tick)}", f"-DOPTCORE_PUSHED={_PUSHED}",
            f"-DOPTCORE_PUSH={_PUSH}f",
        ]  # fmt: skip
        sources = ["optcore_step.cpp", str(_MAIN)]
        program = build(_BOARD, folder, sources, [*flags, "-DREPORT"])
        status, text = run(_BOARD, program)
        if status != 0:
            raise RuntimeError(f"the firmware program ended with {status}: {text}")
        found: dict[str, Any] = json.loads(text)
        sections = size(build(_BOARD, folder, sources, flags))
    found["flash"] = sections["text"] + sections["data"]
    found["ram"] = sections["data"] + sections["bss"] + found["stack"]
    found["tables"] = report.tables
    return found
