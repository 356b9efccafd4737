"""What the service tells Prometheus."""

from __future__ import annotations

from typing import Any

from optcore.errors import MissingDependency

__all__ = ["Metrics"]

_SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Metrics:
    """Counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise MissingDependency(
                "the service needs prometheus-client: pip install 'optcore[serve]'"
            ) from None
        self._prometheus = prometheus
        self.registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "optcore_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self._seconds = prometheus.Histogram(
            "optcore_request_seconds", "From the headers to the end of the answer, s.", ["path"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._pending = prometheus.Gauge(
            "optcore_requests_pending", "Requests under way.", registry=self.registry
        )
        self._rows = prometheus.Histogram(
            "optcore_batch_rows", "Queries in one prediction.", buckets=_ROWS,
            registry=self.registry,
        )  # fmt: skip
        self._known: dict[tuple[str, int], tuple[Any, Any]] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        found = self._known.get((path, status))
        if found is None:
            counter = self._requests.labels(path, str(status))
            found = self._known[path, status] = counter, self._seconds.labels(path)
        found[0].inc()
        found[1].observe(seconds)

    def pending(self, number: int) -> None:
        self._pending.set(number)

    def batch(self, rows: int) -> None:
        self._rows.observe(rows)

    def text(self) -> tuple[bytes, str]:
        """(body, content type) of /metrics."""
        return (
            self._prometheus.generate_latest(self.registry),
            self._prometheus.CONTENT_TYPE_LATEST,
        )
