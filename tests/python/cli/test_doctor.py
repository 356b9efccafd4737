"""`optcore doctor` names what this machine offers, wherever it runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from optcore.cli import doctor, main


def test_every_line_says_something(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line[:14].strip(): line[14:].strip() for line in lines}
    assert {"cpu", "blas", "cpu kernels", "cuda", "redis server", "huge pages"} <= found.keys()
    assert all(found.values())
    assert found["cpu kernels"] in ("generic", "avx2", "avx512", "neon")
    if found["cpu kernels"] == "avx2":
        assert "avx2" in found["cpu"].split(":")[-1].split()
    assert "(of NumPy)" in found["blas"] or found["blas"] == "unknown"


def test_features_of_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd sve crc32\n",
        "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "/proc/meminfo": "HugePages_Total:      12\nHugepagesize:       2048 kB\n",
    }
    monkeypatch.setattr(doctor, "_text", lambda path: files[path])
    assert doctor._cpu().endswith(": asimd sve")
    assert doctor._huge_pages() == "transparent: madvise; 12 reserved of 2048 KiB"


def test_a_server_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        connect = socket.create_connection
        monkeypatch.setattr(
            socket, "create_connection", lambda _, timeout: connect(address, timeout=timeout)
        )

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(64)
                client.sendall(b"+PONG\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert doctor._redis().endswith("answers +PONG")
        thread.join()
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(doctor.socket, "create_connection", _refuse)
    assert doctor._redis().startswith("none at")


def _refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_gets_no_traceback(unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "optcore", "doctor"], stdout=write,
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
