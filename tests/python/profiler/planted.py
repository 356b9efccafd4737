"""A program with faults of known size; run by test_planted_faults.py as a process of its own.

python planted.py WHAT: the phases change places every few ms, so that no sampler can be lucky.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time

import numpy as np

MATRIX = np.ones((400, 400))


def python_loop(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(i * i for i in range(50))


def native_call(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        MATRIX @ MATRIX


def nap(seconds: float) -> None:
    time.sleep(seconds)


def split() -> None:
    """60/30/10: Python, native, sleep. Prints what it was, for a busy machine stretches them."""
    spent = {"python_loop": 0.0, "native_call": 0.0, "nap": 0.0}
    for _ in range(40):
        for phase, seconds in ((python_loop, 0.060), (native_call, 0.030), (nap, 0.010)):
            start = time.perf_counter()
            phase(seconds)
            spent[phase.__name__] += time.perf_counter() - start
    print(json.dumps(spent))


def lock_wait() -> None:
    lock = threading.Lock()
    ready = threading.Event()

    def hold() -> None:
        with lock:
            ready.set()
            time.sleep(1.0)

    threading.Thread(target=hold, name="holder").start()
    ready.wait()
    with lock:
        pass


def io_wait() -> None:
    reader, writer = os.pipe()
    threading.Timer(1.0, os.write, (writer, b"x")).start()
    os.read(reader, 1)


def gc_storm() -> None:
    heap = [[i] for i in range(300_000)]
    for _ in range(25):
        gc.collect()
    assert heap


KEPT = []


def leak() -> None:
    KEPT.append(np.ones(131_072))  # 1 MB a call: this line


def leaks() -> None:
    for _ in range(20):
        leak()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
