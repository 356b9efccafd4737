"""pytest plugin: the fixture `optcore_benchmark`, its marker and its options.

    @pytest.mark.optcore_benchmark(max_mean=0.01, max_p99=0.02, tolerance=10)
    def test_inference(optcore_benchmark):
        summary = optcore_benchmark(inference, observation)

Imports nothing of the framework before the fixture is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from optcore.benchmark_framework import BenchmarkFramework, BenchmarkSummary

__all__ = ["optcore_benchmark"]

_MARK = "optcore_benchmark"
_LIMITS = {"max_mean": "mean_time", "max_median": "median_time", "max_p99": "p99"}
_SETTINGS = {"tolerance": "baseline_tolerance_percent"}
_REPORTS = (".html", ".json", ".csv", ".md")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("optcore", "benchmarks with optcore")
    group.addoption(
        "--optcore-save", action="store_true", help="make each benchmark's result its baseline"
    )
    group.addoption(
        "--optcore-compare", action="store_true", help="fail a benchmark that became slower"
    )
    group.addoption(
        "--optcore-require-baseline",
        action="store_true",
        help="with --optcore-compare: fail a benchmark that cannot be compared",
    )
    group.addoption(
        "--optcore-directory", metavar="DIR", help="results and baselines (benchmark_results)"
    )
    group.addoption(
        "--optcore-report", metavar="FILE", help="write a report: .html, .json, .csv or .md"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "optcore_benchmark(max_mean=, max_median=, max_p99=, tolerance=, **settings): limits in "
        "s and percent for the benchmarks of a test, and fields of BenchmarkConfig",
    )
    report, save = (config.getoption(name) for name in ("--optcore-report", "--optcore-save"))
    if report and not report.lower().endswith(_REPORTS):
        raise pytest.UsageError(f"--optcore-report {report}: need one of {', '.join(_REPORTS)}")
    if (report or save) and config.getoption("dist", "no") != "no":  # pytest-xdist
        raise pytest.UsageError(
            "--optcore-report and --optcore-save need all benchmarks in one process, where no "
            "other test runs beside them: pytest -n 0"
        )


class _Session:
    """The one framework of a test session."""

    key = pytest.StashKey["_Session"]()

    def __init__(self, config: pytest.Config) -> None:
        from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework

        folder = config.getoption("--optcore-directory")
        changes: dict[str, Any] = {"output_directory": str(folder)} if folder else {}
        self.framework: BenchmarkFramework = BenchmarkFramework(BenchmarkConfig(**changes))


@pytest.fixture
def optcore_benchmark(request: pytest.FixtureRequest) -> Callable[..., BenchmarkSummary]:
    """Measures `optcore_benchmark(function, *args, **kwargs)` and returns the summary.

    A limit of the marker that is passed, or a benchmark that fails, fails the test; a regression
    does so with --optcore-compare. `optcore_benchmark.framework` is the framework.
    """
    from optcore.errors import ConfigError

    config = request.config
    session = config.stash.setdefault(_Session.key, _Session(config))
    marker = request.node.get_closest_marker(_MARK)
    given = dict(marker.kwargs) if marker else {}
    limits = {key: given.pop(key) for key in _LIMITS if key in given}
    settings: dict[str, Any] = {_SETTINGS.get(k) or str(k): v for k, v in given.items()}
    beside = hasattr(config, "workerinput")  # pytest-xdist: others run at the same time
    used: dict[str, int] = {}

    def measure(function: Callable[..., Any], *args: Any, **kwargs: Any) -> BenchmarkSummary:
        name = request.node.nodeid
        used[name] = used.get(name, 0) + 1
        if used[name] > 1:
            name = f"{name}#{used[name]}"
        try:
            summary = session.framework.benchmark(
                function, name=name, args=args, kwargs=kwargs, **settings
            )
        except ConfigError as error:
            pytest.fail(str(error), pytrace=False)
        _check(summary, limits, config, beside)
        if config.getoption("--optcore-save"):
            session.framework.set_baseline(name, summary)
        return summary

    measure.framework = session.framework  # type: ignore[attr-defined]
    return measure


def _check(
    summary: BenchmarkSummary, limits: dict[str, float], config: pytest.Config, beside: bool
) -> None:
    if summary.outcome != "ok":
        pytest.fail(f"{summary.name}: {summary.regression_reason}", pytrace=False)
    for key, limit in limits.items():
        value = getattr(summary, _LIMITS[key])
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            pytest.fail(f"{_MARK}: {key} must be a number of s, got {limit!r}", pytrace=False)
        if not value <= limit:
            pytest.fail(
                f"{summary.name}: {_LIMITS[key]} {value:.4g} s > {limit:g} s", pytrace=False
            )
    if not config.getoption("--optcore-compare"):
        return
    said = f"{summary.name}: {summary.regression_status}: {summary.regression_reason}"
    if beside:
        pytest.fail(
            f"{summary.name}: not_comparable: other tests run beside it (pytest-xdist)",
            pytrace=False,
        )
    if summary.regression_detected:
        pytest.fail(said, pytrace=False)
    missing = summary.regression_status in ("no_baseline", "not_comparable")
    if missing and config.getoption("--optcore-require-baseline"):
        pytest.fail(said, pytrace=False)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    session = config.stash.get(_Session.key, None)
    if session is None or not session.framework.results:
        return
    from optcore.benchmark_framework.report.tables import text_table

    terminalreporter.section("benchmarks")
    terminalreporter.write_line(text_table(session.framework.results))
    report = config.getoption("--optcore-report")
    if report:
        terminalreporter.write_line(f"report: {session.framework.export(report)}")
