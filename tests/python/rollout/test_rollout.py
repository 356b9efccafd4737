"""Rollouts: a stable share, fallback, and a judgement that is neither hasty nor blind."""

from __future__ import annotations

import json
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from optcore.errors import ConfigError
from optcore.rollout import Rollout, difference, with_fallback
from optcore.rollout.rollout import _at_least


def double(x: Any) -> Any:
    return 2 * x


def broken(x: Any) -> Any:
    raise ValueError(f"cannot {x}")


def test_the_share_is_stable_and_grows_by_the_same_keys() -> None:
    rollout = Rollout("doubling", double, double, percent=20)
    inside = {k for k in range(5000) if rollout.enabled_for(k)}
    assert inside == {k for k in range(5000) if rollout.enabled_for(k)}
    assert 0.17 < len(inside) / 5000 < 0.23
    again = Rollout("doubling", double, double, percent=20)  # another process would do the same
    assert inside == {k for k in range(5000) if again.enabled_for(k)}
    rollout.percent = 60
    larger = {k for k in range(5000) if rollout.enabled_for(k)}
    assert inside < larger
    other = Rollout("another", double, double, percent=20)
    both = inside & {k for k in range(5000) if other.enabled_for(k)}
    assert len(both) < 0.5 * len(inside)  # two rollouts do not choose the same victims
    rollout.percent = 0
    assert not any(rollout.enabled_for(k) for k in range(100))


def test_the_key_decides_not_the_data() -> None:
    rollout = Rollout("robots", double, double, percent=50, key=lambda x, robot: robot)
    for robot in range(20):
        assert len({rollout.enabled_for(x, robot=robot) for x in range(20)}) == 1
    assert {rollout.enabled_for(0, robot=r) for r in range(20)} == {True, False}


def test_arguments_without_content_are_dealt_out_evenly() -> None:
    rollout = Rollout("objects", lambda x: 1, lambda x: 2, percent=25)
    results = [rollout(object()) for _ in range(400)]
    assert abs(results.count(2) - 100) <= 2
    assert np.array_equal(Rollout("a", double, double, percent=50)(np.float32(3)), 6)


def test_a_failure_is_answered_by_the_baseline_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    robust = with_fallback(broken, double)
    with caplog.at_level(logging.ERROR):
        assert robust(4) == 8
    assert "cannot 4" in caplog.text
    assert robust.new.errors == {"ValueError": 1}
    assert (robust.old.calls, robust.new.calls, robust.failures) == (1, 1, 1)
    assert robust.__wrapped__ is double


def test_five_failures_in_a_row_drop_it(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    robust = with_fallback(broken, double, retry_after=10.0, clock=lambda: now)
    with caplog.at_level(logging.WARNING):
        for x in range(8):
            assert robust(x) == 2 * x
    assert "5 failures in a row" in robust.dropped
    assert caplog.text.count("out of use") == 1
    assert robust.new.calls == 5
    now = 11.0
    assert robust(1) == 2
    assert (robust.dropped, robust.new.calls) == ("", 1)


def test_an_input_that_both_refuse_is_nobodys_failure() -> None:
    robust = with_fallback(broken, broken)
    for _ in range(10):
        with pytest.raises(ValueError, match="cannot"):
            robust(1)
    assert (robust.failures, robust.dropped) == (0, "")


def test_a_rate_is_judged_beyond_chance() -> None:
    def sometimes(x: int) -> int:
        if x % 20 == 0:
            raise OSError("gone")
        return 2 * x

    bearing = with_fallback(sometimes, double, max_error_rate=0.2)
    strict = with_fallback(sometimes, double, max_error_rate=0.01, min_calls=50)
    for x in range(1, 1000):
        assert bearing(x) == strict(x) == 2 * x
    assert bearing.dropped == ""
    assert "calls failed" in strict.dropped
    assert strict.new.calls < 400
    one = with_fallback(lambda x: 1 // x, lambda x: 0, min_calls=50)
    for x in [*range(1, 40), 0, *range(1, 200)]:
        one(x)
    assert one.dropped == ""  # one of 240 proves nothing against 1 %


@given(st.integers(1, 50), st.integers(50, 3000))
def test_the_interval_is_wilsons(failures: int, calls: int) -> None:
    ours = _at_least(failures, calls)
    theirs = binomtest(failures, calls).proportion_ci(2 * 0.995062 - 1, "wilson").low
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_a_slower_version_is_dropped_and_a_faster_one_stays() -> None:
    def slow(x: int) -> int:
        end = __import__("time").perf_counter() + 0.0005
        while __import__("time").perf_counter() < end:
            pass
        return 2 * x

    worse = Rollout("worse", double, slow, percent=50)
    better = Rollout("better", slow, double, percent=50)
    for x in range(400):
        assert worse(x) == better(x) == 2 * x
    assert "median latency" in worse.dropped
    assert better.dropped == ""


def test_results_that_differ_are_found_in_the_shadow(caplog: pytest.LogCaptureFixture) -> None:
    wrong = with_fallback(lambda x: 2 * x + 1e-3 * (x > 50), double, shadow=0.5, max_slowdown=1e9)
    for x in range(200):
        wrong(float(x))
    assert "calls failed" in wrong.dropped
    assert "results differ by 0.001" in caplog.text
    assert wrong.differences.quantile(0.0) == 0.0
    assert wrong.differences.quantile(1.0) == pytest.approx(1e-3, rel=1e-2)
    near = with_fallback(
        lambda x: 2 * x + 1e-7, double, shadow=1.0, max_difference=1e-6, max_slowdown=1e9
    )
    for x in range(100):
        near(float(x))
    assert (near.dropped, near.differences.count) == ("", 100)
    assert near.differences.quantile(0.5) == pytest.approx(1e-7, rel=1e-2)


def test_statistics_and_report_say_it_all() -> None:
    rollout = Rollout("half", double, broken, percent=50, shadow=1.0)
    for x in range(40):
        rollout(x)
    found = rollout.statistics()
    assert found["baseline"]["calls"] == 40
    assert found["optimized"]["errors"] == {"ValueError": found["failures"]}
    assert sum(found["baseline"]["latency_ns"]["counts"]) == 40
    json.dumps(found)
    report = rollout.report()
    assert "dropped" in report
    assert "ValueError x 5" in report


def test_threads_may_share_it() -> None:
    rollout = Rollout("shared", double, double, percent=50, shadow=0.5)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rollout, range(2000))) == [2 * x for x in range(2000)]
    assert rollout.new.calls + rollout.old.calls == 2000 + rollout.differences.count


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1.0, 1.5, 0.5),
        (np.ones(3), np.ones(3) + 1e-6, pytest.approx(1e-6)),
        (np.ones(3), np.ones(4), math.inf),
        ((1, [2.0, 3.0]), (1, [2.0, 3.5]), 0.5),
        ({"a": 1}, {"a": 3}, 2.0),
        ({"a": 1}, {"b": 1}, math.inf),
        ("text", "text", 0.0),
        ("text", "other", math.inf),
        (np.nan, np.nan, 0.0),
        (np.nan, 1.0, math.inf),
        (np.inf, np.inf, 0.0),
        ([np.inf, 1.0], [np.inf, 2.0], 1.0),
        (None, None, 0.0),
        (1 + 2j, 1 + 3j, 1.0),
        ([], [], 0.0),
        (True, False, 1.0),
        (2**60, 2**60 + 1, 1.0),  # the same double
        (np.array([2**60, 5]), np.array([2**60 + 1, 3]), 2.0),
    ],
)
def test_differences(a: Any, b: Any, expected: float) -> None:
    assert difference(a, b) == expected


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"percent": 101}, "percent"),
        ({"percent": math.nan}, "percent"),
        ({"shadow": 2}, "shadow"),
        ({"max_error_rate": -1}, "max_error_rate"),
        ({"min_calls": 0}, "min_calls"),
        ({"min_calls": None}, "min_calls"),
        ({"percent": "10"}, "percent"),
        ({"retry_after": math.nan}, "retry_after"),
        ({"key": 3}, "key"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Rollout("x", double, double, **options)


def test_coroutines_are_refused() -> None:
    async def later(x: int) -> int:
        return x

    with pytest.raises(ConfigError, match="coroutine"):
        Rollout("x", double, later)
