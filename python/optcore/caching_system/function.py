"""A decorated function: its keys, and whether caching it pays."""

from __future__ import annotations

import inspect
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optcore.caching_system.keys import function_parts, key_of

if TYPE_CHECKING:
    from optcore.caching_system.cache_system import CacheSystem

__all__ = ["CachedFunction"]

_REVIEW_EVERY = 64
_ASIDE_CALLS = 4096


class CachedFunction:
    """Calls of a function through a cache; made by :meth:`CacheSystem.cached`."""

    __optcore_cached__ = True
    __name__: str

    def __init__(
        self,
        cache: CacheSystem,
        function: Callable[..., Any],
        ttl: float,
        key: Callable[..., Any] | None,
        version: str,
        persist: bool,
        adaptive: bool,
        ignore: frozenset[str],
    ) -> None:
        self._cache, self._function, self._ttl = cache, function, ttl
        self._key, self._persist, self._adaptive, self._ignore = key, persist, adaptive, ignore
        self._signature = inspect.signature(function)
        self.name = f"{function.__module__}.{function.__qualname__}"
        unknown = ignore - set(self._signature.parameters)
        if unknown:
            raise TypeError(f"{self.name}: ignore names no argument: {', '.join(sorted(unknown))}")
        self._identity = key_of(function_parts(function, version))
        self._cells = getattr(function, "__closure__", None) or ()
        self._calls = self._computed = self._skip = 0
        self._compute_s = self._miss_s = self._hit_s = 0.0

    def cache_key(self, *args: Any, **kwargs: Any) -> bytes:
        """The 16 bytes that stand for a call; TypeError names the argument that cannot be keyed."""
        if self._key is not None:
            return key_of((self._identity, self._key(*args, **kwargs)))
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = {n: v for n, v in bound.arguments.items() if n not in self._ignore}
        captured = tuple(cell.cell_contents for cell in self._cells)
        try:
            return key_of((self._identity, given, captured))
        except TypeError:
            self._explain(given, captured)
            raise

    def _explain(self, given: dict[str, Any], captured: tuple[Any, ...]) -> None:
        names = self._function.__code__.co_freevars
        pairs = [*given.items(), *zip(names, captured, strict=False)]
        for name, value in pairs:
            try:
                key_of(value)
            except TypeError as error:  # noqa: PERF203
                raise TypeError(
                    f"{self.name}: argument {name!r} cannot be keyed: {error}; pass key=, name it "
                    "in ignore=, or give its class __cache_key__()"
                ) from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._skip > 0:
            self._skip -= 1
            return self._function(*args, **kwargs)
        start = time.perf_counter()
        computed = 0.0

        def compute() -> Any:
            nonlocal computed
            begin = time.perf_counter()
            try:
                return self._function(*args, **kwargs)
            finally:
                computed = time.perf_counter() - begin

        value = self._cache.obtain(
            self.cache_key(*args, **kwargs), compute, self._ttl, disk=self._persist
        )
        taken = time.perf_counter() - start
        self._calls += 1
        if computed > 0:
            self._computed += 1
            self._compute_s += computed
            self._miss_s += taken - computed
        else:
            self._hit_s += taken
        if self._adaptive and self._calls % _REVIEW_EVERY == 0 and self.saved_s < 0:
            self._skip = _ASIDE_CALLS
        return value

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    @property
    def saved_s(self) -> float:
        """Seconds saved so far; negative where the cache costs more than it saves."""
        hits = self._calls - self._computed
        mean = self._compute_s / self._computed if self._computed else 0.0
        return hits * mean - self._hit_s - self._miss_s

    def cache_info(self) -> dict[str, Any]:
        """Calls, hits, mean costs in seconds, time saved, and whether the cache pays."""
        hits = self._calls - self._computed
        return {
            "calls": self._calls,
            "hits": hits,
            "hit_rate": hits / self._calls if self._calls else 0.0,
            "compute_s": self._compute_s / self._computed if self._computed else None,
            "hit_s": self._hit_s / hits if hits else None,
            "miss_overhead_s": self._miss_s / self._computed if self._computed else None,
            "saved_s": self.saved_s,
            "pays": self.saved_s > 0,
            "stepped_aside": self._skip > 0,
        }

    def invalidate(self, *args: Any, **kwargs: Any) -> bool:
        """Forget the result of one call."""
        return self._cache._erase(self.cache_key(*args, **kwargs))
