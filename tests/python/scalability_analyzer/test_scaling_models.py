"""Scaling law, queues and sizing against planted systems, published values and simulation."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optcore.errors import ConfigError
from optcore.scalability_analyzer import erlang_c, fit_usl, servers_for

LOADS = np.array([1, 2, 4, 8, 16, 24, 32, 48])


def law(n: np.ndarray, rate: float, contention: float, coherency: float) -> np.ndarray:
    return rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


@pytest.mark.parametrize(
    ("contention", "coherency", "noise"),
    [(0.05, 5e-4, 0.05), (0.1, 0.0, 0.02)],
)
def test_a_planted_system_is_recovered_inside_the_stated_intervals(
    contention: float, coherency: float, noise: float
) -> None:
    random = np.random.default_rng(20)
    inside = 0
    for run in range(200):
        x = law(LOADS, 1000.0, contention, coherency)
        x *= np.exp(noise * random.standard_normal(len(LOADS)))
        fit = fit_usl(LOADS, x, draws=200, seed=run)
        peak = math.sqrt((1 - contention) / coherency) if coherency else math.inf
        found = fit.peak_interval
        inside += (
            contention in fit.contention_interval
            and coherency in fit.coherency_interval
            and found.low <= peak <= found.high
        )
    assert inside >= 180


def test_without_noise_the_fit_is_exact() -> None:
    fit = fit_usl(LOADS, law(LOADS, 1000.0, 0.05, 5e-4))
    assert fit.rate == pytest.approx(1000, rel=1e-6)
    assert fit.contention == pytest.approx(0.05, rel=1e-5)
    assert fit.coherency == pytest.approx(5e-4, rel=1e-5)
    assert fit.peak == pytest.approx(math.sqrt(0.95 / 5e-4), rel=1e-5)
    assert fit.throughput([10])[0] == pytest.approx(law(np.array([10.0]), 1000, 0.05, 5e-4)[0])
    x = fit.throughput([13.0])[0]
    assert fit.users_for(float(x)) == pytest.approx(13.0, rel=1e-6)
    assert fit.users_for(1e9) is None


def test_it_agrees_with_scipys_least_squares() -> None:
    from scipy.optimize import least_squares

    random = np.random.default_rng(4)
    x = law(LOADS, 800.0, 0.08, 8e-4) * np.exp(0.08 * random.standard_normal(len(LOADS)))

    def residual(theta: np.ndarray) -> np.ndarray:
        return np.log(law(LOADS, *np.exp(theta)) / x)

    other = least_squares(
        residual, np.log([800, 0.05, 1e-3]), loss="soft_l1", f_scale=0.1, xtol=1e-12, ftol=1e-12
    )
    fit = fit_usl(LOADS, x)
    assert [fit.rate, fit.contention, fit.coherency] == pytest.approx(np.exp(other.x), rel=1e-3)


def test_no_peak_and_no_prediction_beyond_what_was_tested() -> None:
    """From loads up to 16 a true peak of 44 can be found anywhere: it is not reported."""
    random = np.random.default_rng(0)
    n = np.array([1, 2, 4, 8, 16])
    for run in range(20):
        x = law(n, 1000.0, 0.05, 5e-4) * np.exp(0.05 * random.standard_normal(len(n)))
        fit = fit_usl(n, x, draws=200, seed=run)
        assert fit.peak is None or fit.peak <= 24
        assert fit.peak_interval.high == math.inf or fit.peak_interval.high <= 24
        with pytest.raises(ConfigError, match="test a larger load"):
            fit.throughput([24.1])
        low, high = fit.band([24.0])
        assert low[0] < high[0]


def test_one_wild_measurement_moves_the_fit_little() -> None:
    x = law(LOADS, 1000.0, 0.05, 5e-4)
    x[3] *= 0.3
    fit = fit_usl(LOADS, x)
    assert fit.throughput([48.0])[0] == pytest.approx(x[-1], rel=0.1)


@given(
    st.lists(st.floats(1e-3, 1e6), min_size=4, max_size=8),
    st.sampled_from([1.0, 3.0]),
)
@example([1.0, 1e4, 1.0, 1e4], 1.0)  # the law without signs crosses zero
@settings(deadline=None, max_examples=40)
def test_measurements_of_a_starved_machine_give_wide_intervals_not_an_error(
    throughputs: list[float], step: float
) -> None:
    found = fit_usl([1 + step * i for i in range(len(throughputs))], throughputs, draws=200)
    assert found.rate > 0
    assert found.contention >= 0
    assert found.coherency >= 0
    for name in ("rate", "contention", "coherency", "peak"):
        interval = getattr(found, f"{name}_interval")
        assert interval.low <= interval.high  # NaN is neither


def test_too_few_loads_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 4 different loads, got 3"):
        fit_usl([1, 2, 4, 4], [1, 2, 3, 3])
    with pytest.raises(ConfigError, match="positive and finite"):
        fit_usl([1, 2, 4, 8], [1, 2, 3, 0])


# (servers, load in Erlang, probability of waiting): Erlang's C, worked in textbooks
# (Gross & Harris, Fundamentals of Queueing Theory; 1 and 2 servers by their closed forms)
@pytest.mark.parametrize(
    ("servers", "load", "wait"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (2, 1.5, 9 / 14), (3, 2.0, 4 / 9), (10, 8.0, 0.40918)],
)
def test_erlang_c(servers: int, load: float, wait: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(wait, rel=1e-4)


def test_erlang_c_at_its_ends() -> None:
    assert erlang_c(3, 0.0) == 0.0
    assert erlang_c(3, 3.0) == 1.0
    assert 0 < erlang_c(5000, 4900.0) < 1


def simulated_quantile(
    servers: int, rate: float, service: np.ndarray, q: float, seed: int
) -> float:
    random = np.random.default_rng(seed)
    n = 200_000
    arrival = np.cumsum(random.exponential(1 / rate, n))
    work = random.choice(service, n)
    free = [0.0] * servers
    response = np.empty(n)
    for i in range(n):
        begin = max(arrival[i], heapq.heappop(free))
        heapq.heappush(free, begin + work[i])
        response[i] = begin + work[i] - arrival[i]
    return float(np.quantile(response[n // 10 :], q))


@pytest.mark.parametrize("shape", ["exponential", "constant"])
def test_the_number_of_servers_meets_the_target_and_one_less_does_not(shape: str) -> None:
    random = np.random.default_rng(2)
    service = (
        random.exponential(0.01, 4000) if shape == "exponential" else np.full(4000, 0.01)
    )  # fmt: skip
    target, rate = 0.06 if shape == "exponential" else 0.02, 450.0
    found = servers_for(rate, target, 99.0, service, np.ones_like(service))
    assert found.servers is not None
    assert found.response is not None
    assert found.response <= target
    enough = simulated_quantile(found.servers, rate, service, 0.99, 1)
    # the wait's tail is exact for exponential service, an approximation for constant
    assert enough <= target * (1.03 if shape == "exponential" else 1.1)
    if found.servers - 1 > rate * service.mean():
        assert simulated_quantile(found.servers - 1, rate, service, 0.99, 1) > 0.9 * target
    if shape == "exponential":
        assert found.response == pytest.approx(enough, rel=0.05)


def test_a_call_that_is_too_slow_alone_is_said_to_be() -> None:
    found = servers_for(10.0, 0.005, 99.0, np.array([0.01]), np.array([1.0]))
    assert found.servers is None
    assert "service itself must become faster" in found.reason
