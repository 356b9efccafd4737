"""What is called: arguments bound and checked, caches passed by or emptied as asked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optcore.errors import ConfigError

__all__ = ["CachePolicy", "Subject", "default_name", "subject_of"]

CachePolicy = Literal["bypass", "as_is", "cold_and_hit"]
_POLICIES = ("bypass", "as_is", "cold_and_hit")


@dataclass(frozen=True)
class Subject:
    """A call without arguments, and what is known about its cache."""

    call: Callable[[], Any]
    cache: str
    """"none", "bypassed", "as_is" or "cold_and_hit\""""
    clear: Callable[[], Any] | None = None
    """empties the cache"""


def default_name(function: Callable[..., Any]) -> str:
    """module.qualname, or the type's for an object that is called."""
    inner = getattr(function, "func", function)  # of a partial
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', None) or type(inner).__module__}.{name}"


def subject_of(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    policy: str,
) -> Subject:
    """Bind the arguments; a missing or unknown one is named.

    A cached function (optcore's, or functools.lru_cache) is called past its cache by default:
    timing its hits would say nothing about the function.
    """
    if not callable(function):
        raise ConfigError(f"function must be callable, got {function!r}")
    if policy not in _POLICIES:
        raise ConfigError(f"cache_policy must be one of {', '.join(_POLICIES)}, got {policy!r}")
    _check_arguments(function, args, kwargs)
    cached = _is_cached(function)
    if cached and policy == "bypass":
        return Subject(_bound(_beneath(function), args, kwargs), "bypassed")
    if not cached:
        return Subject(_bound(function, args, kwargs), "none")
    clear = getattr(function, "cache_clear", None)
    if policy == "cold_and_hit" and clear is None:
        raise ConfigError(f"{default_name(function)}: its cache cannot be emptied (no cache_clear)")
    return Subject(_bound(function, args, kwargs), policy, clear)


def _check_arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return  # a built-in without one
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigError(f"{default_name(function)}: {error}; give args= and kwargs=") from None


def _bound(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Callable[[], Any]:
    return functools.partial(function, *args, **kwargs) if args or kwargs else function


def _is_cached(function: Callable[..., Any]) -> bool:
    inner = getattr(function, "__func__", function)  # of a bound method
    return getattr(inner, "__optcore_cached__", False) or (
        hasattr(inner, "cache_info") and hasattr(inner, "cache_clear")
    )


def _beneath(function: Callable[..., Any]) -> Callable[..., Any]:
    inner = getattr(function, "__func__", function)
    original: Callable[..., Any] | None = getattr(inner, "__wrapped__", None)
    if original is None:
        raise ConfigError(
            f"{default_name(function)} is cached and hides its function (no __wrapped__): "
            "cache_policy='as_is' measures it with its cache"
        )
    owner = getattr(function, "__self__", None)
    bound = owner is not None and inner is not function
    return functools.partial(original, owner) if bound else original
