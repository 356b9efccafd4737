"""firmware: instructions and memory of the exported kernels on a Cortex-M7 in single precision.

Counted under QEMU. No peer is built here: `bar` is what each figure is held against.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from areas import firmware_loop
from areas.firmware_problem import array, quadrotor
from harness import Case, Probe, Trial
from harness.microcontroller import BOARDS, build, run, size

_BOARD = BOARDS["cortex-m7"]
_TURNS = 60
_MAIN = Path(__file__).parent / "firmware_main.cpp"


@functools.cache
def _measured() -> dict[str, Any]:
    """Builds and runs the one program; its lines are JSON."""
    from optcore._header import array_lines
    from optcore.export import include_dir
    from optcore.gp import RBF, GaussianProcess, export_header
    from optcore.mpc import export_header as export_mpc

    data, problems = quadrotor()
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (50, 3))
    gp = GaussianProcess(RBF((0.7, 0.9, 0.8), 1.0), noise=1e-3).fit(X, np.sin(2 * X.sum(axis=1)))
    query = rng.uniform(-1, 1, (16, 3)).astype(np.float32).astype(float)
    transition = np.full((8, 8), 0.1 / 8) + 0.9 * np.eye(8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = ["#pragma once\n"]
        for kind, suffix in (("plain", ""), ("state", "_state"), ("mild", "_mild")):
            tables = export_mpc(problems[kind], folder / f"{kind}.hpp", name=kind)
            compact = f"small_{kind}"
            small = export_mpc(
                problems[kind], folder / f"{compact}.hpp", name=compact, compact=True
            )
            inputs += [array(f"x0_{kind}", data[f"x0{suffix}"])]
        inputs += [array("A", data["A"][0]), array("B", data["B"][0]), array("query", query)]
        inputs += [array("Q", data["Q"][0]), array("R", data["R"][0])]
        inputs += [line + "\n" for line in array_lines("transition", transition, "float")]
        (folder / "inputs.hpp").write_text("".join(inputs))
        export_header(gp, folder / "model.hpp", name="model")
        (folder / "main.cpp").write_text(_MAIN.read_text())
        program = build(
            _BOARD, folder, ["main.cpp"],
            ["-O3", f"-I{include_dir()}", "-I.", "-fstack-usage", f"-DTURNS={_TURNS}",
             f"-DTICK={int(_BOARD.instructions_per_tick)}", "-Wno-conversion"],
        )  # fmt: skip
        status, text = run(_BOARD, program)
        if status != 0:
            raise RuntimeError(f"the firmware program ended with {status}: {text}")
        found: dict[str, Any] = {}
        for line in text.splitlines():
            found |= json.loads(line)
        found["size"] = size(program)
        stack = [line.split("\t") for su in folder.glob("*.su") for line in su.open()]
        found["stack"] = max(int(entry[1]) for entry in stack)
    mean, _ = gp.predict(query)
    off = np.abs(np.array(found["gp_mean"]) * 1e-6 - mean.ravel()).max()
    found["gp_error"] = float(off)
    found["gap"] = {
        k: max(_cost_gap(data, s, found[f"u_{form}{k}"]) for form in ("", "compact "))
        for k, s in (("plain", ""), ("state", "_state"), ("mild", "_mild"))
    }
    found["tables"], found["compact_tables"] = tables, small
    return found


def _cost_gap(data: dict[str, Any], suffix: str, micro: list[int]) -> float:
    """Of the plan in millionths, relative to the reference plan's cost."""

    def cost(u: Any) -> float:
        x, total = data[f"x0{suffix}"], 0.0
        for k in range(10):
            total += 0.5 * u[k] @ data["R"][k] @ u[k] + data["r"][k] @ u[k]
            x = data["A"][k] @ x + data["B"][k] @ u[k] + data["b"][k]
            total += 0.5 * x @ data["Q"][k + 1] @ x + data["q"][k + 1] @ x
        return float(total)

    best = cost(data[f"u_opt{suffix}"])
    return abs(cost(np.array(micro).reshape(10, 4) * 1e-6) - best) / abs(best)


def _case(
    name: str,
    measure: str,
    value: Callable[[dict[str, Any]], float],
    bar: str,
    unit: str,
    measured: Callable[[], dict[str, Any]] = _measured,
) -> Case:
    def setup(trial: Trial) -> None:
        @trial.contestant("optcore")
        def _() -> Probe:
            found = measured()
            trial.note("bar", bar)
            if name.startswith("mpc"):
                trial.note("cost gap", ", ".join(f"{k} {g:.1e}" for k, g in found["gap"].items()))
                trial.note("RAM", f"{found['mpc_bytes']}, compact {found['compact_bytes']} bytes")
                trial.note("tables", f"{found['tables']}, compact {found['compact_tables']} bytes")
            if name.startswith("gp"):
                trial.note("mean error", f"{found['gp_error']:.1e}")
            if name == "loop":
                trial.note("longest step", f"{found['worst']} instructions")
                trial.note("tables", ", ".join(f"{k} {v}" for k, v in found["tables"].items()))
            return Probe(lambda count: [value(found)] * max(count, 1))

    return Case(f"firmware/{name}", setup, unit=unit, measure=measure, samples=1)


def _key(*keys: str) -> Callable[[dict[str, Any]], float]:
    def value(found: Any) -> float:
        for key in keys:
            found = found[key]
        return float(found)

    return value


def cases() -> list[Case]:
    count = "instructions"
    mpc = {"mild": "230000", "plain": "690000", "state": "540000"}
    rows = []
    for form in ("", "compact "):
        rows += [
            _case(
                "mpc_12_4_10", f"{form}{kind}, cold", _key("cold", form + kind), f"<= {bar}", count
            )
            for kind, bar in mpc.items()
        ]
    loop = "closed_loop_12_4_10"
    whole: Any = firmware_loop.measured
    return [
        *rows,
        _case("mpc_12_4_10", "static memory", _key("mpc_bytes"), "<= 20000", "bytes"),
        _case(loop, "mean", lambda f: float(np.mean(f["loop"])), "<= 70000", count),
        _case(loop, "worst", lambda f: float(np.max(f["loop"])), "<= 230000", count),
        _case("riccati_step_12_4", "one stage", _key("riccati"), "<= 15000", count),
        # 50 x 3 differences, 50 x 51 / 2 of the triangular solve, 50 of the mean
        _case("gp_predict_n50", "mean and variance", _key("gp"), "<= 6 x 1475 = 8850", count),
        _case("belief_s8", "step", _key("belief"), "<= 1200", count),
        _case("loop", "flash", _key("flash"), "<= 48000", "bytes", whole),
        _case("loop", "RAM with stack", _key("ram"), "<= 32000", "bytes", whole),
        _case("loop", "stack", _key("stack"), "<= 6000", "bytes", whole),
        _case("stack", "deepest function of all", _key("stack"), "<= 6000", "bytes"),
    ]
