"""Computing a missing value once: for the threads of a process, its coroutines, other processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from optcore._native import runtime
from optcore.caching_system.leases import Lease, pauses
from optcore.caching_system.levels import MISS, Levels, Plan
from optcore.caching_system.values import give, is_failure

__all__ = ["Flights"]

_LEASE_WORTH_S = 2e-3  #: what computes faster than this is not worth a lease


class _Ways(NamedTuple):
    """How a leader waits."""

    call: Callable[[Callable[[], Any]], Awaitable[Any]]  #: for what may block
    sleep: Callable[[float], Awaitable[None]]
    finish: Callable[[Callable[[], Any]], Awaitable[Any]]  #: as `call`, and is never cancelled


class Flights:
    """Finds or computes. What a leader does is one coroutine, which a thread runs in one go."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self.renew()

    def renew(self) -> None:
        """In a forked child nobody else computes."""
        self._flights = runtime.SingleFlight()
        self._futures: dict[tuple[int, bytes], asyncio.Future[Any]] = {}

    def obtain(
        self,
        digest: bytes,
        compute: Callable[[], Any],
        plan: Plan,
        expected: float | None = None,
        looked: tuple[Any, bool] | None = None,
    ) -> Any:
        """The value of a key; on a miss one caller computes and the others wait.

        Args:
            expected: s that the computation usually takes; None: not known.
            looked: what memory has, if it was asked already.
        """
        stored, due = looked or self._levels.find(digest)
        if stored is not MISS and not due:
            return self._hit(stored, plan)
        ticket, leads = self._flights.join(digest)
        if ticket is None:  # the function called itself
            return compute()
        if not leads:
            if stored is not MISS:
                return self._hit(stored, plan)  # somebody refreshes it
            if not ticket.wait(self._levels.config.lock_timeout):
                return compute()
            landed, error = ticket.result
            del ticket  # no cycle collector sees what it holds: error, traceback, this frame
            if error is None:
                self._levels.avoided += 1
                return self._hit(landed, plan)
            try:
                if not isinstance(error, Exception):  # it was the leader's thread that was ended
                    return self.obtain(digest, compute, plan, expected)
                self._levels.avoided += 1
                raise error
            finally:
                del error
        outcome: tuple[Any, BaseException | None] = (None, RuntimeError("computation abandoned"))
        try:
            stored = _result(
                self._lead(digest, plan, stored, expected, lambda: _at_once(compute), _HERE)
            )
            outcome = (stored, None)
        except BaseException as error:
            outcome = (None, error)
            raise
        finally:
            self._flights.land(digest, ticket, outcome)
            del ticket, outcome
        return give(stored, plan.copy)

    async def obtain_async(
        self,
        digest: bytes,
        compute: Callable[[], Awaitable[Any]],
        plan: Plan,
        expected: float | None = None,
    ) -> Any:
        """As :meth:`obtain`; disk and Redis are asked in a thread, so the loop goes on."""
        stored, due = self._levels.find(digest)
        if stored is not MISS and not due:
            return self._hit(stored, plan)
        loop = asyncio.get_running_loop()
        at = (id(loop), digest)
        while (flight := self._futures.get(at)) is not None:
            if stored is not MISS:
                return self._hit(stored, plan)
            done, _ = await asyncio.wait([flight], timeout=self._levels.config.lock_timeout)
            if not done:
                return await compute()
            if not flight.cancelled():
                self._levels.avoided += 1
                return self._hit(flight.result(), plan)
            # the leader was cancelled: lead or follow anew
        flight = self._futures[at] = loop.create_future()
        flight.add_done_callback(lambda f: f.cancelled() or f.exception())  # seen, if none waits
        try:
            stored = await self._lead(digest, plan, stored, expected, compute, _IN_LOOP)
            flight.set_result(stored)
        except Exception as error:
            flight.set_exception(error)
            raise
        except BaseException:
            flight.cancel()
            raise
        finally:
            del self._futures[at]
        return give(stored, plan.copy)

    def _hit(self, stored: Any, plan: Plan) -> Any:
        self._levels.hits += 1
        self._levels.negative += is_failure(stored)
        return give(stored, plan.copy)

    async def _lead(
        self,
        digest: bytes,
        plan: Plan,
        stale: Any,
        expected: float | None,
        compute: Callable[[], Awaitable[Any]],
        ways: _Ways,
    ) -> Any:
        """What a leader does; `stale` is what memory has that is due for a refresh, or MISS."""
        levels = self._levels
        held: list[Lease] = []
        try:
            if stale is MISS and plan.levels - {"memory"}:
                stored = await ways.call(lambda: levels.find_below(digest, plan))
                if stored is not MISS:
                    levels.hits += 1
                    return stored
                if plan.lock and (expected is None or expected > _LEASE_WORTH_S):
                    stored = await self._line_up(digest, plan, held, ways)
                    if stored is not MISS:
                        return stored
            levels.misses += 1
            stamps = levels.stamps(plan.tags) if plan.tags else ()
            start = time.perf_counter()
            try:
                value = await compute()
            except Exception as error:
                if stale is not MISS:
                    return stale  # still valid; a later call tries again
                if plan.negative_ttl > 0 and isinstance(error, plan.negative_errors):
                    levels.store_failure(digest, error, plan, stamps)
                raise
            cost = time.perf_counter() - start
            stored, _ = await ways.call(
                lambda: levels.store(digest, value, plan, cost=cost, stamps=stamps)
            )
            return stored
        except GeneratorExit:  # thrown away with its loop: nothing can be awaited
            while held:
                held.pop().release()
            raise
        finally:
            while held:
                await ways.finish(held.pop().release)

    async def _line_up(self, digest: bytes, plan: Plan, held: list[Lease], ways: _Ways) -> Any:
        """Wait for the leases of a key; what others computed in the meantime, or MISS."""
        levels = self._levels
        leases = list(levels.leases(digest, plan))
        for lease in leases:
            held.append(lease)
            waited = False
            if not await ways.call(lease.try_acquire):
                waited = True
                for pause in pauses(levels.config.lock_timeout):
                    await ways.sleep(pause)
                    if await ways.call(lease.try_acquire):
                        break
            if waited or lease is leases[-1]:
                stored = await ways.call(lambda: levels.find_below(digest, plan))
                if stored is not MISS:
                    levels.avoided += waited
                    levels.hits += 1
                    return stored
        return MISS


async def _at_once(call: Callable[[], Any]) -> Any:
    return call()


async def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Of a coroutine that waits for no loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for a loop")


async def _to_the_end(call: Callable[[], Any]) -> Any:
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, call))


_HERE = _Ways(_at_once, _sleep, _at_once)
_IN_LOOP = _Ways(asyncio.to_thread, asyncio.sleep, _to_the_end)
