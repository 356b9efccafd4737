"""Reports of an analysis: from a result to text."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from optcore.errors import ConfigError
from optcore.scalability_analyzer.result import ScalabilityResult, ScenarioResult, TargetResult
from optcore.scalability_analyzer.sizing import Option, Sizing
from optcore.scalability_analyzer.usl import Interval, UslFit

__all__ = ["FORMATS", "law_lines", "render", "scenario_doubts", "sizing_lines"]


def render(result: ScalabilityResult, format: str = "text") -> str:
    """The result as text, json, csv or html.

    Raises:
        ConfigError: another format.
        MissingDependency: html without matplotlib.
    """
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    return FORMATS[format](result)


def _text(result: ScalabilityResult) -> str:
    e = result.environment
    lines = [
        f"Scalability on {e['cpus']} processors, {e['system']}, Python {e['python']}, {e['time']}"
    ]
    for target in result.targets:
        lines += ["", *_target_lines(target)]
    return "\n".join(lines) + "\n"


def _target_lines(target: TargetResult) -> Iterator[str]:
    yield f"Target {target.target}"
    yield (
        f"  {'scenario':<18}{'calls/s':>12}{'offered':>10}{'p50 ms':>10}{'p99 ms':>10}"
        f"{'p99.9 ms':>10}{'max ms':>10}{'errors':>8}{'cpu %':>7}"
    )
    for s in target.scenarios:
        offered = "" if s.offered_rate is None else f"{s.offered_rate:.5g}"
        r = s.response
        yield (
            f"  {s.name[:17]:<18}{s.throughput:>12.5g}{offered:>10}{r.p50 * 1e3:>10.4g}"
            f"{r.p99 * 1e3:>10.4g}{r.p999 * 1e3:>10.4g}{r.max * 1e3:>10.4g}{s.errors:>8}"
            f"{s.cpu_percent:>7.0f}"
        )
        yield from (f"    ! {line}" for line in scenario_doubts(s))
    if target.knee:
        yield f"  knee        {target.knee}"
    yield from (f"  {line}" for line in law_lines(target.usl, target.usl_reason))
    if target.limit is not None:
        yield f"  limited by  {target.limit.kind}: {target.limit.evidence}"
        yield f"              try: {target.limit.remedy} (confidence {target.limit.confidence:.0%})"
    if target.sizing is not None:
        yield from (f"  {line}" for line in sizing_lines(target.sizing))
    if target.advice is not None:
        a = target.advice
        yield (
            f"  autoscale   {a.replicas} replicas now, {a.min_replicas} to {a.max_replicas}, by "
            f"{a.metric} at {a.target:.4g}{' (beyond the limit set)' if a.limited else ''}"
        )


def scenario_doubts(s: ScenarioResult) -> Iterator[str]:
    """What keeps a scenario's figures from being taken as they stand."""
    yield from s.notes
    if s.saturated:
        offered = s.offered_rate or 0.0
        yield (
            f"saturated: {s.throughput:.4g} of {offered:.4g} calls/s served, {s.unstarted} never "
            "started; latencies are lower bounds and grow with the length of the test"
        )
    if s.errors:
        kinds = ", ".join(f"{n} {name}" for name, n in s.error_types.items())
        yield f"errors: {kinds}; the first: {s.first_error}; they are not among the latencies"
    if s.timeouts:
        yield f"timeouts: {s.timeouts} calls took longer than {s.scenario.timeout:g} s"
    if s.little_ratio is not None and abs(s.little_ratio - 1) > 0.05:
        yield (
            f"Little's law is off by {s.little_ratio - 1:+.0%}: users spend time outside the calls"
        )


def law_lines(usl: UslFit | None, reason: str) -> Iterator[str]:
    if usl is None:
        yield f"scaling law none: {reason}"
        return
    level = f"{usl.level:.0%}"
    yield (
        f"scaling law rate {usl.rate:.4g}/s {_bounds(usl.rate_interval)}, contention "
        f"{usl.contention:.3g} {_bounds(usl.contention_interval)}, coherency "
        f"{usl.coherency:.3g} {_bounds(usl.coherency_interval)} ({level} intervals, noise "
        f"{usl.noise:.1%})"
    )
    if usl.peak is not None:
        top = float(usl.throughput([usl.peak])[0])
        yield (
            f"            peak {top:.4g} calls/s at {usl.peak:.3g} users "
            f"{_bounds(usl.peak_interval)}"
        )
    if reason:
        yield f"            {reason}"


def _bounds(interval: Interval) -> str:
    high = f"{interval.high:.3g}" if math.isfinite(interval.high) else "not bounded"
    return f"[{interval.low:.3g}, {high}]"


def sizing_lines(s: Sizing) -> Iterator[str]:
    yield (
        f"target      {s.target_throughput:.4g} calls/s with p{s.percentile:g} <= "
        f"{s.target_response:g} s"
    )
    count = "not reachable" if s.replicas is None else str(s.replicas)
    yield f"replicas    {count}: {s.model}"
    if s.replicas is not None and s.queue.response is not None:
        yield (
            f"            the model expects p{s.percentile:g} = {s.queue.response:.3g} s, "
            f"{s.queue.waiting:.1%} of the calls waiting, servers {s.queue.utilisation:.0%} busy"
        )
    yield f"horizontal  {_option(s.horizontal)}"
    yield f"vertical    {_option(s.vertical)}"
    yield f"recommended {s.recommendation}"


def _option(option: Option) -> str:
    if not option.possible:
        return f"no: {option.reason}"
    if option.cpus is None or option.memory_gb is None:
        return option.reason
    money = "" if option.cost_hour is None else f", {option.cost_hour:.4g} an hour"
    gpus = f", {option.gpus} GPUs" if option.gpus else ""
    return f"{option.cpus:g} processors, {option.memory_gb:.3g} GB{gpus}{money}: {option.reason}"


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _json(result: ScalabilityResult) -> str:
    return json.dumps(_plain(result.to_dict()), indent=1, allow_nan=False, default=str) + "\n"


def _csv(result: ScalabilityResult) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    quantiles = ("p50", "p90", "p95", "p99", "p999", "p9999", "max", "mean")
    writer.writerow(
        ["target", "scenario", "users", "arrival_rate", "throughput_per_s", "offered_per_s"]
        + [f"response_{q}_s" for q in quantiles]
        + [f"service_{q}_s" for q in quantiles]
        + ["start_lag_p99_s", "errors", "timeouts", "unstarted", "cpu_percent", "memory_mb",
           "saturated", "generator_bound"]
    )  # fmt: skip
    for target in result.targets:
        for s in target.scenarios:
            writer.writerow(
                [target.target, s.name, s.users, s.scenario.arrival_rate, s.throughput,
                 s.offered_rate]
                + [getattr(s.response, q) for q in quantiles]
                + [getattr(s.service, q) for q in quantiles]
                + [s.start_lag.p99 if s.start_lag.count else "", s.errors, s.timeouts,
                   s.unstarted, s.cpu_percent, s.memory_mb, s.saturated, s.generator_bound]
            )  # fmt: skip
    return out.getvalue()


def _html(result: ScalabilityResult) -> str:
    from optcore.scalability_analyzer.page import html_page

    return html_page(result)


FORMATS: dict[str, Callable[[ScalabilityResult], str]] = {
    "text": _text,
    "json": _json,
    "csv": _csv,
    "html": _html,
}
