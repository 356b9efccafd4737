"""A program to be profiled: python sampled_program.py loop|gp_step; prints what its work took."""

from __future__ import annotations

import sys
import time

import numpy as np


def small(x: float) -> float:
    """What line tracers are slowest at: a short Python function."""
    return x * 1.0000001 + 1e-9


def loop() -> float:
    """Bytecode only, about half a second."""
    total = 0.0
    for i in range(4_000_000):
        total = small(total + i)
    return total


def gp_step() -> float:
    """Prediction of a Gaussian process by NumPy (n = 200) with small Python calls around it."""
    rng = np.random.default_rng(0)
    x, k_inverse, weights = (
        rng.normal(size=(200, 4)),
        rng.normal(size=(200, 200)),
        rng.normal(size=200),
    )
    total = 0.0
    for step in range(4000):
        query = np.sin(np.arange(4) + step)
        k = np.exp(-0.5 * ((x - query) ** 2).sum(1))
        mean, variance = float(k @ weights), 1.0 - float(k @ k_inverse @ k)
        for _ in range(50):
            total = small(total + mean * variance)
    return total


if __name__ == "__main__":
    work = {"loop": loop, "gp_step": gp_step}[sys.argv[1]]
    start = time.perf_counter()
    work()
    print(f"took {time.perf_counter() - start:.9f}", flush=True)
