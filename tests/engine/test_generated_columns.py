"""Columns of source tables that are computed from the others: CREATE TABLE … (x int, y int AS x + 1)."""

from __future__ import annotations

import psycopg
import pytest

from tests.engine.engine import Engine

TABLE = (
    "create table t (k integer primary key, v varchar, twice integer as k * 2, number integer as v::integer)"
)


def test_a_generated_column_is_computed_from_its_row(engine: Engine) -> None:
    engine.deploy_all(
        TABLE, "create materialized view m as select twice, count(*) as n from t group by twice"
    )
    engine.write("insert into t (k, v) values (1, '7'), (2, null)", "insert into t values (3, '9')")
    assert engine.all("t") == [(1, "7", 2, 7), (2, None, 4, None), (3, "9", 6, 9)]
    assert engine.all("m") == [(2, 1), (4, 1), (6, 1)]


def test_it_follows_an_update(engine: Engine) -> None:
    engine.deploy(TABLE)
    engine.write("insert into t (k, v) values (1, '7')")
    engine.write("update t set v = '8'")
    assert engine.all("t") == [(1, "8", 2, 8)]
    engine.write("update t set k = 5")
    assert engine.all("t") == [(5, "8", 10, 8)]
    engine.write("delete from t where twice = 10")
    assert engine.all("t") == []


def test_a_value_that_it_cannot_be_computed_from_gives_null(engine: Engine) -> None:
    engine.deploy(TABLE)
    engine.write("insert into t (k, v) values (1, 'seven'), (2, '7')")
    assert engine.all("t") == [(1, "seven", 2, None), (2, "7", 4, 7)]


@pytest.mark.parametrize("statement", ["insert into t (k, twice) values (1, 3)", "update t set twice = 3"])
def test_it_cannot_be_written(engine: Engine, statement: str) -> None:
    engine.deploy(TABLE)
    engine.write("insert into t (k) values (9)")
    with pytest.raises(psycopg.errors.GeneratedAlways, match="column twice of t is generated"):
        engine.execute(statement)


def test_one_that_is_added_later_is_computed_for_the_rows_that_are_there(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key)")
    engine.write("insert into t values (1)")
    engine.deploy("create table t (k integer primary key, twice integer as k * 2)")
    engine.write("insert into t values (2)")
    assert engine.all("t") == [(1, 2), (2, 4)]


def test_a_sink_leaves_it_out(engine: Engine) -> None:
    engine.deploy_all(
        "create table raw (k integer primary key, v varchar)",
        "create table t (k integer primary key, v varchar, twice integer as k * 2)",
        "create materialized view m as select k, v from raw",
    )
    engine.write("insert into raw values (1, 'a')")
    engine.deploy("create sink s into t from m")
    engine.write("insert into raw values (2, 'b')")
    engine.tick()
    assert engine.all("t") == [(1, "a", 2), (2, "b", 4)]
