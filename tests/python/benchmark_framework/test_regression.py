"""Verdicts on planted samples: what changed is found, what did not stays silent."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.regression import judge_interleaved, judge_stored

CONFIG = BenchmarkConfig(bootstrap_samples=400)


def session(seed: int, factor: float = 1.0, count: int = 100) -> NDArray[np.float64]:
    """A run on a machine whose speed varies from run to run, and that stalls now and then."""
    random = np.random.default_rng(seed)
    level = factor * (1 + 0.04 * random.exponential())
    noise = 1 + 0.03 * random.exponential(size=count)
    stalls = np.where(random.random(count) < 0.03, 3.0, 1.0)
    return 1e-3 * level * noise * stalls


@pytest.mark.parametrize(("factor", "status"), [(1.3, "regression"), (0.7, "improvement")])
def test_a_true_change_is_found_and_confirmed(factor: float, status: str) -> None:
    found = judge_stored(session(1), session(2, factor), CONFIG, lambda: session(3, factor))
    assert found.status == status
    assert found.detected == (status == "regression")
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert found.effect_size == pytest.approx(1.0 if factor > 1 else -1.0, abs=0.15)


def test_an_alarm_that_a_second_run_does_not_show_is_inconclusive() -> None:
    found = judge_stored(session(1), session(2, 1.3), CONFIG, lambda: session(3))
    assert found.status == "inconclusive"
    assert "second run did not show it" in found.reason


def test_an_alarm_that_no_second_run_could_confirm_is_inconclusive() -> None:
    nothing = np.empty(0)
    found = judge_stored(session(1), session(2, 1.3), CONFIG, lambda: nothing)
    assert found.status == "inconclusive"
    assert "too few to confirm" in found.reason
    beside = judge_interleaved(session(1), session(1, 1.3), CONFIG, lambda: (nothing, nothing))
    assert beside.status == "inconclusive"
    assert "too few to confirm" in beside.reason


def test_a_slower_median_over_a_level_fast_end_is_inconclusive() -> None:
    after = session(2)
    after[15:] *= 1.5  # another program came and stayed
    found = judge_stored(session(1), after, CONFIG)
    assert found.status == "inconclusive"
    assert "compare interleaved" in found.reason


def test_both_the_tolerance_and_the_test_must_agree() -> None:
    before, after = session(1), session(1, 1.08)
    small = judge_stored(before, after, CONFIG)
    assert small.p_value is not None
    assert small.p_value < 1e-6
    assert small.status == "inconclusive"
    tight = CONFIG.replace(baseline_tolerance_percent=5)
    assert judge_stored(before, after, tight).status == "regression"
    few = judge_stored(before[:5], 1.2 * before[5:10], CONFIG.replace(
        statistical_significance_level=1e-3))  # fmt: skip
    assert few.status != "regression"


def test_unchanged_code_raises_no_alarm_where_the_mean_would() -> None:
    ours, mean = 0, 0
    for k in range(200):
        before, after, again = session(k), session(1000 + k), session(2000 + k)
        ours += judge_stored(before, after, CONFIG, lambda again=again: again).detected
        mean += after.mean() > 1.1 * before.mean()
    assert ours <= 2
    assert mean >= 8


def test_interleaved_five_percent_is_found_and_nothing_is_not() -> None:
    alarms, found = 0, 0
    for k in range(60):
        random = np.random.default_rng(k)
        weather = np.repeat(1 + 0.3 * random.random(20), 5)  # of the block, shared by both
        one, two, three = (
            weather * session(10 * k + i) / session(10 * k + i).min() for i in range(3)
        )
        same = judge_interleaved(one, two, CONFIG, lambda: (two, three))  # noqa: B023
        alarms += same.detected
        slower = judge_interleaved(one, 1.05 * two, CONFIG, lambda: (two, 1.05 * three))  # noqa: B023
        found += slower.detected
    assert alarms == 0
    assert found >= 54


def test_the_tail_is_judged_with_enough_samples_only() -> None:
    random = np.random.default_rng(5)
    before = 1 + 0.01 * random.random(1000)
    after = 1 + 0.01 * random.random(1000)
    after[::40] = 2.0
    found = judge_interleaved(before, after, CONFIG)
    assert found.status == "regression"
    assert "tail" in found.reason
    assert judge_interleaved(before[:200], after[:200], CONFIG).status == "ok"


def test_too_few_samples_are_said_to_be_too_few() -> None:
    assert judge_stored(np.ones(3), np.ones(100), CONFIG).status == "inconclusive"
    assert judge_interleaved(np.ones(9), np.ones(9), CONFIG).status == "inconclusive"
