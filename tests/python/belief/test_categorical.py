"""Categorical beliefs against Bayes' rule in extended precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from optcore import Device
from optcore.belief import update_beliefs
from optcore.errors import DeviceUnavailable, InferenceError, ShapeError

logs = hnp.arrays(np.float64, (3, 5), elements=st.floats(-700, 50))


@given(logs, logs)
def test_agrees_with_long_double(prior: np.ndarray, likelihood: np.ndarray) -> None:
    joint = prior.astype(np.longdouble) + likelihood
    peak = joint.max(axis=1, keepdims=True)
    expected = joint - peak - np.log(np.exp(joint - peak).sum(axis=1, keepdims=True))
    got = update_beliefs(prior, likelihood)
    np.testing.assert_allclose(got, expected.astype(float), rtol=1e-13, atol=1e-12)


def test_prior_is_not_modified_and_order_does_not_matter() -> None:
    prior = np.log(np.asfortranarray([[0.2, 0.8], [0.5, 0.5]]))
    before = prior.copy()
    post = update_beliefs(prior, np.log([[0.9, 0.1], [0.3, 0.7]])[::1])
    assert np.array_equal(prior, before)
    np.testing.assert_allclose(np.exp(post).sum(axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize("shape", [((2, 3), (3, 2)), ((3,), (3,)), ((2, 0), (2, 0))])
def test_wrong_shapes_are_named(shape: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ShapeError, match=r"log_beliefs and log_likelihoods.*got"):
        update_beliefs(np.zeros(shape[0]), np.zeros(shape[1]))


def test_rows_that_fail_are_listed() -> None:
    likelihood = np.zeros((3, 2))
    likelihood[1] = -np.inf
    likelihood[2, 0] = np.nan
    with pytest.raises(InferenceError, match="row 1 of 3 failed: zero_evidence") as error:
        update_beliefs(np.zeros((3, 2)), likelihood)
    assert error.value.rows == [1, 2]


def test_a_missing_device_says_so() -> None:
    with pytest.raises(DeviceUnavailable):
        update_beliefs(np.zeros((1, 2)), np.zeros((1, 2)), device=Device.cuda(10_000))
