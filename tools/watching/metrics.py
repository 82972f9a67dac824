"""The metrics of a service in Prometheus' format. Needs prometheus-client, of the extra `serve`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...prompts.errors import DitpipeError
from ..jobs.engine import PictureEngine
from .job_scope import BUCKETS, Durations

if TYPE_CHECKING:
    from prometheus_client import Metric


def metrics_text(engine: PictureEngine, requests: Durations) -> tuple[bytes, str]:
    """The body of /metrics and its content type. requests: by method, route and status. Raises DitpipeError."""
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
    except ImportError as error:
        raise DitpipeError('metrics need one more package: pip install "ditpipe[serve]"') from error
    registry = CollectorRegistry()
    registry.register(_Collector(engine, requests))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, engine: PictureEngine, requests: Durations) -> None:
        self.engine, self.requests = engine, requests

    def collect(self) -> Iterable["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        jobs = GaugeMetricFamily("ditpipe_jobs", "Jobs that the queue holds, by state", labels=["status"])
        for status, count in self.engine.counts().items():
            jobs.add_metric([status], count)
        yield jobs
        if on_cluster := self.engine.replica_counts():
            replicas = GaugeMetricFamily("ditpipe_replicas", "Replicas on the cluster, by state", labels=["state"])
            for state, count in on_cluster.items():
                replicas.add_metric([state], count)
            yield replicas
        yield GaugeMetricFamily("ditpipe_ready", "1 once pictures can be drawn", value=float(self.engine.is_ready))
        about = "Seconds from the begin of a job to its end, by kind and how it ended"
        yield _histogram("ditpipe_job_seconds", about, ["kind", "status"], self.engine.durations)
        about = "Seconds until an answer has begun, by method, route and status"
        yield _histogram("ditpipe_http_request_seconds", about, ["method", "route", "status"], self.requests)


def _histogram(name: str, about: str, labels: list[str], durations: Durations) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, about, labels=labels)
    for values, counts, total in durations.rows():
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        family.add_metric(list(values), list(zip(bounds, counts, strict=True)), sum_value=total)
    return family
