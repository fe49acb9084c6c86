"""What `status` tells, as Prometheus metrics: read from the catalogue at each scrape, also with the worker dead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

State = dict[
    str, Any
]  # what `millstream.engine.inspect.status.read` returns; None where the server does not answer


class EngineCollector(Collector):
    """Metric families of one engine. `read` is called once a scrape."""

    def __init__(self, read: Callable[[], State | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield the families; only `millstream_server_up` while the server does not answer."""
        state = self._read()
        yield gauge("server_up", "1 while PostgreSQL answers and the catalogue is there.", state is not None)
        if state is None:
            return
        yield gauge("worker_up", "1 while a worker keeps the views.", state["worker_connected"])
        yield counter("ticks", "Ticks since the database was made.", state["tick"])
        if state["tick_age_seconds"] is not None:
            yield gauge(
                "last_tick_age_seconds",
                "Since the last tick that changed something.",
                state["tick_age_seconds"],
            )
            times = GaugeMetricFamily(
                "millstream_tick_seconds", "Length of the last ticks.", labels=["quantile"]
            )
            times.add_metric(["0.5"], state["tick_ms_p50"] / 1000)
            times.add_metric(["0.99"], state["tick_ms_p99"] / 1000)
            yield times
        queued = GaugeMetricFamily("millstream_queued_rows", "Rows that wait for a tick.", labels=["source"])
        for source, rows in state["queued"].items():
            queued.add_metric([source], rows)
        yield queued
        yield from kafka(state["kafka"])
        yield gauge(
            "suspended_views",
            "Views that stand still because no tick can run them, and those that read them.",
            sum(1 + len(view["readers"]) for view in state["suspended"]),
        )
        yield gauge(
            "dead_keys",
            "Keys that a view could not compute and has no rows of.",
            sum(state["dead_keys"].values()),
        )
        yield gauge("dead_rows", "Rows that a source refused.", state["dead_rows"])
        yield counter(
            "evaluation_errors",
            "Expressions that gave NULL for a value they failed on.",
            state["evaluation_errors"],
        )
        yield from connections(state["connections"])
        yield gauge(
            "oldest_reader_seconds",
            "Age of the oldest transaction of a reader.",
            state["oldest_reader_seconds"],
        )
        yield from views(state["views"])


class HostCollector(Collector):
    """What is around an engine, told also while it does not answer. `read` is called once a scrape: bytes `free` and
    `size` of its disk, and `certificate`, the seconds until that of its TLS ends (None without one)."""

    def __init__(self, read: Callable[[], State]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        state = self._read()
        yield gauge("disk_free_bytes", "Free on the file system of the home.", state["free"])
        yield gauge("disk_size_bytes", "Size of the file system of the home.", state["size"])
        if state["certificate"] is not None:
            yield gauge("certificate_seconds", "Until the certificate of TLS ends.", state["certificate"])


def connections(found: State) -> Iterator[Metric]:
    """How many connections each role has, and may have."""
    used = GaugeMetricFamily("millstream_connections", "Connections of a role.", labels=["role"])
    limit = GaugeMetricFamily("millstream_connections_limit", "Connections a role may have.", labels=["role"])
    for role, place in found["roles"].items():
        used.add_metric([role], place["used"])
        limit.add_metric([role], found["limit"] if place["limit"] is None else place["limit"])
    yield from (used, limit)
    yield gauge("logins_under_way", "Connections that have not shown a password yet.", found["logins"])


def kafka(found: list[dict[str, Any]]) -> Iterator[Metric]:
    """How far each Kafka partition is read."""
    labels = ["topic", "partition", "source"]
    lag = GaugeMetricFamily(
        "millstream_kafka_lag",
        "Messages behind the end of the log when a consumer last looked.",
        labels=labels,
    )
    messages = CounterMetricFamily(
        "millstream_kafka_messages", "Messages read into the queue.", labels=labels
    )
    for place in found:
        label = [place["topic"], str(place["partition"]), place["relation"]]
        messages.add_metric(label, place["messages"])
        if place["lag"] is not None:
            lag.add_metric(label, place["lag"])
    yield from (lag, messages)


def views(found: list[dict[str, Any]]) -> Iterator[Metric]:
    """What each materialized view holds and costs."""
    rows = GaugeMetricFamily("millstream_view_rows", "Rows stored (estimate).", labels=["view"])
    size = GaugeMetricFamily("millstream_view_bytes", "Bytes of its tables and indexes.", labels=["view"])
    spent = CounterMetricFamily("millstream_view_seconds", "Time that ticks spent on it.", labels=["view"])
    changes = CounterMetricFamily(
        "millstream_view_changes", "Rows that ticks changed in it.", labels=["view"]
    )
    for view in found:
        label = [view["name"]]
        rows.add_metric(label, view["rows"])
        size.add_metric(label, view["bytes"])
        spent.add_metric(label, view["ms_total"] / 1000)
        changes.add_metric(label, view["changes"])
    yield from (rows, size, spent, changes)


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(f"millstream_{name}", text, value=float(value))


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """A counter without labels; Prometheus adds `_total` to its name."""
    return CounterMetricFamily(f"millstream_{name}", text, value=float(value))
