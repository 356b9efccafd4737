"""Change points: planted ones, none in noise, a published series, and beside ruptures."""

from __future__ import annotations

import numpy as np
import pytest
import ruptures

from optcore.benchmark_framework import change_points

NILE = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180,
    799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833,
    701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845,
    864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649,
    846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815,
    1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
]  # fmt: skip


def test_the_nile_fell_in_1899() -> None:
    """Cobb, The problem of the Nile, Biometrika 65 (1978): 28 years until 1898, then less."""
    (change,) = change_points(NILE)
    assert change.index == 28
    assert change.ratio == pytest.approx(np.median(NILE[28:]) / np.median(NILE[:28]))


def test_planted_changes_are_found_where_they_are_as_ruptures_finds_them() -> None:
    random = np.random.default_rng(0)
    truth = [40, 70]
    level = np.repeat([1.0, 1.1, 1.04], [40, 30, 30])
    series = level + 0.01 * random.standard_t(3, 100)
    found = [change.index for change in change_points(series)]
    theirs = ruptures.KernelCPD("rbf").fit(series).predict(n_bkps=2)[:-1]
    assert found == pytest.approx(truth, abs=2)
    assert found == pytest.approx(theirs, abs=2)


def test_an_unchanged_series_is_split_as_often_as_the_level_says() -> None:
    random = np.random.default_rng(1)
    alarms = sum(
        bool(change_points(random.standard_t(2, 30), level=0.05, permutations=99, seed=k))
        for k in range(200)
    )
    assert 1 <= alarms <= 20  # expected 10


def test_changes_lie_between_commits() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), 5)
    series = 1 + 0.01 * random.normal(size=30) + 0.1 * (groups >= 3)
    (change,) = change_points(series, groups=groups.tolist())
    assert change.index == 15
    assert change.p_value == pytest.approx(1 / 500)


def test_small_changes_and_short_series_are_left_alone() -> None:
    random = np.random.default_rng(3)
    series = np.r_[np.full(20, 1.0), np.full(20, 1.01)] + 1e-4 * random.normal(size=40)
    assert len(change_points(series)) == 1
    assert change_points(series, min_ratio=1.03) == []
    assert change_points([]) == change_points([1.0, 2.0, 3.0]) == []
    assert change_points([1.0] * 50) == []


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="finite"):
        change_points([1.0, float("nan")])
    with pytest.raises(ValueError, match="groups"):
        change_points([1.0, 2.0], groups=[0])
    with pytest.raises(ValueError, match="least must be"):
        change_points([1.0, 2.0], least=0)
    with pytest.raises(ValueError, match="level"):
        change_points([1.0], level=0.001, permutations=99)
