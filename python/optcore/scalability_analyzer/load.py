"""Running one scenario: in this process, or in several that share one timetable."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from optcore._machine import usable_cpus
from optcore.errors import ConfigError, OptcoreError
from optcore.scalability_analyzer.config import ScalabilityConfig
from optcore.scalability_analyzer.counts import LoadCounts
from optcore.scalability_analyzer.result import ScenarioResult
from optcore.scalability_analyzer.scenario import Scenario
from optcore.scalability_analyzer.shard import Shard, Timetable, arrivals
from optcore.scalability_analyzer.target import Endpoint, Target

if TYPE_CHECKING:
    from optcore.distributed import Executor

__all__ = ["run_scenario", "workers_for"]

_LEAD_NS = 20_000_000  # between the go and the first call
_START_S = 60.0  # for a process to come up
_S = 1_000_000_000


def run_scenario(
    target: Target,
    scenario: Scenario,
    config: ScalabilityConfig,
    executor: Executor | None = None,
) -> ScenarioResult:
    """Load the target as the scenario says and count.

    Args:
        executor: whose workers take a scenario with executor "dask"; absent: one of its own.

    Raises:
        ConfigError: the target does not fit the scenario.
    """
    if scenario.executor == "async" and not target.is_async:
        if isinstance(target, Endpoint):
            target = replace(target, is_async=True)
        else:
            raise ConfigError(f'{target.name}: executor "async" needs a coroutine function')
    elif target.is_async and scenario.executor == "thread":
        scenario = replace(scenario, executor="async")
    target.check(scenario.args)
    seed, cpus = config.seed, usable_cpus()
    if scenario.executor == "dask":
        from optcore.scalability_analyzer.cluster import run_on_workers

        if executor is not None:
            counts, cpus = run_on_workers(target, scenario, seed, executor)
        else:
            with workers_for(config) as own:
                counts, cpus = run_on_workers(target, scenario, seed, own)
    elif scenario.executor == "process":
        counts = _in_processes(target, scenario, seed, config.max_workers)
    else:
        shard = Shard(target, scenario, seed)
        shard.start()
        counts = shard.run(Timetable.starting(time.monotonic_ns() + _LEAD_NS, scenario))
    offered = 0
    if scenario.is_open:
        table = Timetable.starting(0, scenario)
        due = arrivals(scenario, seed)
        offered = int(np.count_nonzero((due >= table.measured) & (due < table.end)))
    return ScenarioResult.of(counts, scenario, offered, cpus)


def workers_for(config: ScalabilityConfig) -> Executor:
    """Workers for scenarios with executor "dask": those of the configuration's scheduler, or
    `max_workers` processes here.

    Raises:
        ConfigError: the configuration does not allow it, or the scheduler cannot be reached.
    """
    if not config.enable_distributed_testing:
        raise ConfigError('executor "dask" needs enable_distributed_testing=True')
    from optcore.distributed import Executor

    return Executor(config.scheduler, workers=config.max_workers)


def _in_processes(target: Target, scenario: Scenario, seed: int, limit: int) -> LoadCounts:
    """Spawned processes, each with its share of the users; none may be lost."""
    shards = min(limit, scenario.concurrent_users)
    try:
        work = pickle.dumps((target, scenario))
    except Exception as error:  # whatever the target's own __reduce__ raises
        raise ConfigError(
            f"{target.name}: cannot be sent to another process ({error}); use a function of a "
            'module, or executor="thread"'
        ) from None
    context = multiprocessing.get_context("spawn")
    crew = []
    try:
        for number in range(shards):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(theirs, work, seed, number, shards), daemon=True
            )
            process.start()
            theirs.close()
            crew.append((process, ours))
        for process, pipe in crew:
            if not pipe.poll(_START_S):
                raise OptcoreError(f"load process {process.pid} did not start in {_START_S:g} s")
            _answer(process, pipe)
        begin = time.monotonic_ns() + _LEAD_NS * 5
        for _, pipe in crew:
            with suppress(OSError):  # it died since it was ready: its answer tells
                pipe.send(begin)
        counts: list[LoadCounts] = [_answer(process, pipe) for process, pipe in crew]
        total = counts[0]
        for one in counts[1:]:
            total = total + one
        return total
    finally:
        for process, pipe in crew:
            pipe.close()
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join()


def _answer(process: Any, pipe: Connection) -> Any:
    try:
        answer = pipe.recv()
    except EOFError:
        process.join(1.0)
        raise OptcoreError(
            f"load process {process.pid} died (exit code {process.exitcode}); under "
            'executor="process" the script that starts the test needs if __name__ == "__main__":'
        ) from None
    if isinstance(answer, str):
        raise OptcoreError(f"load process {process.pid}: {answer}")
    return answer


def _work(pipe: Connection, work: bytes, seed: int, number: int, of: int) -> None:
    """In the process: say ready, wait for the begin, answer with the counts."""
    try:
        target, scenario = pickle.loads(work)
        shard = Shard(target, scenario, seed, number, of)
        shard.start()
        pipe.send(None)
        try:
            begin = pipe.recv()
        except EOFError:
            shard.abandon()
            return
        pipe.send(shard.run(Timetable.starting(begin, scenario)))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
