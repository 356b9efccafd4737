"""Discrete filters against log-sum-exp in extended precision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optcore import Status
from optcore.belief import (
    DiscreteBayesBatch,
    DiscreteBayesFilter,
    hmm_filter,
    hmm_smoother,
    hmm_viterbi,
)
from optcore.errors import ConfigError, InferenceError, ShapeError
from optcore.reference.belief import hmm_log_filter


def random_model(seed: int, states: int, steps: int, width: float):
    rng = np.random.default_rng(seed)
    transition = rng.random((states, states)) * (rng.random((states, states)) > 0.3)
    transition += np.eye(states) * 0.1
    transition /= transition.sum(axis=1, keepdims=True)
    return transition, -width * rng.random((steps, states))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from([1.0, 50.0, 1000.0, 1e5]))
def test_sequences_agree_with_long_double(seed: int, states: int, width: float) -> None:
    transition, logs = random_model(seed, states, 30, width)
    model = DiscreteBayesFilter(transition)
    got, evidence, status = model.filter(logs)
    prior = np.full(states, -np.log(np.longdouble(states)))
    beliefs, expected = hmm_log_filter(
        prior, transition.astype(np.longdouble), logs.astype(np.longdouble), predict_first=True
    )
    assert (status == 0).all()
    np.testing.assert_allclose(got, np.exp(beliefs).astype(float), rtol=0, atol=2e-11)
    np.testing.assert_allclose(evidence, expected.astype(float), rtol=1e-12, atol=2e-11)
    final = beliefs[-1].astype(float)
    support = np.isfinite(final)
    assert np.array_equal(np.isfinite(model.log_probabilities), support)
    np.testing.assert_allclose(
        model.log_probabilities[support], final[support], rtol=1e-12, atol=2e-10
    )


def test_one_step_is_exact_to_1e_13() -> None:
    for states in (2, 8, 16, 40):
        transition, logs = random_model(states, states, 1, 10.0)
        prior = np.random.default_rng(1).random(states)
        model = DiscreteBayesFilter(transition, prior=prior)
        assert model.step(logs[0]) is Status.ok
        log_prior = np.log(prior.astype(np.longdouble) / prior.astype(np.longdouble).sum())
        expected, evidence = hmm_log_filter(
            log_prior,
            transition.astype(np.longdouble),
            logs.astype(np.longdouble),
            predict_first=True,
        )
        np.testing.assert_allclose(
            model.probabilities, np.exp(expected[0]).astype(float), rtol=1e-13
        )
        assert model.log_evidence == pytest.approx(float(evidence[0]), rel=1e-13, abs=1e-13)


def test_hmm_filter_equals_hmmlearn() -> None:
    hmmlearn = pytest.importorskip("hmmlearn._hmmc", reason="optcore[test] brings it")
    transition, logs = random_model(3, 6, 50, 5.0)
    transition = (transition + 0.01) / (transition + 0.01).sum(axis=1, keepdims=True)
    start = np.full(6, 1 / 6)
    total, lattice = hmmlearn.forward_log(start, transition, logs)
    got, evidence = hmm_filter(start, transition, logs)
    np.testing.assert_allclose(
        got, np.exp(lattice - np.logaddexp.reduce(lattice, axis=1)[:, None]), atol=1e-12
    )
    assert evidence == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_smoother_and_viterbi_agree_with_every_path(seed: int) -> None:
    states, steps = 3, 5
    transition, logs = random_model(seed, states, steps, 5.0)
    start = np.array([0.5, 0.3, 0.2])
    paths = np.array(list(itertools.product(range(states), repeat=steps)))
    with np.errstate(divide="ignore"):
        joint = np.log(start)[paths[:, 0]] + logs[np.arange(steps), paths].sum(axis=1)
        joint = joint + np.log(transition)[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    weight = np.exp(joint - joint.max())
    expected = np.array(
        [[weight[paths[:, t] == k].sum() for k in range(states)] for t in range(steps)]
    )
    smoothed, total = hmm_smoother(start, transition, logs)
    np.testing.assert_allclose(smoothed, expected / weight.sum(), atol=1e-13)
    assert total == pytest.approx(joint.max() + np.log(weight.sum()), rel=1e-13)
    path, value = hmm_viterbi(start, transition, logs)
    np.testing.assert_array_equal(path, paths[np.argmax(joint)])
    assert value == pytest.approx(joint.max(), rel=1e-13)
    for lag in (0, 1, 2, 10):
        rows, _ = hmm_smoother(start, transition, logs, lag=lag)
        for t in range(steps):
            seen = min(t + lag + 1, steps)
            np.testing.assert_allclose(
                rows[t], hmm_smoother(start, transition, logs[:seen])[0][t], atol=1e-13
            )


def test_smoother_and_viterbi_equal_hmmlearn() -> None:
    hmmlearn = pytest.importorskip("hmmlearn._hmmc", reason="optcore[test] brings it")
    transition, logs = random_model(3, 6, 200, 5.0)
    transition = (transition + 0.01) / (transition + 0.01).sum(axis=1, keepdims=True)
    start = np.full(6, 1 / 6)
    _, forward = hmmlearn.forward_log(start, transition, logs)
    gamma = forward + hmmlearn.backward_log(start, transition, logs)
    gamma -= np.logaddexp.reduce(gamma, axis=1)[:, None]
    np.testing.assert_allclose(hmm_smoother(start, transition, logs)[0], np.exp(gamma), atol=1e-11)
    value, path = hmmlearn.viterbi(start, transition, logs)
    ours, total = hmm_viterbi(start, transition, logs)
    np.testing.assert_array_equal(ours, path)
    assert total == pytest.approx(value, rel=1e-12)


def test_an_impossible_sequence_has_no_path() -> None:
    with pytest.raises(InferenceError, match="zero_evidence"):
        hmm_viterbi([1.0, 0.0], np.eye(2), [[-np.inf, 0.0]])
    with pytest.raises(ConfigError, match="lag"):
        hmm_smoother([0.5, 0.5], np.eye(2), np.zeros((3, 2)), lag=-1)


def test_the_impossible_starts_again_from_the_prior_where_that_was_asked_for() -> None:
    stays = np.eye(3)
    model = DiscreteBayesFilter(stays, prior=[0.5, 0.25, 0.25], reset_when_impossible=True)
    only_last = [-np.inf, -np.inf, 0.0]
    assert model.step([0.0, -np.inf, -np.inf]) is Status.ok
    assert model.step(only_last) is Status.reset_to_prior  # the prior explains it
    np.testing.assert_allclose(model.probabilities, [0, 0, 1])
    assert model.log_evidence == pytest.approx(np.log(0.25))
    assert model.update([-np.inf] * 3) is Status.reset_to_prior  # nor does the prior
    np.testing.assert_allclose(model.probabilities, [0.5, 0.25, 0.25])
    assert model.step([np.nan, 0, 0]) is Status.not_finite


def test_calls_of_the_wrong_shape_or_before_init_are_named() -> None:
    model = DiscreteBayesFilter(states=3)
    with pytest.raises(TypeError, match="argument"):
        model.step()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="__init__"):
        DiscreteBayesFilter.__new__(DiscreteBayesFilter).step(np.zeros(3))


def test_what_cannot_be_used_leaves_the_belief_and_never_raises() -> None:
    model = DiscreteBayesFilter(states=3)
    before = model.probabilities
    assert model.step([-np.inf] * 3) is Status.zero_evidence
    assert model.update([np.nan, 0, 0]) is Status.not_finite
    assert model.step([np.inf, 0, 0]) is Status.not_finite
    assert np.array_equal(model.probabilities, before)
    logs = np.zeros((4, 3))
    logs[2] = np.nan
    rows, evidence, status = model.filter(logs)
    assert status.tolist() == [0, 0, Status.not_finite.value, 0]
    assert np.isnan(evidence).tolist() == [False, False, True, False]
    assert np.array_equal(rows[2], rows[1])


def test_static_hypotheses_switching_and_forgetting() -> None:
    model = DiscreteBayesFilter(prior=[1, 3], switching=0.5)
    model.update(np.log([0.9, 0.1]))
    np.testing.assert_allclose(model.probabilities, [0.75, 0.25])
    model.predict()
    np.testing.assert_allclose(model.probabilities, [0.5, 0.5])
    model.reset()
    model.forget(0.5)
    np.testing.assert_allclose(model.probabilities, np.sqrt([1, 3]) / np.sqrt([1, 3]).sum())
    with pytest.raises(ConfigError):
        model.forget(2.0)


def test_arguments_are_checked() -> None:
    with pytest.raises(ShapeError, match="number of states"):
        DiscreteBayesFilter()
    with pytest.raises(ShapeError, match="number of states"):
        DiscreteBayesFilter(np.eye(3), prior=[0.5, 0.5])
    with pytest.raises(ShapeError, match=r"\(K, K\)"):
        DiscreteBayesFilter(np.ones((2, 3)))
    with pytest.raises(ConfigError, match="sum to 1"):
        DiscreteBayesFilter(np.ones((2, 2)))
    with pytest.raises(ConfigError, match="positive sum"):
        DiscreteBayesFilter(prior=[0.0, 0.0])
    with pytest.raises(ConfigError, match="switching"):
        DiscreteBayesFilter(np.eye(2), switching=0.1)
    with pytest.raises(ShapeError):
        DiscreteBayesFilter(states=2).step([0.0, 0.0, 0.0])


def test_batch_follows_single_filters_through_underflow_and_bad_rows() -> None:
    rng = np.random.default_rng(11)
    for states in (3, 8, 13, 40):
        transition = rng.dirichlet(np.ones(states), size=states)
        prior = rng.uniform(0.1, 1, states)
        batch = DiscreteBayesBatch(7, transition, prior=prior)
        singles = [DiscreteBayesFilter(transition, prior=prior) for _ in range(7)]
        for turn in range(12):
            logs = -rng.uniform(0, 10.0 ** (turn % 6), size=(7, states))
            logs[2] = -np.inf if turn == 3 else logs[2]
            logs[5, 0] = np.nan if turn == 4 else logs[5, 0]
            status = batch.step(logs)
            for i, single in enumerate(singles):
                assert status[i] == int(single.step(logs[i]))
                np.testing.assert_allclose(
                    batch.probabilities[i], single.probabilities, rtol=1e-11, atol=1e-300
                )
                if status[i] >= 0:
                    assert batch.log_evidence[i] == pytest.approx(single.log_evidence, rel=1e-11)
                else:
                    assert np.isnan(batch.log_evidence[i])


def test_single_precision_tables_keep_a_double_belief() -> None:
    rng = np.random.default_rng(12)
    transition = rng.dirichlet(np.full(70, 0.2), size=70)
    rounded = DiscreteBayesFilter(transition, dtype=np.float32)
    exact = DiscreteBayesFilter(transition)
    for spread in (1.0, 30.0, 2000.0, 5.0):
        for _ in range(5):
            logs = -spread * rng.random(70)
            assert rounded.step(logs) == exact.step(logs)
            np.testing.assert_allclose(
                rounded.log_probabilities, exact.log_probabilities, rtol=1e-6, atol=1e-5
            )
    with pytest.raises(ConfigError, match="float32 or float64"):
        DiscreteBayesFilter(transition, dtype=np.float16)
