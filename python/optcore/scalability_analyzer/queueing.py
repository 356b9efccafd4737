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

__all__ = ["QueueSizing", "erlang_c", "response_tail", "servers_for"]

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


def response_tail(
    t: float,
    servers: int,
    rate: float,
    service: NDArray[np.float64],
    weight: NDArray[np.float64],
    variation: float,
) -> float:
    """Probability that a call takes longer than t s, waiting included.

    The wait is 0, or exponential with the rate of M/M/c divided by (1 + variation) / 2.

    Args:
        service: service times, s.
        weight: their probabilities.
        variation: squared coefficient of variation of the service times.
    """
    mean = float(service @ weight)
    load = rate * mean
    if load >= servers:
        return 1.0
    waits = erlang_c(servers, load)
    decay = (servers - load) / mean * 2 / (1 + variation)
    inside = service <= t
    late = float(weight[~inside].sum())
    return late + waits * float(weight[inside] @ np.exp(-decay * (t - service[inside])))


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
    """
    weight = weight / weight.sum()
    mean = float(service @ weight)
    variation = float(weight @ (service - mean) ** 2) / mean**2 if mean > 0 else 0.0
    load, allowed = rate * mean, 1 - percentile / 100
    alone = float(weight[service > target].sum())
    if alone >= allowed and alone > 0:
        return QueueSizing(
            None, load, None, None, None,
            f"{alone:.1%} of the calls take longer than {target:g} s even alone: the service "
            "itself must become faster",
        )  # fmt: skip

    def good(c: int) -> bool:
        return response_tail(target, c, rate, service, weight, variation) <= allowed

    low = math.floor(load) + 1
    high = low
    while not good(high) and high < _MOST:
        high = low + 2 * (high - low) + 1
    while low < high:  # the tail falls with every server
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle + 1, high)
    return QueueSizing(
        low,
        load,
        load / low,
        erlang_c(low, load),
        _quantile(allowed, low, rate, service, weight, variation, target),
        f"Erlang C with Allen and Cunneen's correction (service variation {variation:.2g}), "
        "Poisson arrivals, measured service times",
    )


def _quantile(
    allowed: float,
    servers: int,
    rate: float,
    service: NDArray[np.float64],
    weight: NDArray[np.float64],
    variation: float,
    high: float,
) -> float:
    low = 0.0
    for _ in range(60):
        t = (low + high) / 2
        if response_tail(t, servers, rate, service, weight, variation) > allowed:
            low = t
        else:
            high = t
    return high
