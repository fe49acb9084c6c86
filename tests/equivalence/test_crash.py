"""kill -9 of the worker and of the server under load: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Server
from tests.databases import Databases
from tests.equivalence import scenario
from tests.equivalence.engine import Engine
from tests.equivalence.scenario import Statement

KILLS = 4
TICKS = 8
"""How many ticks a worker makes before it is killed, somewhere in one of the next."""
MOMENT = 0.05
"""Seconds within which it is then killed, at random."""


class Client(threading.Thread):
    """Writes statements one by one, slowly enough that many ticks see few rows each; keeps those that were acknowledged.

    A statement whose fate is unknown, because the server went away, is left at that: it counts once or not at all.
    """

    def __init__(self, dsn: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[Statement] = []
        self.unknown: list[Statement] = []
        self.stopped = threading.Event()
        self._dsn = dsn
        self._stream = scenario.statements(seed)

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    self._write(connection)
            except psycopg.OperationalError:
                time.sleep(0.02)

    def _write(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        for statement, values in self._stream:
            try:
                connection.execute(statement, values)
            except psycopg.OperationalError:
                self.unknown.append((statement, values))
                raise
            self.acknowledged.append((statement, values))
            if self.stopped.wait(0.002):
                return

    def stop(self) -> None:
        self.stopped.set()
        self.join()


@contextmanager
def worker_process(dsn: str) -> Iterator[subprocess.Popen[str]]:
    """A worker's process, once it keeps the database; killed with -9 at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.equivalence.crash_worker", dsn],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def let_it_run(dsn: str, chance: random.Random) -> None:
    """Wait until the worker has made some ticks, and then for a moment that ends anywhere in a tick."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        number = "select tick from millstream.clock"
        (start,) = connection.execute(number).fetchone() or (0,)
        deadline = time.monotonic() + 60
        while (connection.execute(number).fetchone() or (0,))[0] < start + TICKS:
            assert time.monotonic() < deadline, "the worker makes no ticks"
            time.sleep(0.01)
    time.sleep(chance.uniform(0, MOMENT))


def settle(engine: Engine) -> None:
    """Tick until nothing is queued."""
    engine.restart_worker()
    while engine.worker.tick().rows:
        pass


def replay(engine: Engine, statements: list[Statement], log: list[tuple[object, ...]]) -> None:
    """Run the same statements in ticks of the same sizes and clocks as a log says, undisturbed."""
    for statement, values in statements:
        engine.write(statement, values)
    engine.worker.reload()
    assert engine.worker.program is not None
    sources = [relation.name for relation in engine.worker.program.sources]
    for now, taken in log:
        limits = [taken.get(name, 0) for name in sources]  # type: ignore[attr-defined]
        tick = engine.worker.attempt(now, lambda _, limits=limits: limits)  # type: ignore[arg-type, misc]
        assert tick.rows == sum(limits)


def tick_log(engine: Engine) -> list[tuple[object, ...]]:
    return engine.query("select now, taken from millstream.tick_log order by tick")


def test_a_killed_worker_leaves_what_an_undisturbed_one_does(databases: Databases) -> None:
    chance = random.Random(1)
    with databases.fresh() as dsn, Engine(dsn) as engine:
        scenario.deploy(engine)
        engine.worker.close()
        client = Client(dsn, seed=1)
        client.start()
        for _ in range(KILLS):
            with worker_process(dsn):
                let_it_run(dsn, chance)
        client.stop()
        settle(engine)
        assert not client.unknown
        assert scenario.errors(engine) == []
        disturbed, log = scenario.stored(engine), tick_log(engine)
    assert len(log) > KILLS * TICKS
    with databases.fresh() as dsn, Engine(dsn) as engine:
        scenario.deploy(engine)
        replay(engine, client.acknowledged, log)
        undisturbed = scenario.stored(engine)
    for name in undisturbed:
        if name != "millstream.clock":  # its tick number also counts ticks that had nothing to do
            assert undisturbed[name] == disturbed[name], name


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the test's own, with the settings that users get."""
    monkeypatch.delenv("MILLSTREAM_DSN", raising=False)
    made = millstream.server.open(tmp_path)
    try:
        yield made
    finally:
        made = millstream.server.find(tmp_path) or made
        made.stop()


def test_a_killed_server_keeps_what_it_acknowledged(server: Server) -> None:
    chance = random.Random(2)
    home = server.home.path
    dsn = server.dsn("owner")
    with Engine(dsn) as engine:
        scenario.deploy(engine)
    client = Client(dsn, seed=2)
    client.start()
    for _ in range(KILLS):
        with worker_process(dsn) as process:
            let_it_run(dsn, chance)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            assert process.wait(timeout=30) != 0
        server = millstream.server.open(home, port=server.port)
        assert server.dsn("owner") == dsn
    client.stop()
    with Engine(dsn) as engine:
        settle(engine)
        assert scenario.errors(engine) == []
        assert_nothing_lost(engine, client)


def assert_nothing_lost(engine: Engine, client: Client) -> None:
    """Every acknowledged click and event is there once; one of unknown fate once or not at all; no other."""
    for table, column, position in (("clicks", "tag", 2), ("events", "event_id", 0)):
        found = [row[0] for row in engine.query(f"select {column} from {table}")]
        acknowledged = {v[position] for text, v in client.acknowledged if f" {table} " in text}
        unknown = {v[position] for text, v in client.unknown if f" {table} " in text}
        assert len(found) == len(set(found))
        assert acknowledged <= set(found) <= acknowledged | unknown
        assert len(acknowledged) > 50


def test_a_worker_that_cannot_go_on_says_why(databases: Databases) -> None:
    with databases.fresh() as dsn, Engine(dsn):
        process = subprocess.run(
            [sys.executable, "-m", "tests.equivalence.crash_worker", dsn],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            timeout=60,
            check=False,
        )
    assert process.returncode != 0
    assert "another worker keeps this database already" in process.stderr
