"""Whether a load test finds what was planted: stalls of a server, and scaling laws.

    python benchmarks/load_truth.py [--runs 200]

Stalls: a server that answers at once, but for 500 ms every 2 s; the true p99 of arrivals that do
not wait for answers is 480 ms.

Laws: throughputs of a known Universal Scalability Law at 8 loads with log-normal noise; the share
of runs whose 95 % intervals hold the planted contention, coherency and peak, each and all three,
must be 90 % or more.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np

from optcore.scalability_analyzer import (
    FunctionTarget,
    ScalabilityAnalyzer,
    ScalabilityConfig,
    Scenario,
    fit_usl,
)

STALL, PERIOD = 0.5, 2.0
LOADS = np.array([1, 2, 4, 8, 16, 24, 32, 48])
LAWS = [(0.05, 5e-4, 0.05), (0.02, 1e-4, 0.02), (0.0, 1e-3, 0.05), (0.1, 0.0, 0.05),
        (0.3, 2e-3, 0.1)]  # fmt: skip


def stalls() -> None:
    begin = time.monotonic()

    def server() -> None:
        phase = (time.monotonic() - begin) % PERIOD
        if phase < STALL:
            time.sleep(STALL - phase)

    config = ScalabilityConfig(ramp_up_time=0.0)
    analyzer = ScalabilityAnalyzer(config)
    truth = STALL - 0.01 * PERIOD
    print(f"stalls of {STALL:g} s each {PERIOD:g} s: true p99 {truth * 1e3:.0f} ms")
    loops: dict[str, dict[str, Any]] = {
        "open loop": {"arrival_rate": 400, "concurrent_users": 256},
        "closed loop": {"concurrent_users": 1, "think_time": 1e-3},
    }
    for name, given in loops.items():
        scenario = Scenario.from_dict({"duration": 8.0, **given}, config)
        p99 = analyzer.run_scenario(FunctionTarget(server), scenario).response.p99
        print(f"  {name:<12} p99 {p99 * 1e3:8.2f} ms  ({p99 / truth - 1:+.1%})")


def laws(runs: int) -> None:
    print(f"{'contention':>10}{'coherency':>11}{'noise':>7}   intervals that hold the truth, of "
          f"{runs}: contention, coherency, peak, all")  # fmt: skip
    for contention, coherency, noise in LAWS:
        random = np.random.default_rng(1)
        peak = math.sqrt((1 - contention) / coherency) if coherency else math.inf
        clean = 1000 * LOADS / (1 + contention * (LOADS - 1) + coherency * LOADS * (LOADS - 1))
        held = np.zeros(4)
        for run in range(runs):
            x = clean * np.exp(noise * random.standard_normal(len(LOADS)))
            fit = fit_usl(LOADS, x, draws=500, seed=run)
            inside = [
                contention in fit.contention_interval,
                coherency in fit.coherency_interval,
                peak in fit.peak_interval,
            ]
            held += [*inside, all(inside)]
        shares = "".join(f"{share:>9.1%}" for share in held / runs)
        print(f"{contention:>10g}{coherency:>11g}{noise:>7.0%}   {shares}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Planted stalls and scaling laws.")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    stalls()
    laws(options.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
