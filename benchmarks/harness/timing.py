"""Contestants timed in turns, so that a slow minute of the machine is everybody's."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.case import Case, Contestant, Probe
from optcore.benchmark_framework.timing import (
    SHORTEST_SAMPLE_NS,
    Clock,
    quiet_collector,
    time_block,
)

_FEWEST_SAMPLES = 3
_PROBE_VISITS = 4  # times that a probe is asked, spread over the rotation
_SETTLE_BELOW_NS = 10_000_000  # a longer call warms its own caches


@dataclass(frozen=True)
class Plan:
    """How one contestant is sampled: calls per sample and number of samples."""

    inner: int
    samples: int
    call_ns: float


def calibrate(call: Callable[[], Any], case: Case, budget_ns: float, clock: Clock) -> Plan:
    """Choose calls per sample and samples so that the contestant keeps to its budget."""
    inner = case.inner or 1
    elapsed = time_block(call, inner, clock)  # also lets lazy things happen
    elapsed = min(elapsed, time_block(call, inner, clock)) if elapsed < budget_ns / 4 else elapsed
    while case.inner is None and elapsed < SHORTEST_SAMPLE_NS:
        inner = max(2 * inner, int(1.2 * inner * SHORTEST_SAMPLE_NS / max(elapsed, 1_000)))
        elapsed = time_block(call, inner, clock)
    turns = 2 if case.settle and elapsed / inner < _SETTLE_BELOW_NS else 1
    cost = elapsed + (turns - 1) * elapsed / inner
    affordable = int(budget_ns / max(cost, 1.0))
    samples = min(case.samples, max(affordable, min(_FEWEST_SAMPLES, case.samples)))
    return Plan(inner, samples, elapsed / inner)


def rotation(counts: Mapping[str, int]) -> Iterator[str]:
    """Names in turns, each round one further on; who has fewer samples sits out evenly."""
    names = list(counts)
    rounds = max(counts.values(), default=0)
    for r in range(rounds):
        for k in range(len(names)):
            name = names[(r + k) % len(names)]
            if (r + 1) * counts[name] // rounds > r * counts[name] // rounds:
                yield name


def measure(
    case: Case,
    contestants: Mapping[str, Contestant],
    *,
    quick: bool = False,
    clock: Clock = time.perf_counter_ns,
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Samples of each contestant in the unit of the case, and its calls per sample."""
    budget_ns = case.seconds * 1e9 / (5 if quick else 1) / max(len(contestants), 1)
    if quick:
        case = _shortened(case)
    plans: dict[str, Plan] = {}
    for name, contestant in contestants.items():
        if isinstance(contestant, Probe):
            plans[name] = Plan(1, min(_PROBE_VISITS, case.samples), 0.0)
        else:
            plans[name] = calibrate(contestant, case, budget_ns, clock)

    samples: dict[str, list[float]] = {name: [] for name in contestants}
    with quiet_collector():
        for name in rotation({n: plan.samples for n, plan in plans.items()}):
            contestant, plan = contestants[name], plans[name]
            if isinstance(contestant, Probe):
                share = -(-case.samples // plan.samples)
                samples[name].extend(float(value) for value in contestant.sample(share))
                continue
            if case.settle and plan.call_ns < _SETTLE_BELOW_NS:
                contestant()
            elapsed = time_block(contestant, plan.inner, clock)
            samples[name].append(case.value(elapsed * 1e-9 / plan.inner))
            if gc.get_count()[0] > 200_000:  # peers that make cycles would eat the memory
                gc.collect()
    return samples, {name: plan.inner for name, plan in plans.items()}


def _shortened(case: Case) -> Case:
    return replace(case, samples=max(case.samples // 5, min(7, case.samples)))
