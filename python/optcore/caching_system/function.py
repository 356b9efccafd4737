"""A decorated function: its keys, its calls through the cache."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import itertools
import os
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optcore._native import runtime
from optcore.caching_system.keys import function_parts, key_of, parts_of
from optcore.caching_system.ledger import Ledger
from optcore.caching_system.levels import MISS, Plan
from optcore.caching_system.values import Failure, Mutable, Tagged, give, is_failure

if TYPE_CHECKING:
    from optcore.caching_system.cache_system import CacheSystem

__all__ = ["CachedCoroutine", "CachedFunction", "is_coroutine_function"]

_MEMORY = frozenset({"memory"})
_tokens: dict[int, tuple[weakref.ref[Any], int]] = {}
_numbers = itertools.count()
_tokens_lock = threading.RLock()  # the collector may call _forget while it is held


def instance_token(instance: Any) -> tuple[object, ...]:
    """What stands for `self` in a key: its class's __cache_key__(), else a number of its own."""
    kind = type(instance)
    if callable(getattr(kind, "__cache_key__", None)):
        return ("self", parts_of(instance))
    at = id(instance)
    found = _tokens.get(at)
    if found is None or found[0]() is not instance:
        with _tokens_lock:
            found = _tokens.get(at)
            if found is None or found[0]() is not instance:
                reference = weakref.ref(instance, lambda r: _forget(at, r))
                found = _tokens[at] = (reference, next(_numbers))
    return ("instance", found[1])


def _forget(at: int, reference: weakref.ref[Any]) -> None:
    with _tokens_lock:
        if at in _tokens and _tokens[at][0] is reference:
            del _tokens[at]


def _after_fork() -> None:
    global _tokens_lock  # noqa: PLW0603  (another thread may hold it at the fork)
    _tokens_lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


class CachedFunction:
    """Calls of a function through a cache; made by :meth:`CacheSystem.cached`.

    In the body of a class it caches a method. What stands for `self` is then a number of that
    object, and the value stays in memory; attributes that the method reads are not in the key. A
    class that says what its objects are, by `__cache_key__()`, shares values in all levels.
    """

    __optcore_cached__ = True
    __name__: str
    _expand = staticmethod(parts_of)
    _token = staticmethod(instance_token)
    _containers = (Mutable, Tagged, Failure)

    def __init__(
        self,
        cache: CacheSystem,
        function: Callable[..., Any],
        plan: Plan,
        *,
        key: Callable[..., Any] | None = None,
        version: str = "",
        adaptive: bool = False,
        ignore: Iterable[str] = (),
    ) -> None:
        self.number = next(_numbers)
        self._cache, self._function, self._plan, self._key = cache, function, plan, key
        self._signature = inspect.signature(function)
        self.name = f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
        self._ignore = frozenset(ignore)
        free = getattr(getattr(function, "__code__", None), "co_freevars", ())
        unknown = self._ignore - set(self._signature.parameters) - set(free)
        if unknown:
            raise TypeError(f"{self.name}: ignore names no argument: {', '.join(sorted(unknown))}")
        cells = getattr(function, "__closure__", None) or ()
        held = zip(free, cells, strict=False)
        self._cells = {name: cell for name, cell in held if name not in self._ignore}
        self._parts = function_parts(function, version)
        self._seed, self._memory = cache.seed, cache.levels.memory
        self._is_method = False
        self._ledger = Ledger(adaptive)
        self._counters = self._ledger.counters
        self._native: Any = None
        self._renew_identity()

    def native(self) -> Any:
        """The callable for users: with hits in native code where the signature allows it."""
        parameters = list(self._signature.parameters.values())
        variadic = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
        if variadic or self._key is not None or self._plan.copy == "deep" or len(parameters) > 32:
            return self
        self._native = weakref.ref(
            wrapper := runtime.cached(
                self,
                [
                    (
                        p.name,
                        p.default is not p.empty,
                        None if p.default is p.empty else p.default,
                        p.kind is not p.KEYWORD_ONLY,
                        p.kind is not p.POSITIONAL_ONLY,
                        p.name not in self._ignore,
                    )
                    for p in parameters
                ],
            )
        )
        return wrapper

    def __set_name__(self, owner: type, name: str) -> None:
        self._is_method = True

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._ledger.step_past():
            return self._function(*args, **kwargs)
        return self._miss(None, None, args, kwargs)

    def _miss(
        self,
        digest: bytes | None,
        looked: tuple[Any, bool] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Go the long way; with a digest, memory was looked up already (`looked` if it hit)."""
        start = time.perf_counter()
        computed: float | None = None

        def compute() -> Any:
            nonlocal computed
            begin = time.perf_counter()
            try:
                return self._function(*args, **kwargs)
            finally:
                computed = time.perf_counter() - begin

        if digest is None:
            digest = self.cache_key(*args, **kwargs)
        elif looked is None:
            looked = (MISS, False)
        else:
            looked = self._cache.levels.checked(digest, looked)
        try:
            return self._cache.flights.obtain(
                digest,
                compute,
                self._plan_of(args),
                self._ledger.expected_s,
                looked,
            )
        finally:
            self._settle(time.perf_counter() - start, computed)

    def _special(self, stored: Any) -> Any:
        """What a stored value in a wrapping gives; NotImplemented when its tags have changed."""
        levels = self._cache.levels
        if type(stored) is Tagged and not levels.tags.valid(stored.stamps):
            return NotImplemented
        if is_failure(stored):
            levels.hits += 1
            levels.negative += 1
        return give(stored)

    def _review(self) -> None:
        self._ledger.review()

    def _settle(self, taken: float, computed: float | None) -> None:
        if computed is None:
            self._ledger.hit(taken)
        else:
            self._ledger.miss(taken, computed)

    def _plan_of(self, args: tuple[Any, ...]) -> Plan:
        if not self._is_method or not args or hasattr(type(args[0]), "__cache_key__"):
            return self._plan
        return dataclasses.replace(self._plan, levels=self._plan.levels & _MEMORY)

    def cache_key(self, *args: Any, **kwargs: Any) -> bytes:
        """The 16 bytes that stand for a call; TypeError names the argument that cannot be keyed."""
        seed = self._seed
        if self._key is not None:
            return key_of((self._identity, self._key(*args, **kwargs)), seed)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = {n: v for n, v in bound.arguments.items() if n not in self._ignore}
        captured = {name: cell.cell_contents for name, cell in self._cells.items()}
        try:
            if self._is_method and args and (own := next(iter(bound.arguments))) in given:
                given[own] = instance_token(args[0])
            return key_of((self._identity, *given.values(), *captured.values()), seed)
        except TypeError:
            self._explain({**captured, **given})
            raise

    def _explain(self, given: dict[str, Any]) -> None:
        for name, value in given.items():
            try:
                key_of(value)
            except TypeError as error:  # noqa: PERF203
                raise TypeError(
                    f"{self.name}: argument {name!r} cannot be keyed: {error}; pass key=, name it "
                    "in ignore=, or give its class __cache_key__()"
                ) from None

    def _renew_identity(self) -> None:
        epoch = self._cache.levels.tags.stamps([f"function {self.name}"])
        self._identity = key_of((self._parts, epoch), self._seed)
        native = self._native and self._native()
        if native is not None:
            native._set_identity(self._identity)

    def cache_clear(self) -> None:
        """Forget all results of this function: here, and in processes that start from now on with
        this `cache_dir`. Where only Redis is shared, others may find them still: give what must
        go everywhere a tag, and invalidate that.
        """
        self._cache.invalidate(f"function {self.name}")
        self._renew_identity()

    def cache_info(self) -> dict[str, Any]:
        """Calls, hits, mean costs in seconds, time saved, and whether the cache pays."""
        return self._ledger.report()

    def invalidate(self, *args: Any, **kwargs: Any) -> bool:
        """Forget the result of one call."""
        return self._cache.levels.erase(self.cache_key(*args, **kwargs))


def is_coroutine_function(function: Any) -> bool:
    """Whether a call must be awaited; before Python 3.12 inspect does not know our own."""
    plain = getattr(function, "__func__", function)
    return isinstance(plain, CachedCoroutine) or inspect.iscoroutinefunction(plain)


class CachedCoroutine(CachedFunction):
    """Calls of an `async def` function; callers of one event loop wait for one computation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if hasattr(inspect, "markcoroutinefunction"):
            inspect.markcoroutinefunction(self)
        else:  # before Python 3.12
            self._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]

    def native(self) -> Any:
        return self

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        ledger = self._ledger
        if ledger.step_past():
            return await self._function(*args, **kwargs)
        start = time.perf_counter()
        computed: float | None = None

        async def compute() -> Any:
            nonlocal computed
            begin = time.perf_counter()
            try:
                return await self._function(*args, **kwargs)
            finally:
                computed = time.perf_counter() - begin

        digest = self.cache_key(*args, **kwargs)
        try:
            return await self._cache.flights.obtain_async(
                digest, compute, self._plan_of(args), ledger.expected_s
            )
        finally:
            self._settle(time.perf_counter() - start, computed)
