"""Planners: bounds that hold, that only narrow, and that agree with published values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from optcore.belief.planning import (
    PointBasedPlanner,
    blind_bound,
    fast_informed_bound,
    policy_iteration,
    qmdp,
    value_iteration,
)
from optcore.belief.pomdp import SparsePOMDP
from optcore.errors import ConfigError, ShapeError


def random_mdp(
    seed: int, states: int = 12, actions: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(states, 0.3), (actions, states)), rng.normal(
        size=(states, actions)
    )


def random_pomdp(seed: int, *, sparse: bool) -> SparsePOMDP:
    rng = np.random.default_rng(seed)
    states, actions, observations = rng.integers(2, 7), rng.integers(1, 4), rng.integers(1, 4)
    T = rng.dirichlet(np.full(states, 0.5), (actions, states))
    Z = rng.dirichlet(np.full(observations, 0.5), (actions, states))
    if sparse:
        for table in (T, Z):
            table[table < 0.2] = 0.0
            empty = table.sum(axis=-1) == 0.0
            table[empty, 0] = 1.0
            table /= table.sum(axis=-1, keepdims=True)
    return SparsePOMDP.from_csr(
        list(T),
        list(Z),
        rng.normal(size=(states, actions)),
        discount=float(rng.uniform(0.3, 0.9)),
        start=rng.dirichlet(np.ones(states)),
    )


def exact(model: SparsePOMDP, belief: NDArray[np.float64], depth: int) -> float:
    """Value of the best plan over `depth` steps, by looking at every future."""
    if depth == 0:
        return 0.0
    best = -np.inf
    for action in range(model.n_actions):
        value = float(belief @ model.rewards[:, action])
        for z in range(model.n_observations):
            update = model.update_belief(belief, action, z)
            if update.status == 0:
                chance = float(np.exp(update.log_evidence))
                value += model.discount * chance * exact(model, update.belief, depth - 1)
        best = max(best, value)
    return best


@pytest.mark.parametrize("seed", range(5))
def test_value_iteration_solves_the_linear_programme(seed: int) -> None:
    T, R = random_mdp(seed)
    S, A = R.shape
    constraints = np.concatenate([0.9 * T[a] - np.eye(S) for a in range(A)])
    optimum = linprog(np.ones(S), constraints, -R.T.ravel(), bounds=(None, None)).x
    solution = value_iteration(T, R, 0.9, tolerance=1e-9)
    np.testing.assert_allclose(solution.value, optimum, atol=1e-7)
    assert solution.gap <= 1e-9
    howard = policy_iteration(T, R, 0.9)
    np.testing.assert_allclose(howard.value, optimum, atol=1e-7)
    np.testing.assert_array_equal(howard.policy, solution.policy)
    sparse = policy_iteration([csr_array(t) for t in T], R, 0.9)
    np.testing.assert_allclose(sparse.value, optimum, atol=1e-7)


def test_a_warm_start_needs_fewer_iterations() -> None:
    T, R = random_mdp(7, states=50)
    cold = value_iteration(T, R, 0.99)
    near = value_iteration(T, R + 1e-3, 0.99, start=cold.value)
    assert near.iterations < cold.iterations
    assert policy_iteration(T, R, 0.99, start=cold.policy).iterations <= 2


def test_bad_arguments_are_named() -> None:
    T, R = random_mdp(0)
    with pytest.raises(ShapeError, match="rewards"):
        value_iteration(T, R[:, :2], 0.9)
    with pytest.raises(ConfigError, match="discount"):
        policy_iteration(T, R, 1.0)
    planner = PointBasedPlanner(random_pomdp(0, sparse=False))
    with pytest.raises(ConfigError, match="gap"):
        planner.solve(gap=float("nan"))
    with pytest.raises(ShapeError, match="belief"):
        planner.action([1.0] * 99)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), sparse=st.booleans())
def test_bounds_enclose_the_value_and_only_narrow(seed: int, sparse: bool) -> None:
    model = random_pomdp(seed, sparse=sparse)
    b = model.start
    informed, seen = fast_informed_bound(model), qmdp(model)
    assert (informed <= seen + 1e-9).all()
    planner = PointBasedPlanner(model)
    last = planner.progress
    assert last.lower >= (blind_bound(model) @ b).max() - 1e-9
    assert last.upper <= (informed @ b).max() + 1e-9
    for _ in range(8):
        now = planner.solve(gap=1e-6, seconds=0.003)
        assert last.lower - 1e-12 <= now.lower <= now.upper + 1e-9
        assert now.upper <= last.upper + 1e-12
        last = now
    depth = 3
    tail = np.abs(model.rewards).max() * model.discount**depth / (1 - model.discount)
    truth = exact(model, b, depth)  # of the first steps; the rest is worth at most `tail`
    assert last.lower <= truth + tail + 1e-9
    assert last.upper >= truth - tail - 1e-9


def test_one_observation_alone_is_a_markov_chain_of_beliefs() -> None:
    """Blind: with nothing observed and one action the value is that of the chain."""
    rng = np.random.default_rng(1)
    T, R = rng.dirichlet(np.ones(6), 6), rng.normal(size=(6, 1))
    model = SparsePOMDP.from_csr([T], [np.ones((6, 1))], R, discount=0.9)
    value = np.linalg.solve(np.eye(6) - 0.9 * T, R[:, 0]) @ model.start
    progress = PointBasedPlanner(model).solve(gap=1e-9, seconds=5)
    assert progress.lower == pytest.approx(value, abs=1e-7)
    assert progress.upper == pytest.approx(value, abs=1e-5)


def test_a_fully_observed_model_is_a_markov_decision_process() -> None:
    T, R = random_mdp(3)
    model = SparsePOMDP.from_csr(list(T), [np.eye(12)] * 3, R, discount=0.9, start=np.eye(12)[0])
    value = value_iteration(T, R, 0.9, tolerance=1e-10).value[0]
    progress = PointBasedPlanner(model).solve(gap=1e-6, seconds=5)
    assert progress.lower - 1e-9 <= value <= progress.upper + 1e-9
    assert progress.gap <= 1e-6


KNOWN = [
    ("tiger.95.POMDP", 19.3711, 19.3721, 1e-3),
    ("shuttle.95.POMDP", 32.8890, 32.8897, 1e-3),
    ("cheese.95.POMDP", 3.4853, 3.4862, 1e-3),
    ("4x3.95.POMDP", 1.8899, 1.8909, 1e-3),
    ("Hallway.pomdp", 0.985, 1.210, 1.0),
    ("TagAvoid.pomdp", -6.29, -1.62, 16.0),
    ("RockSample_7_8.pomdpx", 21.04, 24.93, 16.0),
]


@pytest.mark.parametrize(("name", "low", "high", "gap"), KNOWN)
def test_published_values(data_dir: Path, name: str, low: float, high: float, gap: float) -> None:
    model = SparsePOMDP.from_pomdp(data_dir / "intent" / "pomdp" / name)
    planner = PointBasedPlanner(model)
    progress = planner.solve(gap=gap, seconds=10.0)
    assert progress.gap <= gap
    assert progress.lower <= high + 1e-4  # known values are rounded to four digits
    assert progress.upper >= low - 1e-4


@pytest.mark.parametrize("name", ["shuttle.95.POMDP", "Hallway.pomdp"])
def test_the_policy_earns_its_lower_bound(data_dir: Path, name: str) -> None:
    model = SparsePOMDP.from_pomdp(data_dir / "intent" / "pomdp" / name)
    planner = PointBasedPlanner(model)
    promised = planner.solve(gap=0.3, seconds=5.0).lower
    rng = np.random.default_rng(0)
    T = [t.toarray().cumsum(axis=1) for t in model.tables.transitions]
    Z = [z.toarray().cumsum(axis=1) for z in model.tables.observations]
    earned = []
    for _ in range(150):
        state = int(rng.choice(model.n_states, p=model.start))
        belief, total = model.start, 0.0
        for step in range(100):
            action = planner.action(belief)
            total += model.discount**step * model.rewards[state, action]
            state = min(int(np.searchsorted(T[action][state], rng.random())), model.n_states - 1)
            seen = int(np.searchsorted(Z[action][state], rng.random()))
            belief = model.update_belief(belief, action, min(seen, model.n_observations - 1)).belief
        earned.append(total)
    error = np.std(earned) / np.sqrt(len(earned))
    assert np.mean(earned) >= promised - 4 * error - 0.006 * np.abs(model.rewards).max() * 20
