"""A value that is too long for an index costs its row in the views that look it up, and nothing else."""

from __future__ import annotations

import random
import string

import pytest

from tests.engine.engine import Engine

LONG = "".join(random.Random(7).choices(string.printable, k=9_000))


@pytest.fixture
def shop(engine: Engine) -> Engine:
    engine.deploy_all(
        "create table events (id integer primary key, item varchar, price double precision)",
        "create table items (item varchar, name varchar)",
        "create materialized view copies as select id, item, price from events",
        "create materialized view named as select e.id, i.name from events as e join items as i on i.item = e.item",
        "create materialized view unnamed as select e.id from events as e where not exists"
        " (select 1 from items as i where i.item = e.item)",
        "create materialized view counts as select item, count(*) as n from events group by item",
        "create materialized view strict as select item, count(*) as n from events where item is not null group by item",
        "create materialized view dearest as select item, max(price) as price from events group by item",
        "create materialized view above as select c.n, d.price from counts as c join dearest as d on d.item = c.item",
        "create materialized view top as select id, item from (select id, item, row_number() over"
        " (partition by item order by price desc, id) as n from events) as s where n = 1",
        "create materialized view last as select max(item) as item from events",
    )
    engine.deploy("create materialized view served as select id, item from events", indexes=[["item", "id"]])
    return engine


def state(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """What is looked up by an item. A key that may be NULL is looked up by its hash, however long it is."""
    names = ("named", "unnamed", "strict", "above", "last", "served")
    return {name: engine.all(name) for name in names}


def put(engine: Engine) -> None:
    engine.execute("insert into items values ('a', 'apple')")
    engine.execute("insert into events values (1, 'a', 1), (2, 'b', 2), (3, 'a', 3)")


def test_the_row_is_there_and_the_others_are_everywhere(shop: Engine) -> None:
    put(shop)
    shop.tick()
    before = state(shop)
    shop.execute("insert into events values (7, %s, 1)", [LONG])
    shop.execute("insert into items values (%s, 'long')", [LONG])
    shop.write("insert into events values (4, 'b', 4)")
    assert shop.value("select item from events where id = 7") == LONG
    assert len(shop.all("copies")) == 5
    assert [len(shop.all(name)) for name in ("counts", "dearest", "top")] == [3, 3, 3]
    shop.write("delete from events where id = 4")
    assert state(shop) == before
    shop.write("delete from events where id = 7", "delete from items where name = 'long'")
    assert state(shop) == before
    assert len(shop.all("copies")) == 3
    assert shop.rows("select relation from millstream.dead_row") == []


def test_what_is_left_out_is_counted(shop: Engine) -> None:
    shop.execute("insert into events values (7, %s, 1)", [LONG])
    shop.tick()
    found = dict(shop.rows("select model, message from millstream.evaluation_errors"))
    assert found == dict.fromkeys(state(shop), "too long for an index")


def test_a_view_is_built_over_it(shop: Engine) -> None:
    put(shop)
    shop.execute("insert into events values (7, %s, 1)", [LONG])
    shop.tick()
    shop.deploy_all(
        "create materialized view by_price as select a.id, b.id as other from events as a join events as b on a.item = b.item",
        "create materialized view firsts as select distinct item from events where item is not null",
    )
    assert [row[0] for row in shop.all("firsts")] == ["a", "b"]
    assert shop.all("by_price") == [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)]


def test_an_index_of_several_columns_takes_as_much_in_all(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, a varchar not null, b varchar not null, n numeric not null)",
        "create materialized view g as select a, b, n, count(*) as c from t group by a, b, n",
    )
    for k, (a, b) in enumerate([(2_000, 10), (800, 800), (10, 2_000)]):
        engine.execute("insert into t values (%s, %s, %s, 1.5)", [k, LONG[:a], LONG[:b]])
    engine.execute(f"insert into t values (8, 'x', 'y', {'7' * 9_000})")
    engine.tick()
    assert [(len(a), len(b)) for a, b, _, _ in engine.all("g")] == [(800, 800)]


def test_an_array_may_be_a_key_and_too_long(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, a varchar[])",
        "create materialized view g as select a, count(*) as c from t where a is not null group by a",
    )
    engine.execute("insert into t values (1, %s), (2, '{a,b}'), (3, '{a,b}')", [[LONG]])
    engine.tick()
    assert engine.all("g") == [(["a", "b"], 2)]
