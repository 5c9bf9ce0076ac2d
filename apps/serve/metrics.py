"""Metrics of a server for Prometheus."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily

from hdc.apps.serve.indexes import Served

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bucket bounds of the histogram of times."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of requests by route, and gauges of indexes that are read on request."""

    def __init__(self, served: Served) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "hdc_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "hdc_request_seconds",
            "Time from the request's headers to the end of the answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.under_way = Gauge("hdc_requests_under_way", "Requests that are being answered.", registry=self._registry)
        self._registry.register(_Indexes(served))
        ProcessCollector(registry=self._registry)
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Routes are templates and methods are those of HTTP, so clients cannot add labels."""
        counted = self._known.get((method, route, status))
        if counted is None:
            counted = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._known[method, route, status] = counted
        counted[0].inc()
        counted[1].observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return bytes(generate_latest(self._registry))


class _Indexes:
    """Current rows, generations and failures of indexes, and calls in threads."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges."""
        rows = GaugeMetricFamily("hdc_index_rows", "Rows of an index.", labels=["index", "kind"])
        generation = GaugeMetricFamily("hdc_index_generation", "Number of the last change shown.", labels=["index"])
        failing = GaugeMetricFamily(
            "hdc_index_failing", "Whether the first search or the last refresh failed.", labels=["index"]
        )
        for opened in self._served:
            rows.add_metric([opened.name, opened.kind], len(opened.index))
            generation.add_metric([opened.name], opened.generation)
            failing.add_metric([opened.name], float(opened.failure is not None))
        calls = GaugeMetricFamily("hdc_calls", "Calls of indexes that run or wait.", value=self._served.running.taken)
        return [rows, generation, failing, calls]
