"""Running one scenario on Dask workers, each with its share of the users."""

from __future__ import annotations

import secrets
import time
from typing import Any

from optcore._machine import usable_cpus
from optcore.distributed import Executor
from optcore.errors import OptcoreError
from optcore.scalability_analyzer.counts import LoadCounts
from optcore.scalability_analyzer.scenario import Scenario
from optcore.scalability_analyzer.shard import Shard, Timetable
from optcore.scalability_analyzer.target import Target

__all__ = ["run_on_workers"]

_LEAD_NS = 1_000_000_000  # between the go and the first call: the go has to arrive everywhere
_START_S = 60.0  # for all shards to come up
_POLL_S = 0.05


def run_on_workers(
    target: Target, scenario: Scenario, seed: int, executor: Executor
) -> tuple[LoadCounts, int]:
    """Counts of all shards, and the processors of the machines that they ran on.

    A worker has one shard, and no shard moves to another: half a load test is none. All begin at
    one time of the wall clock, so machines that agree on it to a few ms load together; latencies
    are of each machine's own monotonic clock. A shard whose neighbour failed goes on to its end
    unless the executor's own cluster ends with it.

    Raises:
        OptcoreError: a worker died, was late, or its target failed to open.
    """
    client = executor.client
    run = secrets.token_hex(8)
    addresses = sorted(client.nthreads())[: scenario.concurrent_users]
    if not addresses:
        raise OptcoreError("the scheduler has no workers")
    shards = {
        client.submit(
            _work, target, scenario, seed, number, len(addresses), run,
            key=f"optcore-load-{run}-{number}", pure=False, retries=0,
            workers=[address], allow_other_workers=False,
        ): address
        for number, address in enumerate(addresses)
    }  # fmt: skip
    ready, begin = _ready(run, client), _begin(run, client)
    try:
        deadline = time.monotonic() + _START_S
        while ready.qsize() < len(shards):
            _check(client, shards)
            if time.monotonic() > deadline:
                raise OptcoreError(
                    f"{ready.qsize()} of {len(shards)} load workers came up in {_START_S:g} s"
                )
            time.sleep(_POLL_S)
        begin.set(time.time_ns() + _LEAD_NS)
        while not all(shard.done() for shard in shards):
            _check(client, shards)
            time.sleep(_POLL_S)
        _check(client, shards)
        found = client.gather(list(shards))
    finally:
        client.cancel(list(shards))
        ready.close()
        begin.delete()
    total: LoadCounts = found[0][0]
    for counts, _, _ in found[1:]:
        total = total + counts
    return total, sum({machine: cpus for _, machine, cpus in found}.values())


def _check(client: Any, shards: dict[Any, str]) -> None:
    """Raise what keeps a shard from being counted."""
    for shard, address in shards.items():
        if shard.status == "error":
            error = shard.exception()
            raise OptcoreError(f"load worker {address}: {type(error).__name__}: {error}")
    alive = client.nthreads()
    for shard, address in shards.items():
        if address not in alive and not shard.done():
            raise OptcoreError(f"load worker {address} died")


def _ready(run: str, client: Any = None) -> Any:
    import distributed

    return distributed.Queue(f"optcore-ready-{run}", client=client)


def _begin(run: str, client: Any = None) -> Any:
    import distributed

    return distributed.Variable(f"optcore-begin-{run}", client=client)


def _work(
    target: Target, scenario: Scenario, seed: int, number: int, of: int, run: str
) -> tuple[LoadCounts, str, int]:
    """On the worker: say ready, wait for the begin, answer with the counts."""
    import platform

    shard = Shard(target, scenario, seed, number, of)
    shard.start()
    try:
        _ready(run).put(number)
        wait_ns = _begin(run).get(timeout=_START_S) - time.time_ns()
        if wait_ns < 0:
            raise OptcoreError(
                f"the begin came {-wait_ns * 1e-9:.3g} s late: set the machines' clocks alike, or "
                "try again with less other load"
            )
    except BaseException:
        shard.abandon()
        raise
    counts = shard.run(Timetable.starting(time.monotonic_ns() + wait_ns, scenario))
    return counts, platform.node(), usable_cpus()
