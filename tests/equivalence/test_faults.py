"""A tick that fails at any statement leaves nothing behind, and the next one does all of its work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import psycopg
import pytest

from millstream.engine.tick.worker import Worker
from tests.databases import Databases
from tests.equivalence import scenario
from tests.equivalence.engine import Engine
from tests.equivalence.values import EPOCH

FAULT = """
create function millstream.fault(number integer) returns void language plpgsql as $$
begin
    perform set_config('test.seen', current_setting('test.seen', true) || ' ' || number, false);
    if number = current_setting('test.fault', true)::integer then
        if current_setting('test.kill', true) = 'yes' then
            perform pg_terminate_backend(pg_backend_pid());
        end if;
        raise exception 'fault %', number using errcode = 'io_error';
    end if;
end $$
"""
LATER = EPOCH + timedelta(minutes=30)


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    """A database with one tick behind it and a second one's work in the queues, upserts and deletes among it."""
    with databases.fresh() as dsn, Engine(dsn, faults=True) as made:
        prepare(made)
        yield made


@pytest.fixture
def expected(databases: Databases) -> dict[str, list[str]]:
    """What the second tick leaves where nothing disturbs it."""
    with databases.fresh() as dsn, Engine(dsn, faults=True) as made:
        prepare(made)
        made.tick(LATER)
        assert scenario.errors(made) == []
        return scenario.stored(made)


def prepare(engine: Engine) -> None:
    scenario.deploy(engine)
    engine.write(FAULT)
    arm(engine, 0)
    stream = scenario.statements(7)
    for statement, values in islice(stream, 60):
        engine.write(statement, values)
    engine.tick(EPOCH + timedelta(minutes=2))
    for statement, values in islice(stream, 60):
        engine.write(statement, values)
    engine.write("delete from clicks where tag < 20")
    engine.write("delete from neighbours where item_id = 'a'")
    engine.write("delete from events where user_id = 'u1'")


def arm(engine: Engine, number: int, *, kill: bool = False) -> None:
    """Let the next tick fail at a statement (0: at none); forget which ones were seen."""
    settings = {"test.fault": str(number), "test.kill": "yes" if kill else "no", "test.seen": ""}
    for name, value in settings.items():
        engine.worker.conn.execute("select set_config(%s, %s, false)", [name, value])


def reached(databases: Databases) -> list[int]:
    """The numbers of the statements that the second tick runs."""
    with databases.fresh() as dsn, Engine(dsn, faults=True) as made:
        prepare(made)
        arm(made, 0)
        made.tick(LATER)
        row = made.worker.conn.execute("select current_setting('test.seen')").fetchone()
        assert row is not None
        return [int(number) for number in str(row[0]).split()]


def test_an_error_at_any_statement_undoes_the_whole_tick(
    engine: Engine, expected: dict[str, list[str]], databases: Databases
) -> None:
    numbers = reached(databases)
    assert len(numbers) > 30
    before = scenario.stored(engine)
    for number in numbers:
        arm(engine, number)
        with pytest.raises(psycopg.errors.IoError, match=f"fault {number}"):
            engine.tick(LATER)
        assert scenario.stored(engine) == before, f"statement {number}"
    arm(engine, 0)
    engine.tick(LATER)
    assert scenario.stored(engine) == expected


def test_a_connection_lost_at_any_statement_undoes_the_whole_tick(
    engine: Engine, expected: dict[str, list[str]], databases: Databases
) -> None:
    before = scenario.stored(engine)
    for number in reached(databases)[::8]:
        arm(engine, number, kill=True)
        with pytest.raises(psycopg.OperationalError):
            engine.tick(LATER)
        engine.restart_worker(faults=True)
        arm(engine, 0)
        assert scenario.stored(engine) == before, f"statement {number}"
    engine.tick(LATER)
    assert scenario.stored(engine) == expected


class Interrupted(Exception):
    """Raised between two statements of the worker."""


class Interrupting:
    """A connection that fails instead of (or after) the statement of a given number."""

    def __init__(self, connection: psycopg.Connection[Any], at: int, *, after: bool) -> None:
        self._connection = connection
        self._left = at
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Interrupted
        cursor = self._connection.execute(*arguments, **options)
        if self._left == 0:
            raise Interrupted
        return cursor


@pytest.mark.parametrize("after", [False, True], ids=["instead of a statement", "after a statement"])
def test_a_worker_interrupted_between_statements_undoes_the_whole_tick(
    after: bool, engine: Engine, expected: dict[str, list[str]]
) -> None:
    engine.worker.reload()
    connection = engine.worker.conn
    before = scenario.stored(engine)
    for number in range(1, 1000):
        engine.worker.conn = Interrupting(connection, number, after=after)  # type: ignore[assignment]
        try:
            engine.tick(LATER)
        except Interrupted:
            assert scenario.stored(engine) == before, f"call {number}"
        else:
            break
        finally:
            engine.worker.conn = connection
    assert number > len(("enter", "take", "before the Python call", "after it", "finish"))
    assert scenario.stored(engine) == expected


def test_a_second_worker_is_told_that_there_is_one(engine: Engine) -> None:
    with pytest.raises(Exception, match="another worker keeps this database already"):
        Worker(engine.dsn)
    engine.tick(LATER)
    assert scenario.errors(engine) == []
