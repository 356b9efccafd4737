"""A running process, seen from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optcore.profiler.attached import from_speedscope

SPIN = """

def spin():
    while True:
        sum(i * i for i in range(100))

print("on", flush=True)
spin()
"""


def py_spy() -> bool:
    beside = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    return bool(beside or shutil.which("py-spy"))


needs_py_spy = pytest.mark.skipif(not py_spy(), reason="no py-spy: optcore[test] brings it")


def attach(pid: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optcore", "profile", "--attach", str(pid), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_py_spy
def test_a_running_process_is_reported_in_each_format(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPIN], stdout=subprocess.PIPE, text=True
    ) as spinning:
        try:
            assert spinning.stdout is not None
            spinning.stdout.readline()
            first = attach(spinning.pid, "--duration", "1", "-o", str(tmp_path / "a.json"))
            if "ermission" in first.stderr:
                pytest.skip("this system forbids looking into other processes (ptrace)")
            assert first.returncode == 0, first.stderr
            page = attach(spinning.pid, "--duration", "1", "-o", str(tmp_path / "a.html"))
            assert page.returncode == 0, page.stderr
        finally:
            spinning.kill()
    (data,) = json.loads((tmp_path / "a.json").read_text())["profiles"]
    names = {f["function"] for f in data["functions"]}
    assert "spin" in names
    spun = max(f["total_seconds"] for f in data["functions"] if f["function"] == "spin")
    assert spun == pytest.approx(data["metrics"]["execution_time"], rel=0.2)
    assert "flame" in (tmp_path / "a.html").read_text()


@needs_py_spy
def test_a_process_that_is_not_there_is_named() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    failed = attach(done.pid, "--duration", "1")
    assert failed.returncode == 2
    assert f"process {done.pid}" in failed.stderr


def test_stacks_of_py_spy_become_a_tree() -> None:
    document = {
        "shared": {"frames": [
            {"name": "thread (1)", "file": "", "line": 0},
            {"name": "main", "file": "a.py", "line": 3},
            {"name": "work", "file": "a.py", "line": 9},
            {"name": "native", "file": "b.so", "line": None},
        ]},
        "profiles": [{"name": "Thread 1", "startValue": 0.0, "endValue": 0.5,
                      "samples": [[0, 1, 2], [0, 1], [0, 1, 2], [0, 1, 2, 3]],
                      "weights": [0.1, 0.2, 0.1, 0.1]}],
    }  # fmt: skip
    data = from_speedscope("process 7", json.dumps(document))
    (tree,) = data.stacks.values()
    assert [(n.parent, n.function, round(n.seconds, 3)) for n in tree] == [
        (0, "", 0.0), (0, "main", 0.2), (1, "work", 0.2), (2, "native", 0.1),
    ]  # fmt: skip
    assert data.execution_time == 0.5
    total = {f.function: round(f.total_seconds, 3) for f in data.functions}
    assert total == {"main": 0.5, "work": 0.3, "native": 0.1}
