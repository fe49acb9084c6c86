"""A source is a table, for one session and for several that wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import given

from millstream.engine import deploy
from millstream.engine.tick.worker import Worker
from tests.databases import Databases
from tests.equivalence.schema import Table
from tests.equivalence.source_history import History, histories, run


@given(case=histories())
def test_a_source_does_what_a_plain_table_does(case: tuple[Table, History], databases: Databases) -> None:
    run(case, databases)


# ---- sessions that wait for each other ---------------------------------------------------------------------------


@contextmanager
def sessions(databases: Databases, declaration: str) -> Iterator[tuple[str, Worker]]:
    """A source `t`, and a worker that ticks all the time."""
    with databases.fresh() as dsn, ExitStack() as stack:
        worker = stack.enter_context(Worker(dsn, clock="event"))
        owner = stack.enter_context(deploy.connect(dsn))
        deploy.deploy_table(owner, "t", declaration)
        deploy.deploy_view(owner, "copied", "select k, n from t")
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            yield dsn, worker
        finally:
            stop.set()
            thread.join()


def connection(dsn: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, autocommit=True)


def in_thread(conn: psycopg.Connection[Any], statement: str) -> Future[int]:
    """Run a statement that has to wait; returns once it does."""
    found: Future[int] = Future()

    def run() -> None:
        try:
            found.set_result(conn.execute(statement.encode()).rowcount)
        except psycopg.Error as error:
            found.set_exception(error)

    threading.Thread(target=run).start()
    with psycopg.connect(conn.info.dsn, password=conn.info.password, autocommit=True) as look:
        waits = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
        while not look.execute(waits, [conn.info.backend_pid]).fetchall():
            assert not found.done(), "the statement did not wait"
    return found


RULES = ("on conflict do nothing", "on conflict do update full", "on conflict do update if not null")


def test_what_four_sessions_take_off_one_number_adds_up(databases: Databases) -> None:
    with (
        sessions(databases, "create table t (k integer primary key, n integer)") as (dsn, _),
        connection(dsn) as conn,
    ):
        conn.execute("insert into t values (1, 100)")

        def take() -> None:
            with connection(dsn) as mine:
                for _ in range(25):
                    mine.execute("update t set n = n - 1 where k = 1")

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        conn.execute("call millstream.flush()")
        assert conn.execute("select n from t union all select n from copied").fetchall() == [(0,), (0,)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
def test_of_two_sessions_that_insert_one_key_the_second_waits_and_then_follows_the_rule(
    rule: str, commits: bool, databases: Databases
) -> None:
    declaration = f"create table t (k integer primary key, n integer) {rule}"
    with sessions(databases, declaration) as (dsn, _), connection(dsn) as first, connection(dsn) as second:
        first.execute("begin")
        first.execute("insert into t values (1, 1)")
        waiting = in_thread(second, "insert into t values (1, 2), (2, 2)")
        first.execute("commit" if commits else "rollback")
        kept = commits and "nothing" in rule
        assert waiting.result(timeout=30) == (1 if kept else 2)
        second.execute("call millstream.flush()")
        expected = [(1, 1 if kept else 2), (2, 2)]
        for relation in ("t", "copied"):
            assert second.execute(f"select * from {relation} order by k".encode()).fetchall() == expected


@pytest.mark.parametrize("rule", RULES)
def test_an_insert_waits_for_whoever_deletes_its_key(rule: str, databases: Databases) -> None:
    declaration = f"create table t (k integer primary key, n integer) {rule}"
    with sessions(databases, declaration) as (dsn, _), connection(dsn) as first, connection(dsn) as second:
        first.execute("insert into t values (1, 1)")
        first.execute("begin")
        first.execute("delete from t")
        waiting = in_thread(second, "insert into t values (1, 2)")
        first.execute("commit")
        assert waiting.result(timeout=30) == 1
        second.execute("call millstream.flush()")
        for relation in ("t", "copied"):
            assert second.execute(f"select * from {relation}".encode()).fetchall() == [(1, 2)]


def test_a_long_transaction_that_commits_late_is_last(databases: Databases) -> None:
    declaration = "create table t (k integer primary key, n integer)"
    with sessions(databases, declaration) as (dsn, _), connection(dsn) as late, connection(dsn) as early:
        early.execute("insert into t values (1, 0), (2, 0)")
        late.execute("begin")
        late.execute("update t set n = n + 1 where k = 1")
        early.execute("update t set n = n + 10 where k = 2")
        waiting = in_thread(early, "update t set n = n * 5")
        late.execute("commit")
        assert waiting.result(timeout=30) == 2
        early.execute("call millstream.flush()")
        assert early.execute("select n from copied order by k").fetchall() == [(5,), (50,)]
