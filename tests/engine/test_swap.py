"""Readers in a loop while views are deployed and swapped: no error, never an empty view, never a torn one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from tests.engine.engine import Engine
from tests.engine.running import PATIENCE, eventually, running

T = "create table t (k integer primary key, v integer)"
V = "create materialized view serve_v as select k, v + {0} - {0} as v from t"
PLAIN = "create view serve_plain as select k, v from serve_v where v > 0"
TOTAL = "create materialized view serve_total as select count(*) as n, sum(v) as s from serve_v"


class Reader:
    """Reads again and again in a thread, and remembers the first answer that is not right."""

    def __init__(self, dsn: str, read: Callable[[psycopg.Connection], bool]) -> None:
        self.reads = 0
        self.wrong: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(dsn, read))

    def _run(self, dsn: str, read: Callable[[psycopg.Connection], bool]) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not self._stop.is_set() and self.wrong is None:
                    if not read(connection):
                        self.wrong = f"wrong rows at read {self.reads}"
                    self.reads += 1
                    time.sleep(0.005)  # eight of them would leave no processor to the deployment
        except psycopg.Error as error:
            self.wrong = f"{type(error).__name__}: {error}"

    def __enter__(self) -> Reader:
        self._thread.start()
        eventually(lambda: self.reads > 3 or self.wrong is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)


def whole(relation: str) -> Callable[[psycopg.Connection], bool]:
    """Every read must give all hundred rows; the statement is prepared, as applications' statements are."""

    def read(connection: psycopg.Connection) -> bool:
        row = connection.execute(f"select count(*), sum(v) from {relation}".encode(), prepare=True).fetchone()
        return row == (100, 5050)

    return read


def consistent(connection: psycopg.Connection) -> bool:
    """Two views read in one statement must be of the same tick."""
    row = connection.execute(
        "select n, s, (select count(*) from serve_v), (select sum(v) from serve_v) from serve_total"
    ).fetchone()
    return row is not None and row[:2] == row[2:]


def test_readers_see_no_error_and_no_empty_view_during_swaps(engine: Engine) -> None:
    engine.deploy_all(T, V.format(0), PLAIN)
    engine.write("insert into t select n, n from generate_series(1, 100) as n")
    with Reader(engine.dsn, whole("serve_v")) as view, Reader(engine.dsn, whole("serve_plain")) as plain:
        for change in range(1, 9):
            assert engine.deploy(V.format(change)).action == "replaced"
            read_so_far = view.reads
            eventually(lambda before=read_so_far: view.reads > before or view.wrong is not None)
    assert (view.wrong, plain.wrong) == (None, None)
    assert view.reads > 8 and plain.reads > 8


def test_views_of_one_statement_are_always_of_one_tick(engine: Engine) -> None:
    engine.deploy_all(T, V.format(0), TOTAL)
    engine.release()
    with running(engine.dsn), Reader(engine.dsn, consistent) as reader:
        for number in range(60):
            engine.execute("insert into t values (%s, %s)", [number, number])
        engine.execute("call millstream.flush()")
        assert engine.deploy(V.format(1)).rebuilt == ("serve_total",)
        engine.execute("delete from t where k < 30")
        engine.execute("call millstream.flush()")
    assert reader.wrong is None
    assert engine.all("serve_total") == [(30, sum(range(30, 60)))]


def test_a_reader_in_a_long_transaction_keeps_its_rows_and_does_not_stop_the_deploy(engine: Engine) -> None:
    """The old version is dropped by a later deploy, once nobody reads it."""
    engine.deploy_all(T, V.format(0))
    engine.write("insert into t select n, n from generate_series(1, 100) as n")
    with psycopg.connect(engine.dsn) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute('declare slow cursor for select k from millstream_data."serve_v@1" order by k')
        assert reader.execute("fetch 50 from slow").rowcount == 50
        engine.deploy(V.format(1))
        engine.write("insert into t values (101, 101)")
        assert engine.value("select count(*) from serve_v") == 101
        assert reader.execute("fetch all from slow").rowcount == 50
    engine.deploy(V.format(2))
    assert engine.states() == ["serve_v@3", "t"]


def of_one_version(connection: psycopg.Connection) -> bool:
    """Two views that are swapped together must be of one version and of one tick in a statement."""
    row = connection.execute(
        "select n, oldest, newest, (select count(*) from serve_v), (select min(version) from serve_v),"
        " (select max(version) from serve_v) from serve_total",
        prepare=True,
    ).fetchone()
    return row is not None and row[:3] == row[3:] and row[1] == row[2]


def test_eight_readers_and_a_writer_notice_nothing_of_deployments(engine: Engine) -> None:
    versioned = "create materialized view serve_v as select k, {0} as version from t"
    total = "create materialized view serve_total as select count(*) as n, min(version) as oldest, max(version) as newest from serve_v"
    engine.deploy_all(T, versioned.format(0), total)
    engine.write("insert into t values (0, 0)")
    engine.release()
    written, stop = [0], threading.Event()

    def write() -> None:
        with psycopg.connect(engine.dsn, autocommit=True) as connection:
            while not stop.wait(
                0.005
            ):  # what readers count grows with it, and with that how long they hold their locks
                connection.execute("insert into t values (%s, 0)", [len(written)])
                written.append(len(written))

    with running(engine.dsn), ExitStack() as stack:
        readers = [stack.enter_context(Reader(engine.dsn, of_one_version)) for _ in range(8)]
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for version in range(1, 7):
                assert engine.deploy(versioned.format(version)).rebuilt == ("serve_total",)
        finally:
            stop.set()
            writer.join(PATIENCE)
        engine.execute("call millstream.flush()")
        assert engine.all("serve_total") == [(len(written), 6, 6)]
    assert [reader.wrong for reader in readers] == [None] * 8
    assert min(reader.reads for reader in readers) > 8
