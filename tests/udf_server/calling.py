"""A server as a process of its own, and a client that calls it as RisingWave does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import arrow_udf  # noqa: F401 - it registers the types that jsonb and numeric travel as
import pyarrow as pa
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import flight

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"serving .* on \S+:(\d+); metrics on \S+:(\d+)")


class Process:
    """`python -m udf_server` with free ports; `log` holds what it said until it was ready."""

    def __init__(self, *arguments: str, home: Path, port: int = 0, project: Path | None = None) -> None:
        self.log = ""
        self._process = start(
            "--port", str(port), *(["--project", str(project)] if project else []), *arguments, home=home
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line
            ready = READY.search(line)
            if ready:
                self.port, self.metrics_port = int(ready[1]), int(ready[2])
                return
        raise AssertionError(f"the server ended: {self.log}")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the metrics port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> dict[str, float]:
        """Name without `millstream_udf_`, with its labels' values → value, as Prometheus reads it."""
        return {
            sample.name.removeprefix("millstream_udf_") + "".join(f"[{v}]" for v in sample.labels.values()): (
                sample.value
            )
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
        }

    def health(self) -> tuple[int, dict[str, Any]]:
        status, body = self.get("/healthz")
        return status, json.loads(body)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait: exit status, and what it said since it was ready."""
        self._process.send_signal(number)
        said, _ = self._process.communicate(timeout=20)
        return self._process.returncode, said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.end(signal.SIGKILL)
        elif self._process.stdout is not None:
            self._process.stdout.close()


def start(*arguments: str, home: Path) -> subprocess.Popen[str]:
    """The server's process, with one output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "udf_server", "--metrics-port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**kept, "MILLSTREAM_HOME": str(home), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    )


class Client:
    """Calls one server over one connection that it keeps, like the client in RisingWave.

    It asks for the protocol's version, then for a function's schemas, and makes one exchange per chunk: columns without
    names, each call over within 5 seconds, the messages of the answer put together.
    """

    def __init__(self, port: int) -> None:
        self._client = flight.connect(f"grpc://127.0.0.1:{port}")

    def protocol_version(self) -> int:
        (answer,) = self._client.do_action(flight.Action("protocol_version", b""))
        return int(answer.body.to_pybytes()[0])

    def signature(self, name: str) -> tuple[list[pa.DataType], list[pa.DataType]]:
        """Types of a function's arguments and of its result."""
        info = self._client.get_flight_info(flight.FlightDescriptor.for_path(name))
        types = [field.type for field in info.schema]
        return types[: info.total_records], types[info.total_records :]

    def call(self, name: str, rows: Sequence[Sequence[Any]], *, messages: int = 1) -> list[Any]:
        """The results of a chunk that is sent as so many messages."""
        types, _ = self.signature(name)
        schema = pa.schema([pa.field("", type_) for type_ in types])
        columns = [
            column(values, type_) for values, type_ in zip(zip(*rows, strict=True), types, strict=True)
        ]
        return self.exchange(name, pa.RecordBatch.from_arrays(columns, schema=schema), messages)

    def exchange(self, name: str, chunk: pa.RecordBatch, messages: int = 1) -> list[Any]:
        descriptor = flight.FlightDescriptor.for_path(name)
        writer, reader = self._client.do_exchange(descriptor, flight.FlightCallOptions(timeout=5))
        size = max(1, -(-chunk.num_rows // messages))
        with writer:
            writer.begin(chunk.schema)
            for start in range(0, chunk.num_rows, size):
                writer.write_batch(chunk.slice(start, size))
            writer.done_writing()
            return list(reader.read_all().column(0).to_pylist())

    def names(self) -> set[str]:
        return {info.descriptor.path[0].decode() for info in self._client.list_flights()}

    def close(self) -> None:
        self._client.close()


def column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """A column; jsonb and numeric are sent as text."""
    if isinstance(type_, pa.ExtensionType):
        return pa.ExtensionArray.from_storage(type_, pa.array(values, type_.storage_type))
    return pa.array(values, type_)
