"""Dropping: refused while something reads it, unless asked to cascade."""

from __future__ import annotations

import pytest

from millstream.engine import deploy
from millstream.errors import MillstreamError
from tests.engine.engine import Engine

T = "create table t (k integer primary key, g varchar)"
V = "create materialized view v as select g, count(*) as n from t group by g"


def test_a_view_is_dropped_with_its_state(engine: Engine) -> None:
    engine.deploy_all(T, V)
    engine.drop("v")
    assert deploy.list_relations(engine.owner) == [("t", "table")]
    assert engine.stored_tables() == {"t", "t__queue"}
    engine.write("insert into t values (1, 'a')")
    assert engine.all("t") == [(1, "a")]


@pytest.mark.parametrize(
    "reader",
    [
        "create materialized view reader as select max(n) as best from v",
        "create view reader as select n from v",
        "create materialized view reader as select t.k, v.n from t left join v for system_time as of proctime() on v.g = t.g",
    ],
)
def test_what_is_read_is_not_dropped(engine: Engine, reader: str) -> None:
    engine.deploy_all(T, V, reader)
    with pytest.raises(MillstreamError, match="v is read by reader") as caught:
        engine.drop("v")
    assert "cascade" in str(caught.value)
    engine.write("insert into t values (1, 'a')")
    assert engine.all("v") == [("a", 1)]


def test_cascade_drops_readers_of_readers_too(engine: Engine) -> None:
    engine.deploy_all(
        T,
        V,
        "create view plain as select n from v",
        "create materialized view top as select max(n) as best from plain",
        "create materialized view other as select count(*) as n from t",
    )
    engine.drop("v", cascade=True)
    assert deploy.list_relations(engine.owner) == [("other", "materialized_view"), ("t", "table")]
    assert engine.stored_tables() == {"t", "t__queue", "other@1"}
    engine.write("insert into t values (1, 'a')")
    assert engine.all("other") == [(1,)]


def test_a_table_is_dropped_with_its_queue_and_trigger_function(engine: Engine) -> None:
    engine.deploy(T)
    engine.execute("insert into t values (1, 'a')")
    engine.drop("t")
    assert engine.stored_tables() == set()
    assert (
        engine.value("select count(*) from pg_proc where pronamespace = 'millstream_data'::regnamespace") == 0
    )
    engine.deploy(T)
    engine.tick()
    assert engine.all("t") == []


def test_what_is_not_there_cannot_be_dropped(engine: Engine) -> None:
    with pytest.raises(MillstreamError, match=r"nothing is deployed as public\.nothing"):
        engine.drop("nothing")


def test_a_dropped_version_that_something_old_reads_is_kept(engine: Engine) -> None:
    """A view that stayed on an old version goes on, although the name that it read is gone."""
    engine.deploy_all(T, V, "create materialized view top as select max(n) as best from v")
    engine.deploy("create materialized view v as select g from t")
    with pytest.raises(MillstreamError, match="v is read by top"):
        engine.drop("v")
    engine.drop("v", cascade=True)
    assert engine.stored_tables() == {"t", "t__queue"}
