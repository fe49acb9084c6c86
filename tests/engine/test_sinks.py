"""Sinks into tables: new rows of a view are inserted into a source table right after the tick that made them."""

from __future__ import annotations

import pytest

from millstream.errors import MillstreamError, Refused
from tests.engine.engine import Engine

RAW = "create table raw (payload varchar) append only"
PARSED = (
    "create materialized view parsed as select cast(payload as jsonb) ->> 'id' as id,"
    " cast(cast(payload as jsonb) ->> 'n' as integer) as n from raw where cast(payload as jsonb) is not null"
)
EVENTS = "create table events (id varchar primary key, n integer) on conflict do nothing"
SINK = "create sink good into events from parsed with (type = 'append-only', force_append_only = 'true')"
TOTAL = "create materialized view total as select count(*) as rows, sum(n) as s from events"


def put(engine: Engine, *payloads: str) -> None:
    for payload in payloads:
        engine.execute("insert into raw values (%s)", [payload])


def test_rows_pass_through_to_the_last_view_in_one_call(engine: Engine) -> None:
    engine.deploy_all(RAW, PARSED, EVENTS, SINK, TOTAL)
    put(engine, '{"id": "a", "n": 2}', "not json", '{"id": "b", "n": 3}')
    engine.tick()
    assert engine.all("events") == [("a", 2), ("b", 3)]
    assert engine.all("total") == [(2, 5)]


def test_the_targets_conflict_rule_holds_for_both_ways_in(engine: Engine) -> None:
    engine.deploy_all(RAW, PARSED, EVENTS, SINK, TOTAL)
    put(engine, '{"id": "a", "n": 2}')
    engine.write("insert into events values ('b', 1)")
    put(engine, '{"id": "a", "n": 9}', '{"id": "b", "n": 7}')
    engine.write("insert into events values ('a', 100)")
    assert engine.all("events") == [("a", 2), ("b", 1)]
    assert engine.all("total") == [(2, 3)]


def test_of_two_rows_of_one_key_in_a_tick_the_lesser_wins_every_time(engine: Engine) -> None:
    """Rows of a view have no order of their own, so that of their values decides, and a replay decides the same."""
    engine.deploy_all(RAW, PARSED, EVENTS, SINK, TOTAL)
    put(engine, '{"id": "a", "n": 9}', '{"id": "a", "n": 2}', '{"id": "b", "n": 1}', '{"id": "b", "n": 5}')
    engine.tick()
    assert engine.all("events") == [("a", 2), ("b", 1)]


def test_rows_that_are_there_when_the_sink_comes_are_sent(engine: Engine) -> None:
    engine.deploy_all(RAW, PARSED, EVENTS, TOTAL)
    put(engine, '{"id": "a", "n": 2}', '{"id": "b", "n": 3}')
    engine.tick()
    assert engine.all("total") == [(0, None)]
    assert engine.deploy(SINK).action == "created"
    engine.tick()
    assert engine.all("total") == [(2, 5)]
    assert engine.deploy(SINK).action == "unchanged"
    engine.tick()
    assert engine.all("total") == [(2, 5)]


def test_a_sink_follows_its_view_to_a_new_version(engine: Engine) -> None:
    engine.deploy_all(RAW, PARSED, EVENTS, SINK, TOTAL)
    put(engine, '{"id": "a", "n": 2}')
    engine.tick()
    engine.deploy(PARSED.replace("'n' as integer)", "'m' as integer)"))
    put(engine, '{"id": "b", "m": 40}')
    engine.tick()
    assert engine.all("events")[-1] == ("b", 40)
    assert engine.stored_tables() == {
        *("raw", "raw__queue", "parsed@2", "total@1"),
        *("events", "events__queue", "events__pending"),
    }


def test_rows_that_leave_the_view_stay_in_the_table(engine: Engine) -> None:
    engine.deploy_all(RAW, PARSED, EVENTS, SINK)
    put(engine, '{"id": "a", "n": 2}')
    engine.tick()
    engine.write("delete from raw")
    assert (engine.all("parsed"), engine.all("events")) == ([], [("a", 2)])


def test_a_view_that_a_sink_reads_and_a_table_that_it_fills_are_not_dropped(engine: Engine) -> None:
    engine.deploy_all(RAW, PARSED, EVENTS, SINK)
    for name in ("parsed", "events"):
        with pytest.raises(MillstreamError, match=f"{name} is read by good"):
            engine.drop(name)
    engine.drop("good")
    put(engine, '{"id": "a", "n": 2}')
    engine.tick()
    assert (engine.all("parsed"), engine.all("events")) == ([("a", 2)], [])
    engine.drop("parsed")


def test_columns_must_be_those_of_the_table(engine: Engine) -> None:
    engine.deploy_all(RAW, "create materialized view parsed as select payload as id from raw", EVENTS)
    with pytest.raises(Refused, match="columns differ: n"):
        engine.deploy(SINK)
