"""Histograms read back by other people's code."""

from __future__ import annotations

import random

import pytest

from optcore._native import runtime
from optcore.profiler import SystemProfiler
from optcore.profiler.export import hdr_v2, observe_opentelemetry, register_prometheus


def profiled() -> SystemProfiler:
    profiler = SystemProfiler()
    call = profiler.profile_decorator("call")(lambda x: 1 / x)
    for _ in range(3):
        call(1)
    with pytest.raises(ZeroDivisionError):
        call(0)
    return profiler


@pytest.mark.parametrize("seed", range(3))
def test_hdrhistogram_reads_what_was_written(seed: int) -> None:
    hdrh = pytest.importorskip("hdrh.histogram", reason="optcore[test] brings it")
    histogram, draw = runtime.Histogram(), random.Random(seed)
    values = [0, 1, 2047, 2048, 3_599_999_999_999]
    values += [int(draw.lognormvariate(10, 3)) for _ in range(2000)]
    for value in values:
        histogram.record(value)
    other = hdrh.HdrHistogram.decode(hdr_v2(histogram))
    assert other.get_total_count() == len(values)
    theirs = [
        (item.value_iterated_to, item.count_added_in_this_iter_step)
        for item in other.get_recorded_iterator()
    ]
    assert theirs == list(zip(*histogram.buckets(), strict=True))


def test_an_empty_histogram_and_one_beyond_the_hour() -> None:
    hdrh = pytest.importorskip("hdrh.histogram", reason="optcore[test] brings it")
    histogram = runtime.Histogram()
    assert hdrh.HdrHistogram.decode(hdr_v2(histogram)).get_total_count() == 0
    histogram.record(4_200_000_000_000)
    other = hdrh.HdrHistogram.decode(hdr_v2(histogram))
    assert other.get_total_count() == 1
    assert other.get_max_value() == pytest.approx(3.6e12, rel=1e-3)


def test_prometheus_pulls() -> None:
    client = pytest.importorskip(
        "prometheus_client",
        reason="optcore[test] brings it",
    )
    registry = client.CollectorRegistry()
    register_prometheus(profiled(), registry)
    text = client.generate_latest(registry).decode()
    assert 'optcore_call_seconds_count{function="call"} 4.0' in text
    assert 'optcore_call_errors_total{function="call"} 1.0' in text
    assert 'quantile="0.99"' in text


def test_opentelemetry_pulls() -> None:
    metrics = pytest.importorskip(
        "opentelemetry.sdk.metrics",
        reason="optcore[test] brings it",
    )
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = metrics.MeterProvider([reader])
    observe_opentelemetry(profiled(), provider.get_meter("test"))
    found = {
        m.name: [p.value for p in m.data.data_points]
        for r in reader.get_metrics_data().resource_metrics
        for s in r.scope_metrics
        for m in s.metrics
    }
    assert found["optcore.calls"] == [4]
    assert found["optcore.errors"] == [1]
    assert len(found["optcore.latency"]) == 4
    provider.shutdown()
