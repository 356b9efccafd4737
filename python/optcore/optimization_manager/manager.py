"""One place to ask for a faster function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optcore.caching_system import CacheConfig, CacheSystem
from optcore.errors import ConfigError
from optcore.memory_manager import MemoryManager
from optcore.optimization_manager.optimized import OptimizedFunction
from optcore.profiler import SystemProfiler

__all__ = ["OptimizationManager"]

_LEVELS = ("none", "medium", "aggressive")


class OptimizationManager:
    """Profiler, memory pool and cache, and functions that use them where it pays.

    Args:
        profiler, memory, cache: the caller's own; default ones when absent, the cache in memory
            alone.

    Example:
        >>> manager = OptimizationManager()
        >>> def slow(n):
        ...     return sum(k * k for k in range(n))
        >>> fast = manager.optimize_function(slow, calls=[(20000,)] * 300)
        >>> fast.state, [p.kind for p in fast.proposals if p.applied]
        ('adopted', ['cache'])
    """

    def __init__(
        self,
        *,
        profiler: SystemProfiler | None = None,
        memory: MemoryManager | None = None,
        cache: CacheSystem | None = None,
    ) -> None:
        self.profiler = profiler or SystemProfiler()
        self.memory = memory or MemoryManager()
        self.cache = cache or CacheSystem(CacheConfig(enable_persistence=False))

    def optimize_function(
        self,
        func: Callable[..., Any],
        optimization_level: str = "medium",
        *,
        calls: Iterable[tuple[Any, ...]] = (),
        observe: int = 50,
        trial: int = 50,
    ) -> Callable[..., Any]:
        """A function that returns what `func` returns, sooner where its calls allow it.

        Args:
            func: not a generator or coroutine.
            optimization_level: "none" gives `func` itself. "medium" caches what its code
                shows to be a function of its arguments (see purity_of), pools results of functions
                that take `out=`, and joins rows in `map`. "aggressive" does so where only its calls
                show it to be one.
            calls: arguments to call it with at once, in place of waiting for real calls.
            observe: calls that are watched before anything is tried.
            trial: calls of each kind in the trial that follows.

        Returns:
            An OptimizedFunction: `report()`, `proposals`, `rollback()`, `map()`.

        Raises:
            ConfigError: an unknown level; numbers below 1; a coroutine or generator function.
        """
        if optimization_level not in _LEVELS:
            raise ConfigError(
                f"optimization_level must be one of {', '.join(_LEVELS)}, got "
                f"{optimization_level!r}"
            )
        if optimization_level == "none":
            return func
        _check(func, observe, trial)
        apply = (
            self._apply_all_optimizations
            if optimization_level == "aggressive"
            else self._apply_safe_optimizations
        )
        optimized = apply(func, observe=observe, trial=trial)
        for args in calls:
            optimized(*args)
        return optimized

    def _apply_safe_optimizations(
        self, func: Callable[..., Any], *, observe: int = 50, trial: int = 50
    ) -> OptimizedFunction:
        return self._optimized(func, "medium", observe, trial)

    def _apply_all_optimizations(
        self, func: Callable[..., Any], *, observe: int = 50, trial: int = 50
    ) -> OptimizedFunction:
        return self._optimized(func, "aggressive", observe, trial)

    def _optimized(
        self, func: Callable[..., Any], level: str, observe: int, trial: int
    ) -> OptimizedFunction:
        return OptimizedFunction(
            func, level, profiler=self.profiler, memory=self.memory, cache=self.cache,
            observe=observe, trial=trial,
        )  # fmt: skip

    def close(self) -> None:
        """Close the cache; functions made here go on without it."""
        self.cache.close()

    def __enter__(self) -> OptimizationManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(func: Callable[..., Any], observe: int, trial: int) -> None:
    import inspect

    if not callable(func):
        raise ConfigError(f"func: need a function, got {type(func).__name__}")
    if any(
        test(func)
        for test in (
            inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction,
        )
    ):  # fmt: skip
        raise ConfigError(f"func: {func!r} is a coroutine or generator; optimize what it calls")
    if observe < 1 or trial < 1:
        raise ConfigError(f"observe and trial must be >= 1, got {observe} and {trial}")
