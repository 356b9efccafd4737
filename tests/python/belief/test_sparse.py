"""Sparse belief updates against SciPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore import Status
from optcore._native.belief import SparseBelief, SparseTables
from optcore.errors import ConfigError, InferenceError, ShapeError


def set_action(tables: SparseTables, a: int, T: sp.csr_array, reading: np.ndarray) -> None:
    begin, column = T.indptr.astype(np.int32), T.indices.astype(np.int32)
    tables.set_action(a, begin, column, T.data, reading)


def random_process(seed: int, states: int, observations: int, single: bool):
    """Tables and the same as dense arrays: (A, S, S), (A, S, Z)."""
    rng = np.random.default_rng(seed)
    tables = SparseTables(states, 2, observations, single=single)
    Ts, Os = [], []
    for a in range(2):
        T = rng.random((states, states)) * (rng.random((states, states)) < 4 / states)
        T[np.arange(states), rng.permutation(states)] += 0.1
        T /= T.sum(axis=1, keepdims=True)
        reading = rng.random((states, observations)) * (rng.random((states, observations)) < 0.7)
        reading[np.arange(states), rng.integers(observations, size=states)] += 0.1
        reading /= reading.sum(axis=1, keepdims=True)
        set_action(tables, a, sp.csr_array(T), reading)
        Ts.append(T)
        Os.append(reading)
    return tables, np.array(Ts), np.array(Os)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 80), st.integers(1, 4), st.booleans())
def test_updates_agree_with_dense_algebra(seed: int, states: int, zs: int, single: bool) -> None:
    tables, T, reading = random_process(seed, states, zs, single)
    rng = np.random.default_rng(seed + 1)
    prior = rng.random(states) * (rng.random(states) < 0.3)
    prior[rng.integers(states)] += 0.5
    belief = SparseBelief(tables, prior)
    b = prior / prior.sum()
    tolerance = 3e-6 if single else 1e-13
    for _ in range(12):
        a, z = int(rng.integers(2)), int(rng.integers(zs))
        expected = (b @ T[a]) * reading[a, :, z]
        mass = expected.sum()
        status = belief.update(a, z)
        posterior, evidence, other = tables.update(b, a, z)
        chances = tables.observation_probabilities(b, a)
        np.testing.assert_allclose(chances, (b @ T[a]) @ reading[a], rtol=0, atol=tolerance)
        if mass == 0:
            assert status is other is Status.zero_evidence
            np.testing.assert_array_equal(posterior, b)
            np.testing.assert_allclose(belief.probabilities, b, rtol=0, atol=1e-15)
            continue
        assert status is other is Status.ok
        for got in (belief.probabilities, posterior):
            np.testing.assert_allclose(got, expected / mass, rtol=0, atol=tolerance)
        assert belief.log_evidence == pytest.approx(np.log(mass), abs=3 * tolerance / mass)
        assert evidence == pytest.approx(np.log(mass), abs=3 * tolerance / mass)
        b = belief.probabilities
        assert belief.support == (b > 0).sum()


def test_few_possible_states_are_listed_and_many_are_not() -> None:
    states = 1000
    shift = sp.csr_array((np.ones(states), (np.arange(states), (np.arange(states) + 1) % states)))
    tables = SparseTables(states, 1, 1)
    set_action(tables, 0, shift, np.ones((states, 1)))
    assert tables.sliced(0)
    prior = np.zeros(states)
    prior[[3, 999]] = 0.25, 0.75
    belief = SparseBelief(tables, prior)
    for _ in range(1001):
        assert belief.update(0, 0) is Status.ok
    assert belief.listed
    assert belief.support == 2
    np.testing.assert_allclose(belief.probabilities[[4, 0]], [0.25, 0.75])
    belief.reset()
    assert belief.update(0, -1) is Status.ok
    assert not belief.listed
    np.testing.assert_allclose(belief.probabilities, 1 / states)


def test_a_matrix_that_slices_do_not_suit_keeps_its_rows() -> None:
    states = 400
    rows, value = np.arange(states), np.ones(states)
    sink = sp.csr_array((value, (rows, np.zeros(states, int))), shape=(states, states))
    tables = SparseTables(states, 1, 1, single=False)
    set_action(tables, 0, sink, np.ones((states, 1)))
    assert not tables.sliced(0)
    posterior, evidence, status = tables.update(np.full(states, 1 / states), 0, 0)
    assert status is Status.ok
    assert posterior[0] == pytest.approx(1)
    assert evidence == pytest.approx(0, abs=1e-13)


def test_many_updates_stay_a_belief() -> None:
    tables, _, _ = random_process(3, 12, 3, True)
    belief = SparseBelief(tables)
    rng = np.random.default_rng(0)
    seen = set()
    for a, z in zip(
        rng.integers(2, size=10**5).tolist(), rng.integers(3, size=10**5).tolist(), strict=True
    ):
        seen.add(belief.update(a, z))
    assert seen <= {Status.ok, Status.zero_evidence}
    assert belief.probabilities.sum() == pytest.approx(1, abs=1e-12)


def test_arguments_are_checked() -> None:
    good = sp.csr_array(np.eye(3))
    tables = SparseTables(3, 2, 2)
    reading = np.full((3, 2), 0.5)
    with pytest.raises(ConfigError, match="sum to 1"):
        tables.set_action(0, good.indptr, good.indices, good.data * 0.9, reading)
    with pytest.raises(ConfigError, match="sum to 1"):
        tables.set_action(0, good.indptr, good.indices, good.data, reading * 0.9)
    with pytest.raises(ConfigError):
        tables.set_action(2, good.indptr, good.indices, good.data, reading)
    with pytest.raises(ShapeError):
        tables.set_action(0, good.indptr, good.indices[:2], good.data, reading)
    with pytest.raises(ShapeError):
        tables.set_action(0, good.indptr, good.indices, good.data, reading[:2])
    belief = SparseBelief(tables)
    assert belief.update(0, 0) is Status.not_ready
    tables.set_action(0, good.indptr, good.indices, good.data, reading)
    assert belief.update(0, 0) is Status.ok
    assert belief.update(0, 2) is Status.invalid_argument
    assert belief.update(5, 0) is Status.invalid_argument
    with pytest.raises(ConfigError, match="positive sum"):
        SparseBelief(tables, np.zeros(3))
    with pytest.raises(ShapeError):
        tables.update(np.ones(2), 0, 0)
    with pytest.raises(InferenceError):
        tables.observation_probabilities(np.zeros(3), 0)
