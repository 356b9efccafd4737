"""Figures of the comparison harness against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import best_peer, ratio, ratio_interval, summarise

positive = st.floats(min_value=1e-9, max_value=1e9)


@given(st.lists(positive, min_size=1, max_size=60))
def test_summary_is_numpys(values: list[float]) -> None:
    found = summarise(values, "us")
    assert found.median == np.median(values)
    assert found.p99 == pytest.approx(stats.scoreatpercentile(values, 99), rel=1e-12)
    assert (found.best, found.worst, found.count) == (min(values), max(values), len(values))


@given(st.lists(positive, min_size=1, max_size=60))
def test_the_bad_end_of_a_rate_is_the_low_one(values: list[float]) -> None:
    found = summarise(values, "per_s")
    assert (found.best, found.worst) == (max(values), min(values))
    assert found.p99 == pytest.approx(stats.scoreatpercentile(values, 1), rel=1e-12)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_samples_must_be_there_and_finite(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        summarise(values, "us")


def test_ratio_above_one_is_better_whatever_the_unit() -> None:
    assert ratio(2.0, 6.0, "us") == 3.0
    assert ratio(2.0, 6.0, "bytes") == 3.0
    assert ratio(6.0, 2.0, "gflop_s") == 3.0
    assert ratio(0.0, 2.0, "bytes") == float("inf")


def test_the_best_peer_depends_on_the_direction_of_the_unit() -> None:
    peers = {"low": summarise([1.0], "us"), "high": summarise([9.0], "us")}
    assert best_peer(peers, "us") == "low"
    assert best_peer(peers, "per_s") == "high"


def test_the_interval_encloses_the_ratio_as_scipys_bootstrap_does() -> None:
    random = np.random.default_rng(1)
    ours = random.lognormal(0.0, 0.2, 101)
    theirs = 2.0 * random.lognormal(0.0, 0.2, 101)
    low, high = ratio_interval(ours.tolist(), theirs.tolist(), "us")
    assert low < 2.0 < high
    expected = stats.bootstrap(
        (theirs, ours),
        lambda a, b, axis: np.median(a, axis=axis) / np.median(b, axis=axis),
        method="percentile",
        rng=np.random.default_rng(2),
        n_resamples=2000,
    ).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=0.02)
