"""Pooled arrays beside NumPy's own, and control loops beside the garbage collector."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from harness import Case, Probe, Trial, agree
from harness.agreement import Disagreement

__all__ = ["cases"]

_MB = 1 << 20


class PythonPool:
    """What one writes first: a list of idle arrays behind a context manager."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.idle = [np.empty(shape)]

    def temporary_array(self) -> PythonPool:
        return self

    def __enter__(self) -> Any:
        self.array = self.idle.pop() if self.idle else np.empty(self.shape)
        return self.array

    def __exit__(self, *_: object) -> None:
        self.idle.append(self.array)


def temporary_array(trial: Trial, megabytes: int) -> None:
    """An array for the length of a block, nothing written. np.zeros also clears what it reuses."""
    shape = (megabytes * _MB // 8,)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.memory_manager import MemoryManager

        memory = MemoryManager()

        def use() -> int:
            with memory.temporary_array(shape) as array:
                return len(array)

        return use

    @trial.contestant("numpy.zeros")
    def _() -> Callable[[], Any]:
        return lambda: len(np.zeros(shape))

    @trial.contestant("numpy.empty")
    def _() -> Callable[[], Any]:
        return lambda: len(np.empty(shape))

    @trial.contestant("python-pool")
    def _() -> Callable[[], Any]:
        pool = PythonPool(shape)

        def use() -> int:
            with pool.temporary_array() as array:
                return len(array)

        return use

    trial.check(lambda answers: {"length": agree(answers, rtol=0)})


def first_use(trial: Trial, megabytes: int) -> None:
    """A new array and the first write to all of it."""
    shape = (megabytes * _MB // 8,)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.memory_manager import MemoryManager

        memory = MemoryManager()

        def use() -> float:
            with memory.temporary_array(shape) as array:
                array.fill(3.0)
                return float(array[-1])

        return use

    @trial.contestant("numpy.empty")
    def _() -> Callable[[], Any]:
        def use() -> float:
            array = np.empty(shape)
            array.fill(3.0)
            return float(array[-1])

        return use

    trial.check(lambda answers: {"value": agree(answers, rtol=0)})


class Node:
    """One object of a heap that the collector has to walk."""

    __slots__ = ("other",)

    def __init__(self, other: Node | None) -> None:
        self.other = other


def collection_pause(trial: Trial, objects: int) -> None:
    """A full collection while `objects` live, inside realtime() and outside."""
    heap: list[Node] = []
    while len(heap) < objects:
        heap.append(Node(heap[-1] if heap else None))

    def pauses(count: int) -> list[float]:
        found = []
        for _ in range(count):
            start = time.perf_counter_ns()
            gc.collect()
            found.append((time.perf_counter_ns() - start) * 1e-6)
        return found

    @trial.contestant("optcore")
    def _() -> Probe:
        from optcore.memory_manager import realtime

        def inside(count: int) -> list[float]:
            with realtime():
                return pauses(count)

        return Probe(inside, lambda: len(heap))

    @trial.contestant("outside realtime()")
    def _() -> Probe:
        return Probe(pauses, lambda: len(heap))

    trial.check(lambda answers: {"objects": agree(answers, rtol=0) + len(heap)})


def realtime_loop(trial: Trial, steps: int) -> None:
    """A loop that uses a temporary array in each step: its slowest step in a thousand.

    Refused when a step inside realtime() met a page fault or a collection.
    """
    from optcore.memory_manager import MemoryManager, realtime

    memory, clock = MemoryManager(), time.perf_counter_ns
    total = {"page_faults": 0, "collections": 0}

    times = np.full(steps, 1, dtype=np.int64)

    def run(steps: int) -> None:
        for i in range(steps):
            start = clock()
            with memory.temporary_array(64) as array:
                array[0] = 1.0
            times[i] = clock() - start

    def slow(steps: int) -> float:
        return float(np.quantile(times[:steps], 0.999)) * 1e-3

    def inside(steps: int) -> float:
        with realtime() as report:
            run(steps)
        total["page_faults"] += report.minor_faults + report.major_faults
        total["collections"] += report.collections
        return slow(steps)

    @trial.contestant("optcore")
    def _() -> Probe:
        run(1000)  # what is mapped at first use is not the loop's

        def answer() -> dict[str, int]:
            inside(steps)
            return total

        return Probe(lambda count: [inside(steps // 4)], answer)

    @trial.contestant("outside realtime()")
    def _() -> Probe:
        def outside(count: int) -> list[float]:
            run(steps // 4)
            return [slow(steps // 4)]

        return Probe(outside)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, int]:
        seen: dict[str, int] = answers["optcore"]
        if any(seen.values()):
            raise Disagreement(f"{steps} steps inside realtime(): {seen}", ["optcore"])
        return {"steps": steps, **seen}


_WORKBENCH = "optcore.profiler, optcore.memory_manager"
_IMPORT = """
import time
import numpy
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def import_time(trial: Trial, modules: str) -> None:
    """Time of an import in a new process that has NumPy already."""
    for name, module in {
        "optcore": modules,
        "scipy.linalg": "scipy.linalg",
        "prometheus-client": "prometheus_client",
        "diskcache": "diskcache",
    }.items():
        trial.contestant(name)(partial(_importing, module))


def _importing(module: str) -> Probe:
    def sample(count: int) -> list[float]:
        return [once() for _ in range(count)]

    def once() -> float:
        command = [sys.executable, "-c", _IMPORT.format(module=module)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ImportError(done.stderr.strip().splitlines()[-1])
        return 1e3 * float(done.stdout)

    def answer() -> None:
        once()  # raises where it is not installed; also fills the disk cache

    return Probe(sample, answer)


def cases() -> list[Case]:
    return [
        Case("workbench/temporary_array_8mb", partial(temporary_array, megabytes=8), "us"),
        Case("workbench/first_use_64mb", partial(first_use, megabytes=64), "ms", samples=31),
        Case("workbench/realtime_loop", partial(realtime_loop, steps=1_000_000), "us",
             "step, 99.9 %", samples=4),
        Case("workbench/gc_pause", partial(collection_pause, objects=2_000_000), "ms", samples=12),
        Case("workbench/import", partial(import_time, modules="optcore"), "ms", "over numpy",
             samples=12),
        Case("workbench/import", partial(import_time, modules=_WORKBENCH), "ms",
             "profiler and memory manager, over numpy", samples=12),
    ]  # fmt: skip
