"""A function that watches its first calls, tries what they suggest, and keeps what pays."""

from __future__ import annotations

import functools
import logging
import threading
import time
import types
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from optcore.caching_system import CacheSystem
from optcore.memory_manager import MemoryManager
from optcore.optimization_manager.observation import Example, Recorder
from optcore.optimization_manager.proposals import Proposal, propose, split
from optcore.optimization_manager.purity import purity_of
from optcore.profiler import Bottleneck, SystemProfiler
from optcore.rollout import difference

__all__ = ["OptimizedFunction"]

_log = logging.getLogger("optcore.optimization_manager")

_IMMUTABLE = (int, float, complex, str, bytes, type(None), np.generic)
_LEAST_GAIN = 1.05
_PROFILED_S = 1e-3  # mean time from which a profile of one call tells something
_CHECK_EVERY = 100  # adopted calls, of which one is compared with the original


class OptimizedFunction:
    """A function under :meth:`OptimizationManager.optimize_function`; called like the original.

    The first `observe` calls run as they are and are watched. Then what they suggest is tried on as
    many calls in turns with the original, equal results required; where the time of all is not less
    by 5 %, or a result differs, everything is taken back. Later one call in {every} is compared
    again.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        level: str,
        *,
        profiler: SystemProfiler,
        memory: MemoryManager,
        cache: CacheSystem,
        observe: int,
        trial: int,
    ) -> None:
        functools.update_wrapper(self, function)
        self.level = level
        self.proposals: list[Proposal] = []
        self.bottlenecks: tuple[Bottleneck, ...] = ()
        self.state = "observing"
        """observing, deciding, trying, adopted, unchanged or rolled back"""
        self.reason = ""
        """of a rollback"""
        self.speedup = float("nan")
        """of the trial's calls altogether"""
        self._function, self._profiler, self._memory, self._cache = (
            function,
            profiler,
            memory,
            cache,
        )
        self._observe, self._trial = observe, trial
        self._recorder = Recorder(function)
        self._variant: Callable[..., Any] = function
        self._batched = False
        self._times = {"original": 0.0, "optimized": 0.0}
        self._turns = 0
        self._lock = threading.RLock()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.state == "adopted":
            self._turns += 1
            if self._turns % _CHECK_EVERY or self._variant is self._function:
                return self._variant(*args, **kwargs)
            return self._compared(args, kwargs)
        if self.state == "observing":
            return self._observed(args, kwargs)
        if self.state == "trying":
            return self._tried(args, kwargs)
        return self._function(*args, **kwargs)

    def map(self, rows: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """[f(row, *args, **kwargs) for row in rows]; in one call where that was found to be the
        same and faster."""
        inputs = list(rows)
        alike = all(isinstance(one, np.ndarray) and one.ndim == 2 for one in inputs) and (
            len({(one.shape[1], one.dtype) for one in inputs}) == 1
        )
        if self._batched and len(inputs) > 1 and alike:
            result = self._function(np.concatenate(inputs), *args, **kwargs)
            parts = split(result, [len(one) for one in inputs])
            if parts is not None:
                return parts
        return [self(one, *args, **kwargs) for one in inputs]

    def rollback(self, reason: str = "by hand") -> None:
        """Use the original from now on."""
        with self._lock:
            self._variant, self._batched = self._function, False
            self.state, self.reason = "rolled back", reason
        _log.warning("%s: back to the original: %s", self._name, reason)

    def report(self) -> str:
        """What was found, applied and measured."""
        lines = [f"{self._name} (level {self.level}): {self.state}"]
        if self.reason:
            lines[0] += f", {self.reason}"
        if self.speedup == self.speedup:
            lines[0] += f"; {self.speedup:.2f} x as fast in the trial"
        for one in self.proposals:
            verdict = "proposed and applied" if one.applied else f"not applied: {one.reason}"
            lines.append(f"  {one.kind}: {one.evidence}; {verdict}")
        lines += [f"  profile: {b.kind}: {b.evidence}; {b.suggestion}" for b in self.bottlenecks]
        return "\n".join(lines)

    # --- inside --------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return getattr(self._function, "__qualname__", type(self._function).__qualname__)

    def _observed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        recorder = self._recorder
        seen = recorder.observations
        if len(seen) == self._observe // 2 and _mean(seen) >= _PROFILED_S:
            result, data = self._profiler.profile_function(recorder, *args, **kwargs)
            self.bottlenecks = data.bottlenecks
        else:
            result = recorder(*args, **kwargs)
        with self._lock:  # never while the function runs: it may wait for other callers
            due = len(seen) >= self._observe and self.state == "observing"
            if due:
                self.state = "deciding"
        if due:
            self._decide()
        return result

    def _decide(self) -> None:
        recorder = self._recorder
        self.proposals = propose(
            self._function, self.level, recorder.observations, recorder.examples,
            purity_of(self._function),
        )  # fmt: skip
        self._recorder = Recorder(self._function)  # nothing of the callers' is kept
        wanted = {one.kind for one in self.proposals if one.applied}
        variant = self._function
        if "pool" in wanted:
            variant = self._pooled(recorder.examples)
        if "cache" in wanted:
            fixed = all(isinstance(e.result, _IMMUTABLE) for e in recorder.examples)
            variant = self._cache.cached(
                adaptive=True, levels=("memory",), copy="none" if fixed else "deep"
            )(variant)
        self._variant = variant
        self._batched = "batch" in wanted
        if variant is self._function:
            self.state = "adopted" if self._batched else "unchanged"
        else:
            self.state = "trying"

    def _pooled(self, examples: Sequence[Example]) -> Callable[..., Any]:
        function, pool = self._function, self._memory
        shape, dtype = examples[0].result.shape, examples[0].result.dtype
        # a result of other arguments may have another shape, which out= would broadcast away
        known = {_form((example.args, example.kwargs)) for example in examples} - {None}

        @functools.wraps(function)
        def with_out(*args: Any, **kwargs: Any) -> Any:
            if _form((args, kwargs)) not in known:
                return function(*args, **kwargs)
            # reclaimed by the pool when the caller lets go of it
            return function(*args, **kwargs, out=pool.get_numpy_array(shape, dtype))

        return with_out

    def _tried(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self._lock:
            self._turns += 1
            turn = self._turns
        # A B B A: neither always meets the other's arguments second
        ours = turn % 4 in (2, 3)
        start = time.perf_counter()
        result = (self._variant if ours else self._function)(*args, **kwargs)
        taken = time.perf_counter() - start
        if ours and turn % 8 == 2:
            expected = self._function(*args, **kwargs)
            if (apart := difference(result, expected)) > 0:
                self.rollback(f"a result differed by {apart:g}")
                return expected
        with self._lock:
            self._times["optimized" if ours else "original"] += taken
            if turn < 2 * self._trial or self.state != "trying":
                return result
            self.speedup = self._times["original"] / max(self._times["optimized"], 1e-12)
            if self.speedup >= _LEAST_GAIN:
                self.state = "adopted"
        if self.state == "adopted":
            _log.info("%s", self.report())
        else:
            self.rollback(f"{self.speedup:.2f} x as fast is no gain")
        return result

    def _compared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = self._variant(*args, **kwargs)
        expected = self._function(*args, **kwargs)
        if (apart := difference(result, expected)) > 0:
            self.rollback(f"a result differed by {apart:g}: what it reads has changed")
            return expected
        return result


OptimizedFunction.__doc__ = (OptimizedFunction.__doc__ or "").replace("{every}", str(_CHECK_EVERY))


def _form(value: Any) -> Hashable:
    """What the shape and type of a result may depend on; None: it cannot be told."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str
    if isinstance(value, float | np.inexact):
        return (type(value),)
    if isinstance(value, int | str | bytes | np.generic):  # an axis, a size, a mode
        return type(value), value
    if value is None:
        return "none"
    parts: list[Hashable]
    if isinstance(value, tuple | list):
        parts = [_form(one) for one in value]
    elif isinstance(value, dict):
        parts = [(key, form) if (form := _form(one)) else None for key, one in value.items()]
    else:
        return None
    return None if None in parts else (type(value), *parts)


def _mean(observations: list[Any]) -> float:
    return sum(seen.seconds for seen in observations) / len(observations) if observations else 0.0
