"""Latency histograms for other tools: HdrHistogram's V2 text, Prometheus, OpenTelemetry.

The exporters pull: they read the histograms when they are asked, a call costs nothing more.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from optcore._native import runtime
from optcore.errors import MissingDependency

if TYPE_CHECKING:
    from optcore.profiler.system_profiler import SystemProfiler

__all__ = ["hdr_v2", "observe_opentelemetry", "register_prometheus"]

_COOKIE, _COMPRESSED = 0x1C849303 | 0x10, 0x1C849304 | 0x10
_DIGITS, _LOWEST, _HIGHEST = 3, 1, 3_600_000_000_000  # ns: one hour
_QUANTILES = (0.5, 0.9, 0.99, 0.999)


def hdr_v2(histogram: runtime.Histogram) -> bytes:
    """The histogram as HdrHistogram's compressed V2 payload in base64, values in ns.

    Source: the V2 encoding of HdrHistogram (Gil Tene): runs of empty buckets and counts as ZigZag
    LEB128, deflated. Its layout of three digits is this histogram's own. Values beyond one hour
    count as one hour.
    """
    counts = np.array(histogram.counts(), dtype=np.int64)
    last = _index(_HIGHEST)
    if len(counts) > last + 1:
        counts[last] += counts[last + 1 :].sum()
        counts = counts[: last + 1]
    payload = b"".join(_zigzag(n) for n in _runs(counts.tolist()))
    header = struct.pack(
        ">IIIIQQd", _COOKIE, len(payload), 0, _DIGITS, _LOWEST, _HIGHEST, 1.0
    )  # fmt: skip
    packed = zlib.compress(header + payload)
    return base64.b64encode(struct.pack(">II", _COMPRESSED, len(packed)) + packed)


def _index(value: int) -> int:
    """Bucket of a value: that of runtime::Histogram::index_of."""
    shift = max(value.bit_length() - 11, 0)
    return (shift << 10) + (value >> shift)


def _runs(counts: Iterable[int]) -> Iterator[int]:
    empty = 0
    for count in counts:
        if count == 0:
            empty += 1
            continue
        if empty:
            yield -empty
            empty = 0
        yield count


def _zigzag(value: int) -> bytes:
    """ZigZag, then seven bits a byte, low ones first; the ninth byte holds eight."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F and len(out) < 8:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def register_prometheus(profiler: SystemProfiler, registry: Any = None) -> Any:
    """Offer the profiler's functions to a Prometheus registry (the default one when None).

    A summary `optcore_call_seconds` with the label `function`, and a counter of errors. Returns
    the collector, for ``registry.unregister``.

    Raises:
        MissingDependency: prometheus-client is not installed.
    """
    try:
        from prometheus_client import REGISTRY
        from prometheus_client.core import CounterMetricFamily, Metric
    except ImportError as missing:
        raise MissingDependency(
            "Prometheus needs prometheus-client: pip install 'optcore[metrics]'"
        ) from missing

    class Collector:
        def collect(self) -> Iterator[Any]:
            calls = Metric("optcore_call_seconds", "Time of calls", "summary")
            errors = CounterMetricFamily(
                "optcore_call_errors", "Calls that raised", labels=["function"]
            )
            for name, site in profiler.sites.items():
                h, label = site.histogram, {"function": name}
                for q in _QUANTILES:
                    value = h.quantile(q) * 1e-9
                    calls.add_sample("optcore_call_seconds", {**label, "quantile": f"{q:g}"}, value)
                calls.add_sample("optcore_call_seconds_count", label, h.count)
                calls.add_sample("optcore_call_seconds_sum", label, site.total_ns * 1e-9)
                errors.add_metric([name], site.errors)
            yield calls
            yield errors

    collector = Collector()
    (registry if registry is not None else REGISTRY).register(collector)
    return collector


def observe_opentelemetry(profiler: SystemProfiler, meter: Any = None) -> None:
    """Offer the profiler's functions as observable instruments of an OpenTelemetry meter.

    Args:
        meter: from the user's meter provider; None: that of the global one, named "optcore".

    Raises:
        MissingDependency: opentelemetry-api is not installed.
    """
    try:
        from opentelemetry import metrics
    except ImportError as missing:
        raise MissingDependency(
            "OpenTelemetry needs opentelemetry-api: pip install 'optcore[metrics]'"
        ) from missing
    meter = meter if meter is not None else metrics.get_meter("optcore")

    def observing(read: Callable[[runtime.CallSite], float]) -> Callable[[Any], Iterator[Any]]:
        def observe(_: Any) -> Iterator[Any]:
            for name, site in profiler.sites.items():
                yield metrics.Observation(read(site), {"function": name})

        return observe

    def quantiles(_: Any) -> Iterator[Any]:
        for name, site in profiler.sites.items():
            for q in _QUANTILES:
                labels = {"function": name, "quantile": f"{q:g}"}
                yield metrics.Observation(site.histogram.quantile(q) * 1e-9, labels)

    meter.create_observable_counter(
        "optcore.calls", [observing(lambda s: s.histogram.count)], "1", "calls"
    )
    meter.create_observable_counter(
        "optcore.errors", [observing(lambda s: s.errors)], "1", "calls that raised"
    )
    meter.create_observable_counter(
        "optcore.time", [observing(lambda s: s.total_ns * 1e-9)], "s", "time of calls"
    )
    meter.create_observable_gauge("optcore.latency", [quantiles], "s", "quantiles of calls")
