"""The instruction set is chosen at run time, and every choice gives the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

LOWER_FIRST = ("generic", "avx2", "avx512")

# Prints the instruction set in use and what the kernels make of one seeded problem.
PROGRAM = """
import json
import numpy as np
from optcore import _native

rng = np.random.default_rng(3)
beliefs = rng.uniform(-5, 0, (37, 11))
likelihoods = rng.uniform(-700, 5, (37, 11))
evidence, _ = _native.belief.update(beliefs, likelihoods)
betas = np.array([0.5, 2.0, 8.0])
walker = _native.belief.GoalBelief(rng.uniform(-9, 9, (5, 2)), betas, np.full(15, 1 / 15), 0.02)
for step in rng.uniform(-0.5, 0.5, (30, 2, 2)):
    walker.step(step[0], step[0] + step[1])
numbers = {"update": beliefs.ravel(), "evidence": evidence, "goal": walker.joint.ravel()}
print(json.dumps({"isa": _native.cpu_isa(), **{k: v.tolist() for k, v in numbers.items()}}))
"""


def run(isa: str | None) -> dict[str, object]:
    environment = {k: v for k, v in os.environ.items() if k != "OPTCORE_FORCE_ISA"}
    if isa is not None:
        environment["OPTCORE_FORCE_ISA"] = isa
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    result: dict[str, object] = json.loads(out.stdout)
    return result


@pytest.fixture(scope="module")
def best() -> dict[str, object]:
    return run(None)


def flags_of_this_cpu() -> set[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def test_the_best_instruction_set_of_this_cpu_is_used(best: dict[str, object]) -> None:
    flags = flags_of_this_cpu()
    if not flags:
        pytest.skip("no x86 flags in /proc/cpuinfo")
    expected = "avx2" if {"avx2", "fma", "bmi2"} <= flags else "generic"
    if {"avx512f", "avx512dq", "avx512vl", "avx512bw", "avx512cd"} <= flags:
        expected = "avx512"
    assert best["isa"] == expected


@pytest.mark.parametrize("isa", LOWER_FIRST)
def test_every_instruction_set_gives_the_same_numbers(isa: str, best: dict[str, object]) -> None:
    if best["isa"] not in LOWER_FIRST or LOWER_FIRST.index(isa) > LOWER_FIRST.index(
        str(best["isa"])
    ):
        pytest.skip(f"this CPU runs {best['isa']}, not {isa}")
    got = run(isa)
    assert got["isa"] == isa
    for name in set(best) - {"isa"}:
        np.testing.assert_allclose(got[name], best[name], rtol=1e-11, atol=1e-12, err_msg=name)


def test_more_than_the_cpu_has_is_not_given(best: dict[str, object]) -> None:
    assert run("no-such-set")["isa"] == best["isa"]
