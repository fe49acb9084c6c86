"""A home of the shipped project from before sources were tables: nothing is lost, and every view is right."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from millstream.engine import deploy
from millstream.engine.catalog import store
from millstream.engine.tick.worker import Worker
from tests.databases import Databases

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
# What looks things up at process time shows what was there then.
AS_OF_THEN = {"rank_user_list", "feat_pair_scores", "i2i_covisitation", "i2i_bought_together"}


@pytest.fixture(scope="module")
def upgraded(databases: Databases) -> Iterator[psycopg.Connection]:
    """The database after its first worker of this version has caught up."""
    dump = gzip.decompress((HERE / "format_2.sql.gz").read_bytes()).decode()
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
