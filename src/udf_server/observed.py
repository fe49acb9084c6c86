"""What the server counts, as Prometheus metrics, and the HTTP port that tells them: /metrics and /healthz."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from udf_server.errors import FunctionServerError

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram; RisingWave gives up on a call after 5 seconds."""

Health = Callable[[], str | None]
"""What is wrong, or None."""


class Metrics:
    """The metric families of one server, each function present from the start with 0."""

    def __init__(self, functions: list[str]) -> None:
        self.registry = CollectorRegistry()
        self.calls = self._counter("calls", "Chunks evaluated.")
        self.rows = self._counter("rows", "Rows evaluated.")
        self.errors = self._counter("errors", "Rows that are NULL because they failed.")
        self.refused = self._counter("refused_calls", "Calls with the wrong arguments.")
        self.seconds = Histogram(
            "millstream_udf_seconds",
            "Time of a call, a chunk of rows.",
            ["function"],
            registry=self.registry,
            buckets=SECONDS,
        )
        for function in functions:
            for family in (self.calls, self.rows, self.errors, self.refused, self.seconds):
                family.labels(function)
        self.running = Gauge("millstream_udf_running_calls", "Calls being evaluated.", registry=self.registry)
        self.unknown = Counter(
            "millstream_udf_unknown_function_calls",
            "Calls of a function that is not served.",
            registry=self.registry,
        )
        self.model_items = Gauge(
            "millstream_udf_model_items",
            "Items with a vector, of each model version in memory.",
            ["version"],
            registry=self.registry,
        )
        self.reloads = Counter(
            "millstream_udf_model_reloads", "Model files read while serving.", registry=self.registry
        )
        self.reload_failures = Counter(
            "millstream_udf_model_reload_failures",
            "Model files that could not be read; the vectors in memory stayed.",
            registry=self.registry,
        )
        self.look_up_failures = Counter(
            "millstream_udf_look_up_failures",
            "Times that the database did not answer what functions looked up.",
            registry=self.registry,
        )
        ProcessCollector(namespace="millstream_udf", registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"millstream_udf_{name}", text, ["function"], registry=self.registry)


class ObservedServer:
    """Serves /metrics and /healthz on a port of its own, in threads, until `close`."""

    def __init__(
        self, host: str, port: int, metrics: Metrics, refresh: Callable[[], None], health: Health
    ) -> None:
        """Listen. `refresh` is called before each scrape. Raises FunctionServerError where the port is taken."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?", maxsplit=1)[0]
                if path == "/metrics":
                    refresh()
                    self.answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
                elif path == "/healthz":
                    wrong = health()
                    body = json.dumps({"healthy": wrong is None, "wrong": wrong}).encode()
                    self.answer(200 if wrong is None else 503, "application/json", body)
                else:
                    self.answer(404, "text/plain; charset=utf-8", b"there are /metrics and /healthz\n")

            def answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """A scrape every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise FunctionServerError(
                f"port {port} on {host} cannot be listened on: {error.strerror}. Choose another: --metrics-port"
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
