"""The pytest plugin in sessions of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy  # noqa: F401  (what a session imports is forgotten after it, and NumPy loads once)
import pytest
import scipy.stats  # noqa: F401

from optcore import benchmark_framework  # noqa: F401

pytest_plugins = ["pytester"]

QUICK = "num_iterations=15, warmup_iterations=1, enable_profiling=False, bootstrap_samples=100"


@pytest.fixture
def session(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(
        test_it=f"""
        import os, pytest
        pytestmark = pytest.mark.optcore_benchmark({QUICK})

        def test_sum(optcore_benchmark):
            summary = optcore_benchmark(sum, range(int(os.environ.get("N", "2000"))))
            assert summary.mean_time > 0
            assert summary.success_rate == 1.0
        """
    )
    return pytester


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """In this process, by the same entry point: a fresh one takes seconds to import its plugins."""
    return pytester.runpytest_inprocess("-p", "no:benchmark", "-p", "no:xdist", *options)


def test_the_fixture_returns_the_summary_and_the_session_ends_with_a_table(
    session: pytest.Pytester,
) -> None:
    result = run(session, "--optcore-report=out.md")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*benchmarks*", "*test_it.py::test_sum*no baseline", "report:*"])
    assert "| test_it.py::test_sum |" in (session.path / "out.md").read_text()


def test_a_slowdown_fails_where_it_is_asked_for(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(session, "--optcore-compare", "--optcore-require-baseline")
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["*no_baseline: no baseline was set*"])
    run(session, "--optcore-save").assert_outcomes(passed=1)
    monkeypatch.setenv("N", "60000")
    run(session).assert_outcomes(passed=1)
    slow = run(session, "--optcore-compare")
    slow.assert_outcomes(failed=1)
    slow.stdout.fnmatch_lines(["*regression: the fast end is slower by more than 10%*"])


def test_limits_failures_and_misuse_are_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"""
        import pytest, time

        @pytest.mark.optcore_benchmark(max_mean=1e-9, {QUICK})
        def test_slow(optcore_benchmark):
            optcore_benchmark(sum, range(1000))

        @pytest.mark.optcore_benchmark({QUICK})
        def test_raises(optcore_benchmark):
            optcore_benchmark(int, "x")

        @pytest.mark.optcore_benchmark(colour="red")
        def test_unknown(optcore_benchmark):
            optcore_benchmark(sum, [])

        @pytest.mark.optcore_benchmark(max_mean="fast", {QUICK})
        def test_limit(optcore_benchmark):
            optcore_benchmark(sum, [])

        @pytest.mark.optcore_benchmark({QUICK})
        def test_two(optcore_benchmark):
            names = [optcore_benchmark(sum, []).name for _ in range(2)]
            assert names[1] == names[0] + "#2"
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=4, passed=1)
    result.stdout.fnmatch_lines(
        ["*mean_time * s > 1e-09 s*", "*invalid literal*", "*unknown field 'colour'*",
         "*max_mean must be a number of s, got 'fast'*"]
    )  # fmt: skip


def test_options_that_cannot_be_met_are_refused_before_the_session(
    session: pytest.Pytester,
) -> None:
    wrong = run(session, "--optcore-report=out.pdf")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["*--optcore-report out.pdf: need one of .html*"])
    pytest.importorskip("xdist", reason="no pytest-xdist: optcore[test] brings it")
    for option in ("--optcore-save", "--optcore-report=out.html"):
        beside = session.runpytest_inprocess("-p", "no:benchmark", "-n", "2", option)
        assert beside.ret == pytest.ExitCode.USAGE_ERROR
        beside.stderr.fnmatch_lines(["*need all benchmarks in one process*"])


def test_the_manuals_own_fixture_may_be_called_benchmark(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from optcore.benchmark_framework import BenchmarkFramework

        def inference_function():
            return sum(range(100))

        class TestPerformance:
            @pytest.fixture
            def benchmark(self):
                return BenchmarkFramework()

            def test_inference_performance(self, benchmark):
                summary = benchmark.benchmark(inference_function)
                assert summary.mean_time < 0.01, f"Too slow: {summary.mean_time:.3f}s"
                assert summary.success_rate > 0.99, f"Low success: {summary.success_rate}"

            def test_no_regression(self, benchmark):
                summary = benchmark.benchmark(inference_function, name="inference")
                assert not summary.regression_detected, "Performance regression detected"
        """
    )
    run(pytester).assert_outcomes(passed=2)


def test_the_plugin_loads_nothing_of_the_framework(tmp_path: Path) -> None:
    code = (
        "import sys, optcore.benchmark_framework.pytest_plugin\n"
        "mine = ('optcore.benchmark_framework.', 'scipy')\n"
        "print(*[m for m in sys.modules if m.startswith(mine)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["optcore.benchmark_framework.pytest_plugin"]
