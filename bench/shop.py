"""The shipped project on a private server, with real purchases in it: what every benchmark measures."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import psycopg

import millstream.server
from bench.report import ROOT
from loaders.embeddings.embed import embed
from loaders.formats.completejourney import CompleteJourney
from loaders.loading.load import load
from loaders.loading.shift import shifted
from loaders.schema.relations import EVENTS
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection
from millstream.demo.history import RULES
from millstream.engine.state.locks import worker_connected
from millstream.engine.tick.worker import Worker

SINKS = ("events_from_raw", "past_identities_from_identities")
SOURCES = (
    "path:sql/sources",
    "+load_erased_ids",
    "--exclude",
    *SINKS,
    "resource_type:test",
    "resource_type:unit_test",
)


class Shop:
    """A server with the project's sources; the views come when `deploy_views` is called. Times are the log's own."""

    def __init__(self, home: Path, server: millstream.server.Server) -> None:
        self.home = home
        self.server = server
        self.owner = server.dsn("owner")
        self.writer = server.dsn("writer")
        self.reader = server.dsn("reader")

    def dbt(self, *arguments: str) -> float:
        """Run dbt on the project in this process; return the seconds. Raises RuntimeError when a model fails."""
        from dbt.cli.main import dbtRunner  # takes seconds, which the processes that measure need not spend

        scratch = self.home / "dbt"
        began = time.perf_counter()
        given = [*arguments, "--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target", "embedded"]
        given += ["--target-path", str(scratch), "--log-path", str(scratch), "--quiet", "--no-use-colors"]
        result = dbtRunner().invoke(given)
        if not result.success:
            raise RuntimeError(f"dbt {' '.join(arguments)} failed: {result.exception or result.result}")
        return time.perf_counter() - began

    def deploy_sources(self) -> float:
        """Deploy the source tables only; return the seconds."""
        return self.dbt("build", "--select", *SOURCES)

    def deploy_views(self) -> float:
        """Deploy everything; views are built in bulk over what the sources hold. Returns the seconds."""
        return self.dbt("build", "--exclude", "resource_type:test", "resource_type:unit_test")

    @contextlib.contextmanager
    def working(self, batch: int = 1000) -> Iterator[Worker]:
        """A worker that runs in a thread of this process."""
        stop = threading.Event()
        with Worker(self.owner, batch=batch) as worker:
            thread = threading.Thread(target=worker.run, args=(stop,), name="worker")
            thread.start()
            try:
                yield worker
            finally:
                stop.set()
                thread.join()

    def load_history(self, lines: int, shift_to: datetime | None = None) -> float:
        """Load the catalogue and the first purchase lines of the log through the running worker; return the seconds.

        `shift_to` moves the log so that its last loaded line happens then.
        """
        began = time.perf_counter()
        source = CompleteJourney(limit=lines)
        load(self.writer, source, shift_to=shift_to, show_progress=False, flush_every=100_000)
        return time.perf_counter() - began

    def load_knowledge(self) -> float:
        """Say which categories people buy again, set the blend's weights and train embeddings; return the seconds."""
        began = time.perf_counter()
        with psycopg.connect(self.writer, autocommit=True) as writer:
            writer.execute(RULES.encode())
            writer.execute("insert into ranking_models (variant) values ('control')")
            writer.execute("call millstream.flush()")
        embed(self.writer, self.home, measure_quality=False, show_progress=False)
        return time.perf_counter() - began

    def fill(self, lines: int, shift_to: datetime | None = None) -> float:
        """Load everything and deploy the views over it; return the seconds that the views took."""
        self.deploy_sources()
        with self.working(batch=20_000):
            self.load_history(lines, shift_to)
            self.load_knowledge()
        return self.deploy_views()

    @contextlib.contextmanager
    def worker_process(self) -> Iterator[subprocess.Popen[bytes]]:
        """The worker as a process of its own, as `millstream up` runs it."""
        command = [
            sys.executable,
            "-m",
            "millstream.supervisor.worker_process",
            "--home",
            str(self.home),
            "--parent",
            str(os.getpid()),
        ]
        with (self.home / "worker.log").open("ab") as log:
            worker = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            with psycopg.connect(self.owner, autocommit=True) as owner:
                while not worker_connected(owner):
                    if worker.poll() is not None:
                        raise RuntimeError(
                            f"the worker ended:\n{(self.home / 'worker.log').read_text()[-2000:]}"
                        )
                    time.sleep(0.05)
                owner.execute("call millstream.flush('10 minutes')")
            yield worker
        finally:
            worker.terminate()
            worker.wait(60)


@contextlib.contextmanager
def opened(home: Path | None, clock: str = "event") -> Iterator[Shop]:
    """A shop in a home directory of its own: a temporary one, removed afterwards, unless one is given (and kept)."""
    logging.getLogger("millstream").setLevel(logging.WARNING)
    place = home or Path(tempfile.mkdtemp(prefix="millstream-bench-"))
    os.environ["MILLSTREAM_HOME"] = str(place)
    os.environ.pop("MILLSTREAM_DSN", None)
    try:
        with millstream.server.open(place) as server:
            Worker(server.dsn("owner"), clock).close()  # the clock is chosen before anything is deployed
            yield Shop(place, server)
    finally:
        if home is None:
            shutil.rmtree(place, ignore_errors=True)


def lines_after(lines: int, count: int) -> Iterator[Event]:
    """The purchase lines of the log that follow the first `lines`."""
    events = (e for e in CompleteJourney(limit=lines + count).events() if isinstance(e, Event))
    return shifted(islice(events, lines, None), timedelta(0), give_up)


def give_up(event: Event, reason: str) -> None:
    """No event of this log leaves the calendar."""
    raise ValueError(f"{event.event_id}: {reason}")


def insert(target: WriterConnection, events: Sequence[Event]) -> None:
    """Write events as an application would: one INSERT, committed."""
    target.insert(EVENTS, events)


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    """Run a query on a connection of its own."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()
