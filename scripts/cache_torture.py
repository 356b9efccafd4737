#!/usr/bin/env python3
"""Long runs that the tests repeat briefly: python scripts/cache_torture.py fuzz|race [AMOUNT]

fuzz [INPUTS]   damaged frames with a right checksum, so that the decoder itself meets them: 10^6 by
                default, under a limit on the process's memory. Each is refused or gives a value.
race [SECONDS]  four processes write one key, two of them are killed again and again, while this one
                reads: 60 s by default. No read gives a mixture, and no partial file is left.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from optcore._native import runtime
from optcore.caching_system.disk_tier import DiskTier
from optcore.caching_system.frame import BadFrame, decode, encode

KEY = b"0123456789abcdef"
VALUES: tuple[Any, ...] = (
    {"mean": np.arange(6.0).reshape(2, 3), "n": (1, 2.5, None, "é", b"x", {1, 2}, 1j)},
    [np.zeros((0, 3)), np.float32(2), -(2**80), [[[[1]]]], frozenset({"a"}), True],
    {"when": np.array(["2020-01-01"], "M8[D]"), "text": np.array(["ab", "c"]), "i": 2**63 - 1},
)
INTERESTING = np.array([0, 1, 2, 7, 8, 63, 64, 127, 128, 255], np.uint8)


def fuzz(inputs: int, seed: int = 8) -> tuple[int, int]:
    """(accepted, refused) of damaged frames; raises whatever the decoder raises besides BadFrame.

    Three kinds of damage: bytes changed, a part cut out or doubled, two frames spliced.
    """
    random = np.random.default_rng(seed)
    whole = [encode(KEY, v, 60.0, ((5, 17),) if i else ()) for i, v in enumerate(VALUES)]
    accepted = 0
    for i in range(inputs):
        source = whole[i % len(whole)]
        body = bytearray(source[64:])
        kind = i % 5
        for _ in range(1 + i % 3):
            at = int(random.integers(len(body)))
            new = random.choice(INTERESTING) if i % 2 else random.integers(256)
            body[at] = int(new)
        if kind == 3:
            a, b = sorted(random.integers(0, len(body), 2))
            body[a:b] = b"" if i % 2 else bytes(body[a:b]) * 2
        elif kind == 4:
            other = whole[(i + 1) % len(whole)][64:]
            body[int(random.integers(len(body))) :] = other[int(random.integers(len(other))) :]
        rest = source[24:56] + len(body).to_bytes(8, "little") + bytes(body)
        try:
            decode(KEY, source[:8] + runtime.checksum(rest) + rest)
            accepted += 1
        except BadFrame:
            pass
    return accepted, inputs - accepted


def _write(folder: str) -> None:
    tier = DiskTier(folder, 2**30)
    for i in itertools.count():
        size = (3, 10_000, 200_000)[i % 3]  # in the index, in a file, in a mapped file
        tier.put(KEY, encode(KEY, np.full(size, float(i)), 60.0), 60.0)


def race(seconds: float, folder: Path) -> tuple[int, int]:
    """(reads that found a value, writers killed); AssertionError for a value nobody wrote."""
    context = multiprocessing.get_context("fork")
    writers: list[Any] = []

    def start() -> None:
        writers.append(context.Process(target=_write, args=(str(folder),), daemon=True))
        writers[-1].start()

    for _ in range(4):
        start()
    tier = DiskTier(folder, 2**30)
    reads = killed = 0
    end, next_kill = time.monotonic() + seconds, time.monotonic() + seconds / 8
    while time.monotonic() < end or reads == 0:
        found = tier.get(KEY)
        if found is not None:
            reads += 1
            assert found.value.size in (3, 10_000, 200_000)
            assert (found.value == found.value[0]).all()
        if time.monotonic() > next_kill:
            next_kill += seconds / 4
            for _ in range(2):
                victim = writers.pop(0)
                victim.kill()
                victim.join()
                killed += 1
                start()
    for writer in writers:
        writer.kill()
        writer.join()
    assert tier.errors == 0, f"{tier.errors} errors"
    found = tier.get(KEY)
    assert found is not None
    tier.close()
    return reads, killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fuzz", "race"))
    parser.add_argument("amount", type=float, nargs="?")
    arguments = parser.parse_args()
    if arguments.what == "race":
        with tempfile.TemporaryDirectory() as folder:
            seconds = arguments.amount or 60.0
            reads, killed = race(seconds, Path(folder))
            print(f"{reads} whole reads in {seconds:g} s, {killed} writers killed, none mixed")
        return 0
    inputs = int(arguments.amount or 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
    start = time.perf_counter()
    accepted, refused = fuzz(inputs)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{inputs} inputs in {time.perf_counter() - start:.0f} s: {refused} refused, {accepted} "
        f"decoded, no other outcome; memory grew by {grown:.1f} MB under a limit of 256 MB"
    )
    return 0 if grown < 64 else 1


if __name__ == "__main__":
    sys.exit(main())
