"""Fixtures: two engines on databases of their own; rows move from the first to the second, which stands in for RisingWave.

The second one settles keys by the same declarations and keeps the same views, in PostgreSQL's SQL. FLUSH, which only
RisingWave has, is a tick there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from millstream.migration.migrate import Migration
from millstream.migration.source import Snapshot, open_snapshot
from millstream.migration.target import RisingWaveTarget
from tests.databases import Databases
from tests.engine.conftest import on_event_clock
from tests.engine.engine import START, Engine

__all__ = ["on_event_clock"]

PROJECT = (
    """create table events (
        event_id varchar primary key, user_id varchar, item_id varchar, price double precision,
        is_paid boolean, amount numeric, tags varchar[], scores double precision[], body jsonb,
        units bigint, happened_on date, occurred_at timestamptz default now()
    ) on conflict do nothing""",
    """create table items (
        shop varchar, item_id varchar, category varchar, label varchar generated always as (upper(category)) stored,
        primary key (shop, item_id)
    ) on conflict do update full""",
    "create table raw (payload varchar, source_offset varchar) append only",
    "create table weights (name varchar primary key, weight double precision) on conflict do update full",
    "create materialized view revenue as select item_id, count(*) as units, sum(price) as revenue"
    " from events where is_paid group by item_id",
    "create materialized view recent as select item_id, count(*) as views from events"
    " where occurred_at > now() - interval '1 hour' group by item_id",
    "create materialized view busy as select item_id from recent where views > 1",
    "create materialized view weighted as select e.event_id, e.price * w.weight as score from events as e"
    " join weights for system_time as of proctime() as w on w.name = e.item_id",
    "create materialized view best as select event_id from weighted where score > 1",
)


@dataclass
class Pair:
    """The engine that is left, and the one that is moved to."""

    here: Engine
    there: Engine
    target: RisingWaveTarget

    def migration(self, snapshot: Snapshot, *tables: str, keep_extra: bool = False) -> Migration:
        return Migration(snapshot, self.target, tables, keep_extra)

    def copy(self, *tables: str, keep_extra: bool = False) -> dict[str, tuple[int, int, int]]:
        """Copy; return rows, rows that were there, and rows sent, by table."""
        with open_snapshot(self.here.dsn) as snapshot:
            copied = self.migration(snapshot, *tables, keep_extra=keep_extra).copy(lambda *_: None)
        return {name.removeprefix("public."): (c.rows, c.there, c.sent) for name, c in copied.items()}

    def verify(self, *tables: str) -> dict[str, str]:
        """Compare; return the result by table and view."""
        with open_snapshot(self.here.dsn) as snapshot:
            found = self.migration(snapshot, *tables).verify()
        return {each.name.removeprefix("public."): each.result for each in found}


@pytest.fixture(scope="module")
def deployed(databases: Databases, on_event_clock: str) -> str:
    """Name of a database with the project of these tests."""
    name = databases.create(template=on_event_clock)
    with Engine(databases.dsn(name)) as engine:
        engine.deploy_all(*PROJECT)
    return name


@pytest.fixture
def pair(databases: Databases, deployed: str) -> Iterator[Pair]:
    names = [databases.create(template=deployed) for _ in range(2)]
    with (
        Engine(databases.dsn(names[0])) as here,
        Engine(databases.dsn(names[1])) as there,
        psycopg.connect(databases.dsn(names[1]), autocommit=True) as connection,
    ):
        connection.execute("set timezone to 'UTC'")
        yield Pair(here, there, RisingWaveTarget(connection, flush=lambda: there.tick(START)))
    for name in names:
        databases.drop(name)


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """A shop with every type, and with what needs quoting."""
    pair.here.write(
        """insert into events values
        ('e1', 'ann', 'a', 0.1, true, 12345678901234567890.123, '{"x, y","",NULL,"it''s \\\\ {}"}', '{1.5,NULL,NaN}',
         '{"a": [1, 12345678901234567890.10], "b": "o''clock \\\\"}', 9007199254740993, '2029-12-31', '2029-12-31 23:59:59.123456+00'),
        ('e2', 'bob', 'a', 1e-300, true, -0.50, '{}', '{}', 'null', null, null, '2030-01-01 00:00+02'),
        ('e''3\\', null, 'b', 'NaN', false, null, null, null, null, -1, '0999-01-01', '2029-12-31 23:30+00'),
        ('e4', 'ann', 'b', 0.2, true, 0, null, null, '"text"', 0, null, null)""",
        "insert into items (shop, item_id, category) values ('s', 'a', 'cake'), ('s', 'b', null), ('t', 'a', 'tea')",
        "insert into raw values ('m1', '1'), ('m1', '1'), ('m2', null), (null, null)",
        "insert into weights values ('a', 2.5)",
        now=START,
    )
    return pair


@pytest.fixture
def root() -> Path:
    """The project."""
    return Path(__file__).parents[2]
