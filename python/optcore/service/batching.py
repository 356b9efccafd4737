"""Micro-batching: predictions asked for at the same time are computed as one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batcher"]

Array = NDArray[np.float64]
Predict = Callable[[Array], tuple[Array, Array]]

_INLINE = 20_000  # rows x training points below which a thread costs more than the prediction


class Batcher:
    """Joins the rows of waiting requests; each gets back its own.

    Nobody waits for company longer than `window` s; while one batch is computed, the next one
    gathers. Only rows of one length are joined: one request cannot fail another's.
    """

    def __init__(
        self,
        predict: Predict,
        points: int,
        max_rows: int,
        window: float,
        observe: Callable[[int], object],
    ) -> None:
        self._predict, self._points, self._observe = predict, points, observe
        self._max_rows, self._window = max_rows, window
        self._waiting: deque[tuple[Array, asyncio.Future[tuple[Array, Array]]]] = deque()
        self._scheduled = False
        self._thread = ThreadPoolExecutor(1, "optcore-predict")
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, rows: Array) -> tuple[Array, Array]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Array, Array]] = loop.create_future()
        self._waiting.append((rows, future))
        if not self._scheduled:
            self._scheduled = True
            if self._window > 0:
                loop.call_later(self._window, self._begin)
            else:
                loop.call_soon(self._begin)
        return await future

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._one()
        finally:
            self._scheduled = False

    def _fits(self, first: Array, count: int) -> bool:
        rows = self._waiting[0][0]
        return rows.shape[1] == first.shape[1] and count + len(rows) <= self._max_rows

    async def _one(self) -> None:
        batch: list[tuple[Array, asyncio.Future[tuple[Array, Array]]]] = []
        count = 0
        while self._waiting and (not batch or self._fits(batch[0][0], count)):
            rows, future = self._waiting.popleft()
            if not future.done():  # its client may have given up
                batch.append((rows, future))
                count += len(rows)
        if not batch:
            return
        self._observe(count)
        together = batch[0][0] if len(batch) == 1 else np.concatenate([rows for rows, _ in batch])
        try:
            if count * self._points < _INLINE:
                mean, variance = self._predict(together)
            else:
                loop = asyncio.get_running_loop()
                mean, variance = await loop.run_in_executor(self._thread, self._predict, together)
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        at = 0
        for rows, future in batch:
            if not future.done():
                future.set_result((mean[at : at + len(rows)], variance[at : at + len(rows)]))
            at += len(rows)
