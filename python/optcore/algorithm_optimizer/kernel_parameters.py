"""The manual's `kernel_params`: names, defaults, the kernel they stand for, and their key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from optcore._native import runtime
from optcore.errors import ConfigError
from optcore.gp import RBF, Matern

__all__ = ["complete", "content_key", "digest", "kernel_of"]

_KERNELS: dict[str, Callable[[Any, Any], RBF | Matern]] = {
    "rbf": RBF,
    "matern12": lambda scale, variance: Matern(scale, variance, nu=0.5),
    "matern32": lambda scale, variance: Matern(scale, variance, nu=1.5),
    "matern52": lambda scale, variance: Matern(scale, variance, nu=2.5),
}
_DEFAULTS: dict[str, Any] = {
    "kernel": "rbf", "length_scale": 1.0, "variance": 1.0, "noise": 1e-2, "mean": 0.0,
}  # fmt: skip


def complete(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """With defaults for what is left out.

    Raises:
        ConfigError: no mapping; an unknown name or kernel; no numbers.
    """
    given = _dict(given)
    unknown = set(given) - set(_DEFAULTS)
    if unknown:
        raise ConfigError(f"kernel_params: unknown {sorted(unknown)}; there are {[*_DEFAULTS]}")
    params = {**_DEFAULTS, **given}
    if params["kernel"] not in _KERNELS:
        raise ConfigError(f"kernel_params: kernel must be one of {[*_KERNELS]}, "
                          f"got {params['kernel']!r}")  # fmt: skip
    for name in _DEFAULTS.keys() - {"kernel"}:
        _check_number(name, params[name])
    return params


def _check_number(name: str, value: Any) -> None:
    try:
        np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"kernel_params: {name} must be a number, got {value!r}") from None


def kernel_of(params: Mapping[str, Any]) -> RBF | Matern:
    """Of complete parameters."""
    return _KERNELS[params["kernel"]](params["length_scale"], params["variance"])


def content_key(X: object, y: object, given: Mapping[str, Any] | None) -> bytes:
    """Of data and parameters, as they were given."""
    return digest((X, y, _dict(given)))


def digest(value: object) -> bytes:
    """Of the content of arrays and parameters.

    Raises:
        ConfigError: something that is no number, name or array of numbers.
    """
    return runtime.fingerprint(value, _plain)


def _dict(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if type(given) is dict:
        return given
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    raise ConfigError(f"kernel_params: need a mapping, got {type(given).__name__}")


def _plain(value: Any) -> object:
    """What stands for a parameter that the core does not know by itself."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return np.asarray(value, np.float64)
    raise ConfigError(f"kernel_params: need numbers and names, got {type(value).__name__}")
