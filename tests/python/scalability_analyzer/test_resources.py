"""Which resource is named: each rule from planted observations, and those that can be staged."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from optcore.scalability_analyzer import ScalabilityAnalyzer, ScalabilityConfig, resources
from optcore.scalability_analyzer.resources import LimitingResource, Looked, limiting_resource

sys.path.insert(0, str(Path(__file__).parent))
import targets

CONFIG = ScalabilityConfig(cpu_threshold=80.0, memory_threshold=80.0)
IDLE = Looked(
    wall=2.0, cores=4, cpu=0.2, machine=0.3, running=0.02, native=0.02, lock=0.0, sleep=0.0, io=0.0,
    interpreter_lock=0.0, threads=4, memory_percent=30.0, major_faults=0.0, read_write_mb=0.0,
    gpu_percent=None, hottest_lock="take (a.py:3)", hottest="work (a.py:9)",
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "evidence", "just", "short"),
    [
        ("memory", "80 % of the machine's memory", {"memory_percent": 80.0},
         {"memory_percent": 79.0}),
        ("memory", "51 major page faults", {"major_faults": 51.0}, {"major_faults": 49.0}),
        ("gpu", "GPU 80 % busy", {"gpu_percent": 80.0}, {"gpu_percent": 79.0}),
        ("io", "sockets, pipes or files 30%", {"io": 0.3, "read_write_mb": 7.5}, {"io": 0.29}),
        ("lock", "take (a.py:3)", {"lock": 0.3}, {"lock": 0.29}),
        ("sleep", "slept 30%", {"sleep": 0.3}, {"sleep": 0.29}),
        ("cpu", "3.20 of 4 processors", {"cpu": 3.2, "machine": 3.2}, {"cpu": 3.1}),
        ("cpu", "other programs keep 3.00", {"machine": 3.2}, {"machine": 3.1}),
        ("gil", "work (a.py:9)", {"interpreter_lock": 0.5, "running": 0.25, "cpu": 1.0},
         {"interpreter_lock": 0.19, "running": 0.25, "cpu": 1.0}),
    ],
)  # fmt: skip
def test_a_rule_binds_at_its_limit_and_not_before(
    kind: str, evidence: str, just: dict[str, float], short: dict[str, float]
) -> None:
    found = limiting_resource(replace(IDLE, **just), CONFIG)
    assert found.kind == kind
    assert evidence in found.evidence
    assert 0 < found.confidence < 1
    assert found.remedy
    assert limiting_resource(replace(IDLE, **short), CONFIG).kind == "none"


def test_what_is_used_up_comes_before_what_is_waited_for() -> None:
    everything = replace(IDLE, memory_percent=95.0, gpu_percent=99.0, lock=0.5, io=0.4, sleep=0.4)
    order = []
    for relieved in ({}, {"memory_percent": 30.0}, {"gpu_percent": 10.0}, {"lock": 0.0},
                     {"io": 0.0}, {"sleep": 0.0}):  # fmt: skip
        everything = replace(everything, **relieved)
        order.append(limiting_resource(everything, CONFIG).kind)
    assert order == ["memory", "gpu", "lock", "io", "sleep", "none"]


def analysed(function: object, config: ScalabilityConfig) -> LimitingResource:
    analyzer = ScalabilityAnalyzer(config)
    scenario = {"concurrent_users": 4, "duration": 0.6, "ramp_up": 0.0}
    found = analyzer.run_comprehensive_analysis(function, [scenario]).targets[0].limit  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """A server that answers a byte 20 ms after it was asked, from a process' other threads."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def answer(link: socket.socket) -> None:
            with link:
                while link.recv(1):
                    targets.pause(0.02)
                    link.sendall(b".")

        def accept() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(link,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)


def test_users_who_wait_for_a_socket_wait_for_io(silent: tuple[str, int]) -> None:
    local = threading.local()
    links = []

    def ask() -> None:
        if not hasattr(local, "link"):
            local.link = socket.create_connection(silent)
            links.append(local.link)
        local.link.sendall(b"?")
        local.link.recv(1)

    # with the limit of the processors out of reach: other programs may keep them busy
    found = analysed(ask, ScalabilityConfig(cpu_threshold=100.0))
    for link in links:
        link.close()
    if found.kind == "cpu":
        pytest.skip(f"other programs keep the processors busy: {found.evidence}")
    assert found.kind == "io"
    assert "sockets, pipes or files" in found.evidence


def test_memory_beyond_its_limit_is_named() -> None:
    found = analysed(targets.sleep_ms, ScalabilityConfig(memory_threshold=0.01))
    assert found.kind == "memory"
    assert "limit 0.01 %" in found.evidence


def test_a_busy_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        """Stands for the driver, which most machines of tests lack."""

        def look(self) -> tuple[float, float]:
            return 97.0, 1000.0

    monkeypatch.setattr(resources, "Gpu", Busy)
    found = analysed(targets.sleep_ms, ScalabilityConfig(memory_threshold=100.0))
    assert found.kind == "gpu"
    assert found.evidence == "GPU 97 % busy"
