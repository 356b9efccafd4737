"""The users of a shard as tasks of one event loop."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optcore._native import runtime
from optcore.scalability_analyzer.scenario import Scenario
from optcore.scalability_analyzer.target import Opened

if TYPE_CHECKING:
    from optcore.scalability_analyzer.shard import Timetable

__all__ = ["run_tasks"]

_S = 1_000_000_000


def run_tasks(
    opened: Opened,
    scenario: Scenario,
    table: Timetable,
    users: int,
    due: NDArray[np.int64] | None,
    run: runtime.LoadRun,
    note: Callable[[Exception], None],
    number: int,
    of: int,
) -> None:
    """Run the scenario in an event loop of this thread's own."""
    load = _Tasks(opened, scenario, table, users, run, note, number, of)
    asyncio.run(load.closed() if due is None else load.open(due))


class _Tasks:
    def __init__(
        self,
        opened: Opened,
        scenario: Scenario,
        table: Timetable,
        users: int,
        run: runtime.LoadRun,
        note: Callable[[Exception], None],
        number: int,
        of: int,
    ) -> None:
        self.opened, self.scenario, self.table, self.users = opened, scenario, table, users
        self.run, self.note, self.number, self.of = run, note, number, of

    async def call(self, index: int, due: int, waited: bool) -> int:
        """One call; returns when it ended."""
        made = () if self.opened.inputs is None else self.opened.inputs(index)
        arguments = made if isinstance(made, tuple) else (made,)
        limit = None if math.isinf(self.scenario.timeout) else self.scenario.timeout
        failed = timed_out = False
        start = max(time.monotonic_ns(), due)
        try:
            await asyncio.wait_for(self.opened.function(*arguments), limit)
        except (TimeoutError, asyncio.TimeoutError):  # the wait is a latency all the same
            timed_out = True
        except Exception as error:
            failed = True
            self.note(error)
        stop = time.monotonic_ns()
        if timed_out or (limit is not None and stop - due > limit * _S):
            self.run.count_timeout(due)
        self.run.record(due, start, stop, waited, failed)
        return stop

    async def closed(self) -> None:
        try:
            await asyncio.gather(*(self._user(i) for i in range(self.users)))
        finally:
            await self._close()

    async def _user(self, user: int) -> None:
        table, everyone = self.table, self.scenario.concurrent_users
        think = int(self.scenario.think_time * _S)
        index = self.number + self.of * user
        due = table.begin + (table.measured - table.begin) * index // everyone
        await _until(due)
        due = time.monotonic_ns()
        while due < table.end and not self.run.stopped:
            due = await self.call(index, due, True) + think
            index += everyone
            if think:
                await _until(due)
            else:
                await asyncio.sleep(0)  # a function that never waits must not starve the others

    async def open(self, due: NDArray[np.int64]) -> None:
        """A native thread keeps the time, which an event loop only does to a millisecond."""
        loop, free = asyncio.get_running_loop(), asyncio.Semaphore(self.users)
        tasks: set[asyncio.Task[None]] = set()
        begin, give_up = self.table.begin, self.table.give_up

        async def one(i: int) -> None:
            at = begin + int(due[i])
            waited = not free.locked()
            async with free:
                if (now := time.monotonic_ns()) > give_up:
                    self.run.give_up(at, now)
                else:
                    await self.call(self.number + self.of * i, at, waited)

        def launch(i: int) -> None:
            task = loop.create_task(one(i))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        clockwork = runtime.LoadRun(
            measured=self.table.measured, end=self.table.end, slots=1, timeout=1 << 62,
            on_error=self.note,
        )  # fmt: skip

        def keep_time() -> None:
            clockwork.open_loop(
                lambda i: loop.call_soon_threadsafe(launch, i), lambda i: i, due, begin=begin,
                spin=0, give_up=1 << 62,
            )  # fmt: skip

        thread = threading.Thread(target=keep_time, name="load-clock", daemon=True)
        thread.start()
        try:
            while thread.is_alive() or tasks:
                if self.run.stopped:
                    break
                await asyncio.sleep(0.02)
        finally:
            clockwork.stop()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(thread.join)
            await self._close()

    async def _close(self) -> None:
        closing: Any = self.opened.close()
        if inspect.isawaitable(closing):
            await closing


async def _until(due: int) -> None:
    left = (due - time.monotonic_ns()) / _S
    if left > 0:
        await asyncio.sleep(left)
