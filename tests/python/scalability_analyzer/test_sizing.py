"""From planted scenarios to replicas, processors and money."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from optcore._native import runtime
from optcore.errors import ConfigError
from optcore.scalability_analyzer import (
    LimitingResource,
    LoadCounts,
    ScalabilityConfig,
    Scenario,
    ScenarioResult,
    Sizing,
    UslFit,
    fit_usl,
    servers_for,
)
from optcore.scalability_analyzer.autoscaling import advise
from optcore.scalability_analyzer.sizing import size


def measured(users: int, service_ms: float, busy: float = 0.5) -> ScenarioResult:
    """10 s of back-to-back calls that took `service_ms` each, on `busy` processors."""
    seconds, calls = 10.0, int(users * 10.0 / (service_ms * 1e-3))
    histogram, nothing = runtime.Histogram(), runtime.Histogram().counts()
    counts = histogram.counts()
    for _ in range(1000):
        histogram.record(int(service_ms * 1e6))
    counts = histogram.counts() * (calls // 1000)
    made = LoadCounts(
        response=counts, service=counts, lag=nothing, wake_lag=nothing, heat=np.zeros((60, 1)),
        max_response=int(service_ms * 1e6), finished=calls, errors=0, timeouts=0, busy=0,
        unstarted=0, cpu_seconds=busy * seconds, memory_mb=512.0,
    )  # fmt: skip
    return ScenarioResult.of(made, Scenario(users, seconds, name=f"{users} users"), 0, 4)


def sized(**changes: Any) -> Sizing:
    limit, usl, seen = (
        changes.pop("limit", None),
        changes.pop("usl", None),
        changes.pop("seen", True),
    )
    config = ScalabilityConfig(target_throughput=1000.0, max_response_time=0.1, **changes)
    found = size([measured(1, 10.0), measured(2, 10.0)], usl, limit, config, seen=seen)
    assert found is not None
    return found


def law() -> UslFit:
    loads = np.arange(1.0, 9.0)
    return fit_usl(loads, 200 * loads / (1 + 1e-3 * (loads - 1)))


def test_replicas_are_those_of_the_rate_seen_and_their_money_adds_up() -> None:
    found = sized(prices={"cpu_hour": 0.04, "gb_hour": 0.01, "gpu_hour": 2.0}, gpus_per_replica=2,
                  usl=law())  # fmt: skip
    assert found.replica_cpus == pytest.approx(0.5)
    assert found.replica_memory_gb == 0.5
    assert found.replicas is not None
    # 2 users of 10 ms serve 200/s: 5 replicas at least, a few more for the queue of 2 servers each
    servers = found.queue.servers
    assert servers is not None
    assert found.replicas == max(5, math.ceil(servers / 2))
    n = found.replicas
    assert found.horizontal.gpus == 2 * n
    assert found.horizontal.cost_hour == pytest.approx(n * (0.04 + 0.5 * 0.01 + 2 * 2.0))
    one = found.vertical
    assert one.possible
    assert one.gpus == 2
    assert one.cost_hour == pytest.approx((one.cpus or 0) * 0.04 + 0.5 * 0.01 + 2 * 2.0)


def test_a_price_of_gpus_without_their_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="gpu_hour needs gpus_per_replica"):
        ScalabilityConfig(prices={"gpu_hour": 2.0})


def test_what_a_target_behind_a_url_uses_is_not_invented() -> None:
    """What the generator used says nothing of the service that it asked."""
    found = sized(seen=False, usl=law(), prices={"cpu_hour": 1.0})
    assert found.replicas is not None
    assert (found.replica_cpus, found.replica_memory_gb) == (None, None)
    assert (found.horizontal.cpus, found.horizontal.cost_hour) == (None, None)
    assert not found.vertical.possible
    busy = LimitingResource("cpu", "the generator's", 0.9, "")
    advice = advise(found, busy, ScalabilityConfig())
    assert (advice.metric, advice.cpu_request, advice.memory_request_mb) == ("requests", None, None)


@pytest.mark.parametrize("kind", ["gil", "lock", "gpu"])
def test_processors_do_not_help_what_they_do_not_limit(kind: str) -> None:
    found = sized(usl=law(), limit=LimitingResource(kind, "", 0.9, ""))
    assert not found.vertical.possible
    assert "more processors would idle" in found.vertical.reason


def test_a_load_that_ended_no_call_in_time_is_no_replica() -> None:
    config = ScalabilityConfig(max_response_time=60.0)
    seen = measured(1, 10.0)
    none = ScenarioResult.of(
        LoadCounts(seen.response.histogram, seen.response.histogram, np.zeros(0, np.int64),
                   np.zeros(0, np.int64), np.zeros((60, 1)), 10_000_000, 0, 0, 0, 0, 0),
        seen.scenario, 0, 4,
    )  # fmt: skip
    found = size([none], None, None, config)
    assert found is not None
    assert found.replicas is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0.0}, "rate"), ({"rate": math.nan}, "rate"), ({"target": -1.0}, "target"),
        ({"percentile": 101.0}, "percentile"), ({"service": np.array([])}, "service"),
        ({"service": np.array([1.0, math.nan])}, "service"),
        ({"weight": np.array([0.0, 0.0])}, "weight"), ({"weight": np.array([1.0])}, "weight"),
    ],
)  # fmt: skip
def test_a_wrong_queue_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "rate": 10.0, "target": 1.0, "percentile": 99.0, "service": np.array([0.1, 0.2]),
        "weight": np.array([1.0, 1.0]),
    }  # fmt: skip
    assert servers_for(**right).servers is not None
    with pytest.raises(ConfigError, match=message):
        servers_for(**right | change)


def test_more_servers_than_anybody_has_are_not_counted_one_by_one() -> None:
    found = servers_for(1e12, 1.0, 99.0, np.array([0.1]), np.array([1.0]))
    assert found.servers is None
    assert "1e+11 Erlang" in found.reason
