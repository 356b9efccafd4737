"""Robust figures against SciPy, NumPy and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from optcore.benchmark_framework.statistics import (
    bootstrap,
    describe,
    mann_whitney,
    median_interval,
    paired_ratio,
    ratio_interval,
)

times = st.lists(st.floats(min_value=1e-9, max_value=1e3), min_size=5, max_size=60)


@given(times)
def test_figures_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    found = describe(values, draws=100)
    assert found.median == np.median(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    assert found.iqr == pytest.approx(stats.iqr(values), abs=1e-12)
    assert found.mad == pytest.approx(stats.median_abs_deviation(values), abs=1e-15)
    assert found.p99 == pytest.approx(np.percentile(values, 99))
    assert found.min <= found.ci_low <= found.ci_high <= found.max
    slope = stats.theilslopes(values)[0]
    assert found.drift == pytest.approx(slope * len(values) / np.median(values))


@given(times, times)
def test_the_test_is_scipys_and_the_effect_counts_pairs(a: list[float], b: list[float]) -> None:
    p, delta = mann_whitney(a, b)
    assert p == stats.mannwhitneyu(a, b).pvalue
    above = sum(y > x for x in a for y in b)
    below = sum(y < x for x in a for y in b)
    assert delta == pytest.approx((above - below) / (len(a) * len(b)), abs=1e-12)


def test_mann_whitney_of_hollander_and_wolfe() -> None:
    """Nonparametric Statistical Methods (1999), example 4.1: W = 35, one-sided p = 0.1272."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    p, delta = mann_whitney(early, term)
    assert p == pytest.approx(2 * 0.1272, abs=1e-4)
    assert delta == pytest.approx(2 * 35 / 50 - 1)


def test_bootstrap_of_the_mouse_data() -> None:
    """Efron & Tibshirani (1993), table 2.2: standard error of the median 37.83."""
    treated = np.array([94.0, 197, 16, 38, 99, 141, 23])
    rows = np.concatenate(list(bootstrap(treated.size, draws=40_000)))
    assert rows.shape == (40_000, 7)
    assert np.median(treated[rows], axis=1).std(ddof=1) == pytest.approx(37.83, rel=0.015)


def test_blocks_are_neighbours_that_wrap() -> None:
    rows = next(bootstrap(11, draws=50, block=5, seed=3))
    assert rows.shape == (50, 11)
    steps = np.diff(rows[:, :5], axis=1) % 11
    assert (steps == 1).all()
    assert set(np.unique(rows)) == set(range(11))


def test_interval_of_the_median_agrees_with_scipys_bootstrap() -> None:
    values = np.random.default_rng(0).lognormal(0, 0.3, 200)
    found = median_interval(values, draws=4000, block=1)
    theirs = stats.bootstrap(
        (values,), np.median, method="percentile", n_resamples=4000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found == pytest.approx((theirs.low, theirs.high), rel=0.01)


def test_correlated_samples_widen_the_interval_and_keep_its_coverage() -> None:
    random = np.random.default_rng(1)
    covered, single = 0, 0
    for run in range(200):
        noise = random.normal(size=220)
        values = 10 + np.convolve(noise, np.ones(5) / 5, "valid")[-200:]
        low, high = median_interval(values, draws=300, block=10, seed=run)
        covered += low <= 10 <= high
        low, high = median_interval(values, draws=300, block=1, seed=run)
        single += low <= 10 <= high
    assert covered / 200 >= 0.86
    assert single / 200 < 0.75, "independent resampling believes too much"


def test_ratio_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(2)
    inside = 0
    for run in range(100):
        a, b = random.lognormal(0, 0.1, 80), 1.3 * random.lognormal(0, 0.1, 80)
        low, high = ratio_interval(a, b, draws=300, seed=run)
        inside += low <= 1.3 <= high
    assert inside >= 88


def test_a_paired_ratio_is_free_of_a_drift_that_both_share() -> None:
    random = np.random.default_rng(3)
    drift = np.linspace(1, 3, 100)
    a = drift * random.normal(1, 0.01, 100)
    b = 1.05 * drift * random.normal(1, 0.01, 100)
    ratio, low, high = paired_ratio(a, b)
    assert low < 1.05 < high
    assert high - low < 0.01
    unpaired = ratio_interval(a, b)
    assert unpaired[1] - unpaired[0] > 0.1
    b[50:55] *= 40  # one stalled block
    assert paired_ratio(a, b)[0] == pytest.approx(ratio, abs=0.003)


def test_outliers_are_tukeys_and_are_kept() -> None:
    found = describe([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    assert found.outliers == 1
    assert found.max == 100


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("normal", False), ("uniform", False), ("exponential", False), ("lognormal", False),
     ("stalls", False), ("two speeds", True)],
)  # fmt: skip
def test_two_speeds_are_told_from_tails(kind: str, expected: bool) -> None:
    random = np.random.default_rng(4)
    draw = {
        "normal": lambda: random.normal(10, 1, 200),
        "uniform": lambda: random.uniform(9, 11, 200),
        "exponential": lambda: 5 + random.exponential(1, 200),
        "lognormal": lambda: random.lognormal(0, 0.5, 200),
        "stalls": lambda: np.r_[random.normal(10, 0.2, 190), random.normal(60, 1, 10)],
        "two speeds": lambda: np.r_[random.normal(10, 0.2, 120), random.normal(14, 0.3, 80)],
    }[kind]
    assert [describe(draw(), draws=100).bimodal for _ in range(20)].count(expected) >= 19


def test_too_few_samples_give_nan_and_bad_ones_an_error() -> None:
    assert math.isnan(describe([]).median)
    assert math.isnan(describe([1.0]).std)
    with pytest.raises(ValueError, match="all finite"):
        median_interval([1.0, math.nan])
    with pytest.raises(ValueError, match="two pairs of blocks"):
        paired_ratio([1.0] * 6, [1.0] * 6)
