"""Computing Python views again: what changed since people acted shows, and nothing else happens."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from millstream.engine.rerank import rerank
from millstream.errors import MillstreamError
from tests.engine.engine import Engine

PEOPLE = "create table people (person varchar primary key, acted_at timestamptz, items varchar[])"
WEIGHTS = "create table weights (item varchar primary key, weight integer)"
LISTS = (
    "create materialized view lists as with met as ("
    " select p.person, p.acted_at, x.item, w.weight from people as p"
    " cross join unnest(p.items) as x (item)"
    " join weights for system_time as of proctime() as w on w.item = x.item)"
    " select person, max(acted_at) as acted_at, best(array_agg(item order by item),"
    " array_agg(weight order by item)) as items from met group by person"
)
BEST = """
def best(items, weights):
    if 666 in weights:
        raise ValueError("a weight of 666")
    return [item for _, item in sorted(zip(weights, items), reverse=True)]
"""


@pytest.fixture
def lists(engine: Engine, tmp_path: Path) -> Engine:
    """Ann, Bob and Cay, a minute apart, each with the items a, b and c in the order of their weights: c b a."""
    engine.deploy_all(PEOPLE, WEIGHTS)
    engine.deploy_python(
        tmp_path / "udfs" / "best.py", "best", "items varchar[]; weights integer[]", "varchar[]", BEST
    )
    engine.deploy(LISTS)
    engine.write("insert into weights values ('a', 1), ('b', 2), ('c', 3)")
    engine.write(
        "insert into people select name, timestamptz '2030-01-01 00:00Z' + n * interval '1 minute', '{a,b,c}'"
        " from unnest(array['ann', 'bob', 'cay']) with ordinality as x (name, n)"
    )
    return engine


def shown(engine: Engine) -> dict[str, str]:
    return {person: "".join(items) for person, items in engine.rows("select person, items from lists")}


def test_changed_weights_show_without_an_act(lists: Engine) -> None:
    lists.write("update weights set weight = 9 where item = 'a'")
    assert shown(lists) == {"ann": "cba", "bob": "cba", "cay": "cba"}
    (result,) = rerank(lists.owner)
    assert shown(lists) == {"ann": "acb", "bob": "acb", "cay": "acb"}
    assert (result.name, result.keys, result.changed, result.failed, result.rebuilt) == ("lists", 3, 3, 0, ())


def test_rows_that_come_out_the_same_are_left_alone(lists: Engine) -> None:
    lists.write("update people set items = '{b,c}' where person = 'bob'")
    lists.write("update weights set weight = 9 where item = 'a'")
    places = lists.rows('select person, ctid::text from millstream_data."lists@1" order by person')
    (result,) = rerank(lists.owner)
    assert shown(lists) == {"ann": "acb", "bob": "cb", "cay": "acb"}
    assert (result.keys, result.changed) == (3, 2)
    after = lists.rows('select person, ctid::text from millstream_data."lists@1" order by person')
    assert [before == now for before, now in zip(places, after, strict=True)] == [False, True, False]


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_every_key_is_in_one_batch(lists: Engine, batch: int) -> None:
    told: list[tuple[str, int, int]] = []
    lists.write("update weights set weight = 9 where item = 'a'")
    (result,) = rerank(lists.owner, batch=batch, progress=lambda *args: told.append(args))
    assert (result.keys, result.changed) == (3, 3)
    assert set(shown(lists).values()) == {"acb"}
    assert told[-1] == ("lists", 3, 3)
    assert len(told) == -(-3 // batch)


def test_only_those_who_were_active_lately(lists: Engine) -> None:
    lists.write("update weights set weight = 9 where item = 'a'")
    (result,) = rerank(lists.owner, active=timedelta(minutes=1))
    assert shown(lists) == {"ann": "cba", "bob": "acb", "cay": "acb"}
    assert result.keys == 2


def test_a_list_appears_where_there_was_none(lists: Engine) -> None:
    """Dan's items met nothing when he acted; now they do."""
    lists.write("insert into people values ('dan', '2030-01-01 00:09Z', '{d}')")
    lists.write("insert into weights values ('d', 1)")
    assert "dan" not in shown(lists)
    rerank(lists.owner)
    assert shown(lists)["dan"] == "d"


def test_a_list_disappears_where_nothing_is_left(lists: Engine) -> None:
    lists.write("delete from weights")
    assert len(shown(lists)) == 3
    rerank(lists.owner)
    assert shown(lists) == {}


def test_a_failing_call_is_counted_and_gives_null(lists: Engine) -> None:
    lists.write("update people set items = '{a,b}' where person = 'bob'")
    lists.write("update weights set weight = 666 where item = 'c'")
    (result,) = rerank(lists.owner)
    assert result.failed == 2
    assert lists.rows("select person, items is null from lists order by person") == [
        ("ann", True),
        ("bob", False),
        ("cay", True),
    ]


def test_what_comes_out_is_what_a_new_deployment_computes(lists: Engine) -> None:
    lists.write("update weights set weight = 10 - weight")
    rerank(lists.owner, batch=2)
    in_place = shown(lists)
    lists.deploy(LISTS.replace("as items from", "as items, 1 as one from"))
    assert shown(lists) == in_place


def test_acts_go_on_afterwards(lists: Engine) -> None:
    lists.write("update weights set weight = 9 where item = 'a'")
    rerank(lists.owner)
    lists.write(
        "update people set items = '{a,b}' where person = 'ann'", "delete from people where person = 'bob'"
    )
    assert shown(lists) == {"ann": "ab", "cay": "acb"}


def test_views_that_keep_results_of_it_are_rebuilt(lists: Engine) -> None:
    lists.deploy_all(
        "create view firsts as select person, items[1] as item from lists",
        "create materialized view winners as select item, count(*) as n from firsts group by item",
    )
    assert lists.all("winners") == [("c", 3)]
    lists.write("update weights set weight = 9 where item = 'a'")
    (result,) = rerank(lists.owner)
    assert result.rebuilt == ("lists", "winners")
    assert lists.all("winners") == [("a", 3)]
    lists.write("update people set items = '{b}' where person = 'cay'")
    assert lists.all("winners") == [("a", 2), ("b", 1)]


def test_readers_never_see_a_list_missing(lists: Engine) -> None:
    """A reader counts lists as fast as it can while all of them are replaced, again and again."""
    lists.write(
        "insert into people select 'p' || n, '2030-01-01Z', '{a,b,c}' from generate_series(1, 97) as n"
    )
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        with psycopg.connect(lists.dsn, autocommit=True) as reader:
            while not done.is_set():
                seen.update(row[0] for row in reader.execute("select count(*) from lists"))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(5):
            lists.write("update weights set weight = 10 - weight")
            (result,) = rerank(lists.owner, batch=20)
            assert result.changed == 100
    finally:
        done.set()
        thread.join()
    assert seen == {100}


def test_active_needs_one_column_to_go_by(engine: Engine, tmp_path: Path) -> None:
    engine.deploy_all("create table people (person varchar primary key, items varchar[])")
    engine.deploy_python(tmp_path / "udfs" / "best.py", "best", "items varchar[]", "varchar[]", BEST)
    engine.deploy("create materialized view lists as select person, best(items) as items from people")
    with pytest.raises(MillstreamError, match=r"people has 0 timestamptz columns.*\n.*without --active"):
        rerank(engine.owner, active=timedelta(days=1))


def test_nothing_to_do_without_python(engine: Engine) -> None:
    engine.deploy_all(PEOPLE, "create materialized view counts as select count(*) as n from people")
    assert rerank(engine.owner) == []
