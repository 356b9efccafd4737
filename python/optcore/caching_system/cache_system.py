"""The cache: memory first, then disk, then Redis, then computation by one caller."""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar, cast, overload

from optcore.caching_system.config import CacheConfig
from optcore.caching_system.flight import Flights
from optcore.caching_system.function import CachedCoroutine, CachedFunction, is_coroutine_function
from optcore.caching_system.keys import key_of
from optcore.caching_system.levels import LEVELS, MISS, Levels, Plan, checked_ttl
from optcore.caching_system.statistics import statistics
from optcore.caching_system.tags import TagSlots
from optcore.caching_system.values import Copy, give, is_failure
from optcore.errors import ConfigError

__all__ = ["CacheLookup", "CacheSystem"]

_F = TypeVar("_F", bound=Callable[..., Any])
_open: weakref.WeakSet[CacheSystem] = weakref.WeakSet()


class CacheLookup(NamedTuple):
    """What a key holds; `found` is true for a stored None."""

    value: Any
    found: bool


class CacheSystem:
    """Three levels behind one set of calls; safe for threads and forks, a context manager.

    Trouble with a level is a miss and a count in :meth:`get_statistics`, never an exception.
    """

    def __init__(self, config: CacheConfig | None = None) -> None:
        if config is not None and not isinstance(config, CacheConfig):
            raise ConfigError(f"config must be a CacheConfig, got {config!r}; see from_dict()")
        self.config = config or CacheConfig()
        secret = self.config.signing_key if self.config.enable_distributed else None
        #: of the keys: who does not know the signing key cannot prepare two inputs with one key
        self.seed = (
            int.from_bytes(hashlib.sha256(secret.encode()).digest()[:8], "little") if secret else 0
        )
        self.levels = Levels(self.config)
        self.flights = Flights(self.levels)
        self._default = Plan(checked_ttl(self.config.default_ttl_seconds))
        self._functions: weakref.WeakSet[CachedFunction] = weakref.WeakSet()
        _open.add(self)

    def get(self, key: Any, default: Any = None) -> CacheLookup:
        """(value, found) of a key; arrays are read-only."""
        stored = self._look(self._key(key))
        return CacheLookup(default, False) if stored is MISS else CacheLookup(give(stored), True)

    def put(
        self, key: Any, value: Any, ttl: float | None = None, *, tags: Iterable[str] = ()
    ) -> bool:
        """Store a value for `ttl` seconds; True when some level took it.

        A level that is away cannot be told; what it has of the key is older then and refused here,
        and Redis forgets it before it is used again.
        """
        stamps = self.levels.stamps(tags) if tags else ()
        return self.levels.store(self._key(key), value, self._plan(ttl), stamps=stamps)[1]

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Values of the keys that are there; Redis is asked once for all."""
        digests = {self._key(key): key for key in keys}
        found = self.levels.get_many(digests, self._plan(None))
        self.levels.hits += len(found)
        self.levels.misses += len(digests) - len(found)
        return {digests[digest]: give(stored) for digest, stored in found.items()}

    def put_many(
        self, values: Mapping[Any, Any], ttl: float | None = None, *, tags: Iterable[str] = ()
    ) -> int:
        """Store several values; how many some level took. Redis gets all in one round trip."""
        stamps = self.levels.stamps(tags) if tags else ()
        digests = {self._key(key): value for key, value in values.items()}
        return self.levels.put_many(digests, self._plan(ttl), stamps)

    def get_or_compute(
        self, key: Any, function: Callable[[], Any], ttl: float | None = None
    ) -> Any:
        """The value of a key, computed by one caller when it is absent.

        A coroutine function gives a coroutine: `await cache.get_or_compute("k", fetch)`.
        """
        plan = self._plan(ttl)
        if is_coroutine_function(function):
            return self.flights.obtain_async(self._key(key), function, plan)
        return self.flights.obtain(self._key(key), function, plan)

    def delete(self, key: Any) -> bool:
        """Forget a key; whether some level had it. Where a level is away, as with :meth:`put`."""
        return self.levels.erase(self._key(key))

    def invalidate(self, tag: str) -> None:
        """Make every entry with this tag invalid, in all processes and on all hosts.

        Hosts that share a Redis learn it at once; one that is cut off learns it on its return.
        """
        self.levels.invalidate(tag)

    def __contains__(self, key: Any) -> bool:
        return self._look(self._key(key), count=False) is not MISS

    def clear(self, level: str | None = None) -> None:
        """Forget everything, or one level: "memory", "disk" or "distributed".

        Redis is cleared for all hosts with the same `redis_prefix`, now or when it is back.
        """
        self.levels.clear(level)

    def precompute(self, function: Callable[..., Any], inputs: Iterable[Any]) -> int:
        """Call a cached function on each input (a tuple is several arguments); how many.

        What Redis has is fetched `precompute_batch_size` keys at a time.
        """
        if is_coroutine_function(function):
            name = getattr(function, "__qualname__", function)
            raise TypeError(f"precompute cannot await, and {name} is a coroutine function")
        count = 0
        pending = iter(inputs)
        own = (function.__self__,) if inspect.ismethod(function) else ()
        while batch := list(itertools.islice(pending, self.config.precompute_batch_size)):
            calls = [item if isinstance(item, tuple) else (item,) for item in batch]
            if (key_of_call := getattr(function, "cache_key", None)) is not None:
                self.levels.get_many((key_of_call(*own, *c) for c in calls), self._plan(None))
            for call in calls:
                function(*call)
            count += len(calls)
        return count

    @overload
    def cached(self, ttl: _F) -> CachedFunction: ...
    @overload
    def cached(
        self,
        ttl: float | None = None,
        *,
        key: Callable[..., Any] | None = None,
        version: str = "",
        levels: Iterable[str] | None = None,
        tags: Iterable[str] = (),
        negative_ttl: float = 0.0,
        negative_errors: tuple[type[Exception], ...] = (ArithmeticError, LookupError, ValueError),
        lock: bool = True,
        copy: Copy = "readonly",
        adaptive: bool = False,
        ignore: Iterable[str] = (),
    ) -> Callable[[Callable[..., Any]], CachedFunction]: ...
    def cached(
        self,
        ttl: Any = None,
        *,
        key: Callable[..., Any] | None = None,
        version: str = "",
        levels: Iterable[str] | None = None,
        tags: Iterable[str] = (),
        negative_ttl: float = 0.0,
        negative_errors: tuple[type[Exception], ...] = (ArithmeticError, LookupError, ValueError),
        lock: bool = True,
        copy: Copy = "readonly",
        adaptive: bool = False,
        ignore: Iterable[str] = (),
    ) -> Any:
        """Decorate a function, a method or a coroutine: equal arguments are computed once.

        Args:
            ttl: seconds a value is valid; None: the configuration's.
            key: function of the same arguments that returns what stands for them.
            version: changes the key; a change of the source does so by itself.
            levels: some of "memory", "disk" and "distributed"; None: all that are on.
            tags: names by which :meth:`invalidate` finds the values.
            negative_ttl: seconds an exception is kept in memory and raised again; 0: not at all.
            negative_errors: which exceptions are kept.
            lock: other processes and hosts wait for one that computes the same (only where that
                takes longer than 2 ms).
            copy: "readonly": arrays are shared and cannot be written; "deep": each caller gets a
                copy of its own; "none": the object itself, which a caller can spoil.
            adaptive: step aside where the cache costs more than it saves.
            ignore: names of arguments, or of variables of the closure, that do not change
                the result.

        Attributes, globals and files that the function reads are not in the key.
        """
        if callable(ttl):
            return self.cached()(ttl)
        chosen = frozenset(LEVELS if levels is None else levels)
        if unknown := chosen - set(LEVELS):
            raise ConfigError(f"levels must be of {', '.join(LEVELS)}; got {sorted(unknown)}")
        if copy not in ("readonly", "deep", "none"):
            raise ConfigError(f"copy must be 'readonly', 'deep' or 'none', got {copy!r}")
        if not negative_ttl >= 0:
            raise ConfigError(f"negative_ttl must be seconds, 0 or more; got {negative_ttl!r}")
        if isinstance(tags, str):
            raise ConfigError(f"tags must be several strings, got the one string {tags!r}")
        for tag in (tags := tuple(tags)):
            TagSlots.slot(tag)
        one = isinstance(negative_errors, type) or not isinstance(negative_errors, Iterable)
        given = cast("Iterable[type[Exception]]", (negative_errors,) if one else negative_errors)
        kept = tuple(given)
        if not all(isinstance(e, type) and issubclass(e, Exception) for e in kept):
            raise ConfigError(f"negative_errors must be exception types, got {negative_errors!r}")
        plan = Plan(
            checked_ttl(self.config.default_ttl_seconds if ttl is None else ttl),
            chosen, tags, copy, lock, negative_ttl, kept,
        )  # fmt: skip

        def decorate(function: Callable[..., Any]) -> CachedFunction:
            if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
                raise TypeError(f"{function!r} makes generators, which can be used once")
            kind = CachedCoroutine if is_coroutine_function(function) else CachedFunction
            controller = kind(
                self, function, plan, key=key, version=version, adaptive=adaptive, ignore=ignore
            )
            self._functions.add(controller)
            wrapper = controller.native()
            for name, value in vars(function).items() if hasattr(function, "__dict__") else ():
                if not hasattr(wrapper, name):  # of two caches one in another, each has its own
                    setattr(wrapper, name, value)
            functools.update_wrapper(wrapper, function, updated=())
            return wrapper  # type: ignore[no-any-return]

        return decorate

    def get_statistics(self) -> dict[str, Any]:
        """Counts of each level and of all together, plain numbers; rates lie in [0, 1]."""
        functions: dict[str, Any] = {}
        for function in sorted(self._functions, key=lambda f: f.number):
            name, count = function.name, itertools.count(2)
            while name in functions:  # two of one name, as of a function that decorates
                name = f"{function.name} ({next(count)})"
            functions[name] = function.cache_info()
        return statistics(self.levels, functions)

    def close(self) -> None:
        self.levels.close()

    def __enter__(self) -> CacheSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key(self, key: Any) -> bytes:
        return key_of(key, self.seed)

    def _plan(self, ttl: float | None) -> Plan:
        return self._default if ttl is None else Plan(checked_ttl(ttl))

    def _look(self, digest: bytes, *, count: bool = True) -> Any:
        stored, _ = self.levels.find(digest)
        if stored is MISS:
            stored = self.levels.find_below(digest, self._default)
        elif is_failure(stored):
            stored = MISS
        if count:
            self.levels.hits += stored is not MISS
            self.levels.misses += stored is MISS
        return stored


def _after_fork() -> None:
    for cache in list(_open):
        cache.levels.renew()
        cache.flights.renew()


os.register_at_fork(after_in_child=_after_fork)
