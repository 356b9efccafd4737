"""Waiting in front of several servers: Erlang's C formula, and how many servers a target needs.

Source   Erlang (1917); Allen, *Probability, Statistics, and Queueing Theory* (1990), chapter 5,
         for the correction to arrivals and services that are not exponential (Allen-Cunneen).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError

__all__ = ["QueueSizing", "erlang_c", "servers_for"]

_MOST = 1_000_000  # servers, before the search gives up


def erlang_c(servers: int, load: float) -> float:
    """Probability that a call has to wait, in M/M/c.

    Args:
        servers: c, at least 1.
        load: a = arrival rate x mean service time, Erlang; waiting is certain from a = c.
    """
    if servers < 1 or not load >= 0:
        raise ConfigError(f"erlang_c: need servers >= 1 and load >= 0, got {servers} and {load}")
    if load >= servers:
        return 1.0
    if load == 0:
        return 0.0
    blocking = 1.0  # Erlang B, by its recursion: no factorial, no overflow
    for c in range(1, servers + 1):
        blocking = load * blocking / (c + load * blocking)
    return blocking / (1 - load / servers * (1 - blocking))


@dataclass(frozen=True)
class _Queue:
    """Calls that come at random, and the times that they take alone."""

    rate: float
    """calls per second"""
    service: NDArray[np.float64]
    """s"""
    weight: NDArray[np.float64]
    """probabilities of those"""

    @property
    def mean(self) -> float:
        return float(self.service @ self.weight)

    @property
    def load(self) -> float:
        return self.rate * self.mean

    @property
    def variation(self) -> float:
        """Squared coefficient of variation of the service times."""
        return float(self.weight @ (self.service - self.mean) ** 2) / self.mean**2

    def tail(self, t: float, servers: int, waits: float) -> float:
        """Probability that a call takes longer than t s, waiting included.

        The wait is 0, or (probability `waits`) exponential with the rate of M/M/c divided by
        (1 + variation) / 2.
        """
        decay = (servers - self.load) / self.mean * 2 / (1 + self.variation)
        inside = self.service <= t
        late = float(self.weight[~inside].sum())
        return late + waits * float(
            self.weight[inside] @ np.exp(-decay * (t - self.service[inside]))
        )

    def quantile(self, allowed: float, servers: int, high: float) -> float:
        """s that all but a share `allowed` of the calls do not exceed, up to `high`."""
        low, waits = 0.0, erlang_c(servers, self.load)
        for _ in range(60):
            t = (low + high) / 2
            low, high = (t, high) if self.tail(t, servers, waits) > allowed else (low, t)
        return high


@dataclass(frozen=True)
class QueueSizing:
    """Servers for a load, and what the model expects of them."""

    servers: int | None
    """None: no number of servers does it, see `reason`"""
    load: float
    """Erlang"""
    utilisation: float | None
    waiting: float | None
    """probability of a wait"""
    response: float | None
    """s that the percentile of all calls is expected not to exceed"""
    reason: str


def servers_for(
    rate: float,
    target: float,
    percentile: float,
    service: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> QueueSizing:
    """The fewest servers that keep a percentile of the response within a target.

    Args:
        rate: calls per second, Poisson.
        target: s.
        percentile: 0 to 100.
        service: service times of one call alone, s.
        weight: their counts or probabilities.

    Raises:
        ConfigError: a value that is not finite or out of range, or arrays that do not fit.
    """
    _check(rate, target, percentile, service, weight)
    queue = _Queue(rate, service, weight / weight.sum())
    load, allowed = queue.load, 1 - percentile / 100
    alone = float(queue.weight[service > target].sum())
    if alone >= allowed and alone > 0:
        return QueueSizing(
            None, load, None, None, None,
            f"{alone:.1%} of the calls take longer than {target:g} s even alone: the service "
            "itself must become faster",
        )  # fmt: skip

    def good(c: int) -> bool:
        return queue.tail(target, c, erlang_c(c, load)) <= allowed

    low = math.floor(load) + 1 if load < _MOST else _MOST
    high = low
    while high < _MOST and not good(high):
        high = low + 2 * (high - low) + 1
    if high >= _MOST:
        return QueueSizing(
            None, load, None, None, None,
            f"{load:.3g} Erlang need {_MOST:g} servers or more",
        )  # fmt: skip
    while low < high:  # the tail falls with every server
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle + 1, high)
    return QueueSizing(
        low,
        load,
        load / low,
        erlang_c(low, load),
        queue.quantile(allowed, low, target),
        f"Erlang C with Allen and Cunneen's correction (service variation {queue.variation:.2g}), "
        "Poisson arrivals, measured service times",
    )


def _check(
    rate: float,
    target: float,
    percentile: float,
    service: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> None:
    for name, value in (("rate", rate), ("target", target)):
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} must be positive and finite, got {value!r}")
    if not 0 < percentile <= 100:
        raise ConfigError(f"percentile must lie in (0, 100], got {percentile!r}")
    if service.ndim != 1 or not service.size:
        raise ConfigError(f"service must be (n,) with n >= 1, got shape {service.shape}")
    if not (np.isfinite(service).all() and (service >= 0).all() and service.any()):
        raise ConfigError("service must be finite, not negative, and not all 0")
    if weight.shape != service.shape:
        raise ConfigError(f"weight must be {service.shape} as service, got {weight.shape}")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight @ service > 0):
        raise ConfigError("weight must be finite, not negative, and not all 0 where service is not")
