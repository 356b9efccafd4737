"""Computing a missing value once: for the threads of a process, its coroutines, other processes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from optcore._native import runtime
from optcore.caching_system.leases import Lease, pauses
from optcore.caching_system.levels import MISS, Levels, Plan
from optcore.caching_system.values import Failure, give

__all__ = ["Flights"]

_COMPUTE: Any = object()
_LEASE_WORTH_S = 2e-3  #: what computes faster than this is not worth a lease


class Flights:
    """Finds or computes; the waiting is done by two small drivers, one of them for coroutines."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self.renew()

    def renew(self) -> None:
        """In a forked child nobody else computes."""
        self._flights = runtime.SingleFlight()
        self._futures: dict[tuple[int, bytes], asyncio.Future[Any]] = {}
        self._lock = threading.Lock()

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
            self._levels.avoided += 1
            landed, error = ticket.result
            if error is not None:
                raise error
            return self._hit(landed, plan)
        outcome: tuple[Any, BaseException | None] = (None, RuntimeError("computation abandoned"))
        try:
            stored = self._run(self._steps(digest, plan, stored, expected), compute)
            outcome = (stored, None)
        except BaseException as error:
            outcome = (None, error)
            raise
        finally:
            self._flights.land(digest, ticket, outcome)
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
            steps = self._steps(digest, plan, stored, expected)
            stored = await self._run_async(steps, compute)
            flight.set_result(stored)
        except asyncio.CancelledError:
            flight.cancel()
            raise
        except BaseException as error:
            flight.set_exception(error)
            raise
        finally:
            del self._futures[at]
        return give(stored, plan.copy)

    def _hit(self, stored: Any, plan: Plan) -> Any:
        self._levels.hits += 1
        self._levels.negative += type(stored) is Failure
        return give(stored, plan.copy)

    def _steps(
        self, digest: bytes, plan: Plan, stale: Any, expected: float | None
    ) -> Generator[Any, Any, Any]:
        """What a leader does. Yields seconds to sleep, calls that may block, and _COMPUTE."""
        levels = self._levels
        held: list[Lease] = []
        try:
            if stale is MISS and plan.levels - {"memory"}:
                stored = yield lambda: levels.find_below(digest, plan)
                if stored is not MISS:
                    levels.hits += 1
                    return stored
                if plan.lock and (expected is None or expected > _LEASE_WORTH_S):
                    for lease in levels.leases(digest, plan):
                        waited = False
                        held.append(lease)
                        if not (yield lease.try_acquire):
                            waited = True
                            for pause in pauses(levels.config.lock_timeout):
                                yield pause
                                if (yield lease.try_acquire):
                                    break
                        stored = yield lambda: levels.find_below(digest, plan)
                        if stored is not MISS:  # computed elsewhere in the meantime
                            levels.avoided += waited
                            levels.hits += 1
                            return stored
            levels.misses += 1
            stamps = levels.stamps(plan.tags) if plan.tags else ()
            start = time.perf_counter()
            try:
                value = yield _COMPUTE
            except Exception as error:
                if stale is not MISS:
                    return stale  # still valid; a later call tries again
                if plan.negative_ttl > 0 and isinstance(error, plan.negative_errors):
                    levels.store_failure(digest, error, plan)
                raise
            cost = time.perf_counter() - start
            stored, _ = yield lambda: levels.store(digest, value, plan, cost=cost, stamps=stamps)
            return stored
        finally:
            for lease in held:
                lease.release()

    @staticmethod
    def _run(steps: Generator[Any, Any, Any], compute: Callable[[], Any]) -> Any:
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                if step is _COMPUTE:
                    try:
                        answer = compute()
                    except StopIteration as error:  # a generator cannot be told of it
                        raise RuntimeError("the cached function raised StopIteration") from error
                    except BaseException as error:
                        answer = steps.throw(error)  # ends the generator
                elif isinstance(step, float):
                    time.sleep(step)
                    answer = None
                else:
                    answer = step()
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    @staticmethod
    async def _run_async(
        steps: Generator[Any, Any, Any], compute: Callable[[], Awaitable[Any]]
    ) -> Any:
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                if step is _COMPUTE:
                    try:
                        answer = await compute()
                    except BaseException as error:
                        answer = steps.throw(error)
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                    answer = None
                else:
                    answer = await asyncio.to_thread(step)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
