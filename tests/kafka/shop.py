"""A shop whose events come through Kafka: its database, its consumers, and what its views show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from millstream.engine.state.locks import WORKER_LOCK
from millstream.engine.tick.worker import Worker
from millstream.ingest.client import KafkaSettings
from millstream.ingest.consumer import Consumed, Consumer
from millstream.ingest.report import Report
from millstream.server.process import wait_until
from tests.kafka.broker import Broker

SECONDS = 20
SESSION = {"session.timeout.ms": "6000"}  # the test broker's group join takes long with others
ROUTE = "events=events_raw"
WORKERS = f"""
select count(*) from pg_locks where locktype = 'advisory' and objid = {WORKER_LOCK}
and database = (select oid from pg_database where datname = current_database())
"""


def event(number: int, user: str = "ann", **fields: Any) -> bytes:
    """A message as trackers send it."""
    body = {
        "event_id": f"e{number:05}",
        "event_type": "view_item",
        "user_id": user,
        "item_id": f"item-{number % 7}",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    return json.dumps(body | fields).encode()


def events(first: int, last: int, users: int = 10) -> list[tuple[bytes, bytes]]:
    """Messages `first` to before `last`, keyed by user."""
    return [(f"user-{n % users}".encode(), event(n, f"user-{n % users}")) for n in range(first, last)]


class Told(Report):
    """Remembers what a consumer says."""

    def __init__(self) -> None:
        super().__init__(as_json=True)
        self.lines: list[dict[str, Any]] = []
        self.has_ended = threading.Event()

    def _print_json(self, fields: dict[str, Any]) -> None:
        self.lines.append(fields)

    def of(self, kind: str) -> list[str]:
        return [line["text"] for line in self.lines if line["kind"] == kind]


class Running:
    """The command `millstream consume` as a process; `lines` is what it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.errors = ""
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def of(self, kind: str) -> list[str]:
        return [line.get("text", "") for line in list(self.lines) if line["kind"] == kind]

    def says(self, kind: str, text: str = "") -> bool:
        return wait_until(lambda: any(text in said for said in self.of(kind)), SECONDS)

    def end(self, signal: int) -> int:
        """Send a signal and wait; returns the exit status."""
        self.process.send_signal(signal)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
        self.process.stdout.close()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()
        self.process.stderr.close()


class Shop:
    """The database of one test."""

    def __init__(self, dsn: str, home: Path) -> None:
        self.dsn = dsn
        self.home = home
        self.conn: psycopg.Connection[Any] = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
        self._started: list[Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self._started:
            if running.process.poll() is None:
                running.process.kill()
                running.wait()
        self.conn.close()

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def consume(
        self,
        broker: Broker,
        *topics: str,
        told: Report | None = None,
        stop: threading.Event | None = None,
        once: bool = True,
        **options: Any,
    ) -> Consumed:
        """Read everything that is there, in this process."""
        consumer = Consumer(
            self.connect,
            KafkaSettings(
                broker.address, "millstream", {name.replace(".", "_"): v for name, v in SESSION.items()}
            ),
            topics or (ROUTE,),
            told or Told(),
            once=once,
            **options,
        )
        return consumer.run(stop or threading.Event())

    @contextmanager
    def consuming(self, broker: Broker, *topics: str, **options: Any) -> Iterator[Told]:
        """Let a consumer run in a thread for the length of the block."""
        told, stop, failed = Told(), threading.Event(), []

        def run() -> None:
            try:
                self.consume(broker, *topics, told=told, stop=stop, once=False, **options)
            except Exception as error:  # noqa: BLE001 (shown when the block ends)
                failed.append(error)
            told.has_ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield told
        finally:
            stop.set()
            thread.join(SECONDS)
        assert not thread.is_alive()
        if failed:
            raise failed[0]

    def start(self, broker: Broker, *arguments: str) -> Running:
        """Start the command in a process of its own."""
        settings = [word for name, value in SESSION.items() for word in ("--property", f"{name}={value}")]
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from millstream.cli import main; main()", "--home", str(self.home)),
                *("consume", "--json", "--brokers", broker.address, *settings, *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "MILLSTREAM_DSN": self.dsn},
        )
        running = Running(process)
        self._started.append(running)
        return running

    def tick(self) -> None:
        """Let a worker show all that is queued."""
        assert wait_until(lambda: not self.values(WORKERS)[0], SECONDS)  # the one before may still end
        with Worker(self.dsn) as worker:
            while worker.tick().rows:
                pass

    def values(self, query: str, *parameters: Any) -> list[Any]:
        return [next(iter(row.values())) for row in self.conn.execute(query, parameters).fetchall()]

    def queued(self) -> int:
        return int(self.values("select count(*) from millstream_data.events_raw__queue")[0])

    def is_read(self, messages: int) -> bool:
        """Wait until so many messages were read, ever."""
        return wait_until(
            lambda: sum(self.values("select messages from millstream.kafka_partition")) >= messages, SECONDS
        )

    def shows(self, first: int, last: int) -> None:
        """Assert that each of the events is there, once, as it was sent."""
        self.tick()
        wanted = [f"e{number:05}" for number in range(first, last)]
        assert self.values("select event_id from events order by event_id") == wanted
        assert self.values("select count(*) from events_raw") == [last - first]

    def rejected(self) -> list[tuple[str | None, str]]:
        self.tick()
        rows = self.conn.execute(
            "select payload, reason from stg_events_rejected order by source_offset::int"
        ).fetchall()
        return [(row["payload"], row["reason"]) for row in rows]
