"""Bayesian RL with caches: the same answers, and caches that know whether they pay."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from optcore import Status
from optcore.algorithm_optimizer import BayesianRLOptimizer, OptimizationConfig
from optcore.algorithm_optimizer.paying_cache import PayingCache
from optcore.belief.learning import DirichletMDP
from optcore.belief.planning import policy_iteration
from optcore.belief.pomdp import SparsePOMDP
from optcore.errors import ConfigError, ShapeError

TIGER = SparsePOMDP.from_csr(
    [np.eye(2), np.full((2, 2), 0.5), np.full((2, 2), 0.5)],
    [[[0.85, 0.15], [0.15, 0.85]], np.full((2, 2), 0.5), np.full((2, 2), 0.5)],
    rewards=[[-1, -100, 10], [-1, 10, -100]],
    discount=0.95,
)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, seconds: float) -> Callable[[], int]:
        def work() -> int:
            self.now += seconds
            return 7

        return work


def test_a_cache_that_pays_stays() -> None:
    clock = Clock()
    cache: PayingCache[int] = PayingCache("sums", 10, trial=20, clock=clock)
    for i in range(100):
        assert cache.get(clock.takes(0.001), clock.takes(1.0)) == 7, i
    found = cache.statistics()
    assert (found.active, found.hits, found.misses) == (True, 99, 1)
    assert found.hit_rate == 0.99
    assert found.saved_time == pytest.approx(99 * 1.0 - 100 * 0.001)


def test_a_cache_that_costs_more_than_it_saves_stops_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    cache: PayingCache[int] = PayingCache("sums", 10, trial=20, clock=clock)
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            assert cache.get(clock.takes(0.5), clock.takes(0.1)) == 7
    found = cache.statistics()
    assert not found.active
    assert found.hits + found.misses == 20
    assert "switched off: 19 of 20 look-ups hit" in found.note
    assert found.note in caplog.text
    assert found.saved_time < 0


def test_a_cache_that_stops_paying_stops() -> None:
    clock = Clock()
    cache: PayingCache[int] = PayingCache("sums", 10, trial=20, clock=clock)
    for _ in range(60):
        cache.get(lambda: "same", clock.takes(1.0))

    def key_of(i: int) -> Callable[[], int]:
        def key() -> int:
            clock.now += 0.1
            return i

        return key

    for i in range(40):
        cache.get(key_of(i), clock.takes(1.0))
    assert not cache.active


def test_the_oldest_values_go_first_and_size_zero_keeps_nothing() -> None:
    cache: PayingCache[str] = PayingCache("names", 2)
    for key in ("a", "b", "a", "c", "a"):
        cache.get(lambda key=key: key, lambda key=key: key.upper())  # type: ignore[misc]
    assert (cache.statistics().hits, cache.statistics().entries) == (2, 2)
    none: PayingCache[str] = PayingCache("names", 0)
    assert none.get(lambda: "a", lambda: "A") == "A"
    assert not none.active


def test_updates_are_those_of_the_model_whether_kept_or_not() -> None:
    rng = np.random.default_rng(0)
    kept, plain = BayesianRLOptimizer(), BayesianRLOptimizer(OptimizationConfig(cache_size=0))
    belief = TIGER.start
    for _ in range(600):
        action, seen = int(rng.integers(3)), int(rng.integers(2))
        truth = TIGER.update_belief(belief, action, seen)
        for optimizer in (kept, plain):
            got = optimizer.update_belief(TIGER, belief, action, seen)
            np.testing.assert_array_equal(got.belief, truth.belief)
            assert (got.log_evidence, got.status) == (truth.log_evidence, Status.ok)
        belief = truth.belief
    found = kept.statistics()["belief_updates"]
    assert not isinstance(found, int)
    assert found.hit_rate > 0.8 or found.note  # tiger repeats itself; whether it pays is measured
    with pytest.raises(ValueError, match="read-only"):
        kept.update_belief(TIGER, [0.5, 0.5], 0, 0).belief[0] = 1.0


def test_a_solved_process_is_known_again_and_a_similar_one_starts_warm() -> None:
    rng = np.random.default_rng(1)
    T, R = rng.dirichlet(np.ones(15), (3, 15)), rng.normal(size=(15, 3))
    optimizer = BayesianRLOptimizer()
    first = optimizer.solve(T, R, 0.95)
    np.testing.assert_allclose(first.value, policy_iteration(T, R, 0.95).value)
    assert optimizer.solve(T.copy(), R.copy(), 0.95) is first
    near = optimizer.solve(T, R + 1e-6, 0.95)
    assert near.iterations == 1
    assert optimizer.solve(T, R, 0.9) is not first
    found = optimizer.statistics()
    assert (found["cold_starts"], found["warm_starts"]) == (1, 2)
    policies = found["policies"]
    assert not isinstance(policies, int)
    assert (policies.hits, policies.misses) == (1, 3)
    assert policies.to_dict()["hit_rate"] == 0.25


def test_a_plan_is_kept_and_resumed() -> None:
    optimizer = BayesianRLOptimizer()
    first = optimizer.decide(TIGER, [0.5, 0.5], seconds=5)
    assert first.action == 0
    assert first.lower - 1e-9 <= 19.3721
    assert first.upper + 1e-9 >= 19.3711
    sure = optimizer.decide(TIGER, TIGER.update_belief([0.85, 0.15], 0, 0).belief, seconds=5)
    assert sure.action == 2
    assert optimizer.statistics()["plans_reused"] == 1
    optimizer.clear()
    assert optimizer.statistics()["plans_kept"] == 0


def test_a_psrl_step_solves_a_sampled_process() -> None:
    model = DirichletMDP(4, 2, discount=0.9)
    optimizer = BayesianRLOptimizer()
    step = optimizer.psrl_step(model, np.random.default_rng(5))
    T, R = model.sample(np.random.default_rng(5))
    np.testing.assert_allclose(step.value, policy_iteration(T.transpose(1, 0, 2), R, 0.9).value)


def test_lists_are_processes_too_and_what_is_none_is_named() -> None:
    T, R = [[[0.9, 0.1], [0.1, 0.9]]] * 2, [[0.0, 1.0], [1.0, 0.0]]
    optimizer = BayesianRLOptimizer()
    first = optimizer.solve(T, R, 0.9)
    assert optimizer.solve(np.array(T), R, 0.9) is first
    for action in (0, 1):
        spoilt = np.array(T)
        spoilt[action, 0, 0] = np.nan
        with pytest.raises(ConfigError, match="transitions: need finite"):
            optimizer.solve(spoilt, R, 0.9)
    with pytest.raises(ConfigError, match="rewards"):
        optimizer.solve(T, [[0.0, np.nan], [0.0, 0.0]], 0.9)
    with pytest.raises(ShapeError, match="transitions"):
        optimizer.solve([[[1.0]], [[1.0, 0.0]]], R, 0.9)
    with pytest.raises(ShapeError, match="transitions"):
        optimizer.solve([np.eye(3)] * 2, R, 0.9)
    assert optimizer.solve(T, R, 0.9) is first


def test_a_policy_that_its_caller_changes_is_no_start_of_the_next() -> None:
    model, optimizer = DirichletMDP(4, 2, discount=0.9), BayesianRLOptimizer()
    optimizer.psrl_step(model, np.random.default_rng(5)).policy[:] = 99
    again = optimizer.psrl_step(model, np.random.default_rng(5))
    T, R = model.sample(np.random.default_rng(5))
    np.testing.assert_allclose(again.value, policy_iteration(T.transpose(1, 0, 2), R, 0.9).value)
