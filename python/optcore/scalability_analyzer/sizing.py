"""From measured scenarios to machines: replicas for a target, one larger machine, and money."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optcore._native import runtime
from optcore.scalability_analyzer.config import ScalabilityConfig
from optcore.scalability_analyzer.queueing import QueueSizing, servers_for
from optcore.scalability_analyzer.resources import LimitingResource
from optcore.scalability_analyzer.result import ScenarioResult
from optcore.scalability_analyzer.usl import UslFit

__all__ = ["Option", "Sizing", "size"]

_GB = 1024.0  # MB


@dataclass(frozen=True)
class Option:
    """One way to serve the target."""

    possible: bool
    reason: str
    cpus: float | None = None
    """processors in all"""
    memory_gb: float | None = None
    """in all"""
    gpus: int = 0
    """in all"""
    cost_hour: float | None = None
    """in the currency of the prices; None without prices"""


@dataclass(frozen=True)
class Sizing:
    """What it takes to serve `target_throughput` with the response the configuration asks for."""

    target_throughput: float
    target_response: float
    """s"""
    percentile: float
    replica_throughput: float | None
    """calls per second that one replica was seen to serve within the response asked for"""
    replica_load: str
    """the scenario that it was seen in"""
    replica_cpus: float | None
    """processors that it kept busy there; None where it is behind a URL and cannot be seen"""
    replica_memory_gb: float | None
    servers_per_replica: int
    """calls that a replica truly works on at once"""
    queue: QueueSizing
    replicas: int | None
    """None where no number of replicas meets the target"""
    model: str
    """what the number of replicas rests on"""
    horizontal: Option
    vertical: Option
    recommendation: str


def size(
    scenarios: Sequence[ScenarioResult],
    usl: UslFit | None,
    limit: LimitingResource | None,
    config: ScalabilityConfig,
    *,
    seen: bool = True,
) -> Sizing | None:
    """Size for the configuration's target; None where nothing was measured that helps.

    Args:
        seen: whether the processors and the memory that were measured are those of the target, and
            not of a client that asked it from outside.
    """
    answered = [s for s in scenarios if s.response.count]
    if not answered:
        return None
    share, longest = config.percentile / 100, config.max_response_time
    good = [
        s for s in answered
        if s.response.quantile(share) <= longest and s.error_rate < 0.01 and not s.saturated
        and s.throughput > 0
    ]  # fmt: skip
    best = max(good, key=lambda s: s.throughput) if good else None
    alone = min(answered, key=lambda s: s.concurrency)
    histogram = runtime.Histogram()
    histogram.add_counts(alone.service.histogram)
    upper, number = histogram.buckets()
    service, weight = np.array(upper) * 1e-9, np.array(number, dtype=np.float64)
    queue = servers_for(config.target_throughput, longest, config.percentile, service, weight)
    top = max(s.throughput for s in answered)
    parallel = max(1, round(top * alone.service.mean))
    by_rate = None if best is None else math.ceil(config.target_throughput / best.throughput)
    by_queue = None if queue.servers is None else math.ceil(queue.servers / parallel)
    replicas = None if by_rate is None or by_queue is None else max(by_rate, by_queue)
    one = best if best is not None else max(answered, key=lambda s: s.throughput)
    busy = (one.cpu_seconds_per_call or 0.0) * one.throughput if seen else None
    memory = one.memory_mb / _GB if seen else None
    if replicas is None:
        model = (
            f"no load tested kept p{config.percentile:g} within {longest:g} s"
            if best is None
            else queue.reason
        )
    else:
        model = (
            f"the larger of {by_rate} (target over the {one.throughput:.4g} calls/s seen in one "
            f"replica at {one.name}) and {by_queue} ({queue.servers} servers by {queue.reason}; "
            f"{parallel} to a replica)"
        )
    horizontal = _horizontal(replicas, model, busy, memory, config)
    vertical = _vertical(one, usl, limit, config, memory)
    return Sizing(
        target_throughput=config.target_throughput,
        target_response=longest,
        percentile=config.percentile,
        replica_throughput=best.throughput if best else None,
        replica_load=one.name,
        replica_cpus=busy,
        replica_memory_gb=memory,
        servers_per_replica=parallel,
        queue=queue,
        replicas=replicas,
        model=model,
        horizontal=horizontal,
        vertical=vertical,
        recommendation=_choose(horizontal, vertical, replicas),
    )


def _money(
    cpus: float, memory_gb: float, gpus: int, prices: Mapping[str, float] | None
) -> float | None:
    if prices is None:
        return None
    amounts = {"cpu_hour": cpus, "gb_hour": memory_gb, "gpu_hour": gpus}
    return sum(amount * prices.get(name, 0.0) for name, amount in amounts.items())


def _horizontal(
    replicas: int | None,
    model: str,
    cpus: float | None,
    memory: float | None,
    config: ScalabilityConfig,
) -> Option:
    if replicas is None:
        return Option(False, model)
    reason = f"{replicas} replicas; assumes that they share nothing that is used up"
    gpus = replicas * config.gpus_per_replica
    if cpus is None or memory is None:
        return Option(True, f"{reason}; what one of them uses cannot be seen from here", gpus=gpus)
    whole = replicas * max(1, math.ceil(cpus - 0.05))
    total = replicas * memory
    return Option(True, reason, whole, total, gpus, _money(whole, total, gpus, config.prices))


def _vertical(
    one: ScenarioResult,
    usl: UslFit | None,
    limit: LimitingResource | None,
    config: ScalabilityConfig,
    memory: float | None,
) -> Option:
    """One machine: whether the law lets one instance reach the target, and its processors."""
    if memory is None:
        return Option(False, "unknown: what the target uses cannot be seen from here")
    what = {"gil": "the interpreter lock", "lock": "a lock", "gpu": "the GPU"}
    if limit is not None and limit.kind in what:
        return Option(False, f"{what[limit.kind]} limits one instance: more processors would idle")
    if usl is None:
        return Option(False, "unknown: no scaling law could be fitted")
    users = usl.users_for(config.target_throughput)
    if users is None:
        return Option(
            False,
            f"one instance is not predicted to reach {config.target_throughput:g} calls/s at up to "
            f"{usl.farthest:g} users, the farthest that the tests support",
        )
    work = (one.cpu_seconds_per_call or 0.0) * config.target_throughput
    cpus = max(1, math.ceil(work / (config.cpu_threshold / 100)))
    gpus = config.gpus_per_replica
    return Option(
        True,
        f"one instance with {users:.3g} calls under way, {cpus} processors at "
        f"{config.cpu_threshold:g} % load; assumes processors like this machine's",
        cpus,
        memory,
        gpus,
        _money(cpus, memory, gpus, config.prices),
    )


def _choose(horizontal: Option, vertical: Option, replicas: int | None) -> str:
    if not horizontal.possible and not vertical.possible:
        return "neither: make the call itself faster, or ask for less"
    if not vertical.possible:
        return f"horizontal: {replicas} replicas ({vertical.reason})"
    if not horizontal.possible:
        return f"vertical ({horizontal.reason})"
    a, b = horizontal.cost_hour, vertical.cost_hour
    if a is not None and b is not None and a != b:
        kind = "horizontal" if a < b else "vertical"
        return f"{kind}: {min(a, b):.4g} an hour against {max(a, b):.4g}"
    if replicas == 1:
        return "one instance as tested is enough"
    if (vertical.cpus or 0) <= (horizontal.cpus or 0):
        return (
            f"vertical needs no more processors ({vertical.cpus:g} against {horizontal.cpus:g}); "
            "horizontal where one machine may fail"
        )
    return f"horizontal: {horizontal.cpus:g} processors against {vertical.cpus:g}"
