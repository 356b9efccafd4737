"""The examples in C, on a microcontroller and under the real-time scheduler, built as they lie
there; those in C++ are ctest's consumer_*."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optcore.export import include_dir

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def copied(name: str, folder: Path) -> Path:
    """With what `optcore export` writes for it."""
    shutil.copytree(EXAMPLES / name, folder / name)
    subprocess.run(
        [sys.executable, "model.py", "generated"],
        cwd=folder / name,
        check=True,
        capture_output=True,
    )
    return folder / name


def test_c(tmp_path: Path, cxx: str) -> None:
    folder = copied("c", tmp_path)
    if shutil.which("cmake") is None:
        pytest.skip("the example is a CMake project (pip install cmake)")
    for command in (["cmake", "-S", ".", "-B", "b"], ["cmake", "--build", "b"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    done = subprocess.run([folder / "b" / "cart"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_realtime_thread(tmp_path: Path, cxx: str) -> None:
    """Counts all periods, whatever scheduler this machine allows."""
    source = EXAMPLES / "realtime" / "loop.cpp"
    flags = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{include_dir()}", "-lpthread"]
    subprocess.run([cxx, str(source), *flags, "-o", "loop"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [tmp_path / "loop", "200", "1000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"SCHED_(FIFO|OTHER), 200 periods of 1000 us", done.stdout)
    if os.geteuid() != 0:
        return
    assert "0 failed solves" in done.stdout
    assert subprocess.run([tmp_path / "loop", "x"], capture_output=True).returncode == 2
