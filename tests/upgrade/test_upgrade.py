"""A home of the shipped project as an earlier release left it: nothing is lost, every view is right, and deploying goes on."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from millstream.engine import deploy
from millstream.engine.catalog import store
from millstream.engine.tick.worker import Worker
from millstream.rollout.embedded import records
from tests.databases import Databases

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
# What looks things up at process time shows what was there then.
AS_OF_THEN = {"rank_user_list", "feat_pair_scores", "i2i_covisitation", "i2i_bought_together"}


@pytest.fixture(scope="module", params=["format_2", "format_4"])
def upgraded(databases: Databases, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """The database after its first worker of this version has caught up."""
    dump = gzip.decompress((HERE / f"{request.param}.sql.gz").read_bytes()).decode()
    name = databases.create()
    with psycopg.connect(databases.dsn(name), autocommit=True) as conn:
        conn.execute(dump.replace("@PROJECT@", str(PROJECT)).encode())
    with Worker(databases.dsn(name)) as worker:
        while worker.tick().rows:
            pass
        with psycopg.connect(databases.dsn(name), autocommit=True) as conn:
            yield conn
    databases.drop(name)


def value(conn: psycopg.Connection, query: str) -> object:
    (row,) = conn.execute(query.encode()).fetchall()
    return row[0]


def test_what_clients_had_written_is_there_once(upgraded: psycopg.Connection) -> None:
    assert (
        value(upgraded, "select count(*) from events") == 121
    )  # and one from a raw message, less one that was deleted
    assert value(upgraded, "select user_id from events where event_id = 'late-1'") == "u2"
    assert value(upgraded, "select user_id from events where event_id = 'e1'") == "u2"
    assert value(upgraded, "select count(*) from events where event_id = 'e2'") == 0
    assert value(upgraded, "select quantity from inventory where item_id = 'i7'") == 0
    assert value(
        upgraded, "select array_agg(item_id order by 1) from items where item_id in ('i24', 'i99')"
    ) == ["i99"]
    assert value(upgraded, "select name from items where item_id = 'i1'") == "Renamed"
    assert value(upgraded, "select array_agg(source_offset) from events_raw") == ["1"]


def test_sources_are_tables_that_clients_may_write(upgraded: psycopg.Connection) -> None:
    kinds = dict(
        upgraded.execute(
            "select relname, relkind from pg_class where relnamespace = 'public'::regnamespace"
        ).fetchall()
    )
    tables = [d.name for d in store.load(upgraded).relations.values() if d.kind == "table"]
    assert {kinds[name] for name in tables} == {"r"}
    with upgraded.transaction(force_rollback=True):
        upgraded.execute("set local role millstream_writer")
        upgraded.execute(
            "insert into inventory values ('i7', 3) on conflict (item_id) do update set quantity = 3"
        )
        upgraded.execute("truncate excluded_items")


def test_views_that_stood_on_a_source_stand_again(upgraded: psycopg.Connection) -> None:
    mine = "select count(*) from events where user_id = 'u1' and event_type = 'purchase'"
    assert value(upgraded, "select n from mine.purchases where user_id = 'u1'") == value(upgraded, mine) != 0
    for relation in store.load(upgraded).relations.values():
        if relation.kind == "view":
            upgraded.execute(f'select * from "{relation.schema}"."{relation.name}"'.encode())
    with upgraded.transaction(force_rollback=True):
        upgraded.execute("set local role millstream_reader")
        upgraded.execute("select * from mine.purchases")
        upgraded.execute("select * from serve_recommendations where user_id = 'u1'")


def test_every_view_is_what_a_build_from_the_sources_gives(
    upgraded: psycopg.Connection, databases: Databases
) -> None:
    assert value(upgraded, "select count(*) from millstream.dead_row") == 0
    catalogue = store.load(upgraded)
    kept = {
        name: content(upgraded, name)
        for (_, name), relation in catalogue.relations.items()
        if relation.kind == "materialized_view" and name not in AS_OF_THEN
    }
    assert len(kept) > 10
    with deploy.connect(upgraded.info.dsn + f" password={upgraded.info.password}") as owner:
        for name in kept:
            relation = store.load(owner).relations[("public", name)]
            deploy.deploy_view(owner, name, relation.text, path=relation.path, force=True)
    for name, rows in kept.items():
        assert content(upgraded, name) == rows, name


def content(conn: psycopg.Connection, relation: str) -> list[tuple[object, ...]]:
    return sorted(conn.execute(f'select * from "{relation}"'.encode()).fetchall(), key=str)


def test_the_catalogue_is_that_of_a_new_home(upgraded: psycopg.Connection, databases: Databases) -> None:
    name = databases.create()
    with Worker(databases.dsn(name)), psycopg.connect(databases.dsn(name)) as new:
        assert columns_of_the_catalogue(upgraded) == columns_of_the_catalogue(new)
    databases.drop(name)


def columns_of_the_catalogue(conn: psycopg.Connection) -> dict[str, set[tuple[object, ...]]]:
    found: dict[str, set[tuple[object, ...]]] = {}
    for relation, *column in conn.execute(
        "select table_name, column_name, data_type, is_nullable from information_schema.columns"
        " where table_schema = 'millstream'"
    ):
        found.setdefault(relation, set()).add(tuple(column))
    return found


def test_deployments_are_remembered(upgraded: psycopg.Connection) -> None:
    number = records.remember(upgraded, "dbt run", [])
    newest, *_ = records.newest(upgraded)
    assert (newest.number, newest.by, newest.previous) == (number, "dbt run", ())
