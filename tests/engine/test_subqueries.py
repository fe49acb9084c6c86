"""Subqueries and joins in a running engine: what NULL does, which row is nearest, and that changes are looked up."""

from __future__ import annotations

import pytest

from tests.engine.engine import Engine
from tests.engine.test_query_plans import explained, steps, whole_reads

ITEMS = "create table items (item_id varchar, category varchar, price integer, primary key (item_id))"
PRICES = "create table prices (price_id integer, item_id varchar, since integer, price integer, primary key (price_id))"


@pytest.fixture
def shop(engine: Engine) -> Engine:
    engine.deploy_all(ITEMS, PRICES)
    return engine


def test_one_null_ends_not_in_until_it_goes(shop: Engine) -> None:
    shop.deploy(
        "create materialized view unpriced as select item_id from items where item_id not in (select item_id from prices)"
    )
    shop.write("insert into items (item_id) values ('a'), ('b')", "insert into prices values (1, 'a', 0, 5)")
    assert shop.all("unpriced") == [("b",)]
    shop.write("insert into prices values (2, null, 0, 5)")
    assert shop.all("unpriced") == []
    shop.write("delete from prices where price_id = 2")
    assert shop.all("unpriced") == [("b",)]


def test_null_is_not_in_an_empty_set(shop: Engine) -> None:
    shop.deploy(
        "create materialized view v as select item_id from items where category not in (select item_id from prices)"
    )
    shop.write("insert into items (item_id, category) values ('a', null), ('b', 'x')")
    assert shop.all("v") == [("a",), ("b",)]
    shop.write("insert into prices values (1, 'y', 0, 5)")
    assert shop.all("v") == [("b",)]


def test_a_count_of_nothing_is_0_and_other_aggregates_are_null(shop: Engine) -> None:
    shop.deploy(
        "create materialized view v as select item_id,"
        " (select count(*) from prices as p where p.item_id = i.item_id) as n,"
        " (select max(price) from prices as p where p.item_id = i.item_id) as top from items as i"
    )
    shop.write("insert into items (item_id) values ('a'), ('b')", "insert into prices values (1, 'a', 0, 5)")
    assert shop.all("v") == [("a", 1, 5), ("b", 0, None)]


WANTS = "create table wants (name varchar, item_id varchar, budget integer)"


def test_an_offer_of_both_sides_follows_the_outer_row(shop: Engine) -> None:
    """The dearest two prices within each want's budget, with what would be left of it."""
    shop.deploy(WANTS)
    shop.deploy(
        "create materialized view v as select w.name, l.price_id, l.rest from wants as w cross join lateral"
        " (select p.price_id, w.budget - p.price as rest from prices as p"
        " where p.item_id = w.item_id and p.price <= w.budget order by p.price desc, p.price_id limit 2) as l"
    )
    shop.write(
        "insert into prices values (1, 'a', 0, 5), (2, 'a', 0, 7), (3, 'a', 0, 9), (4, 'b', 0, 1)",
        "insert into wants values ('ann', 'a', 8), ('ben', 'a', null)",
    )
    assert shop.all("v") == [("ann", 1, 3), ("ann", 2, 1)]
    shop.write("insert into wants values ('ann', 'a', 10)")
    assert shop.all("v") == [("ann", 1, 3), ("ann", 2, 1), ("ann", 2, 3), ("ann", 3, 1)]
    shop.write("delete from wants where budget = 8", "delete from prices where price_id = 3")
    assert shop.all("v") == [("ann", 1, 5), ("ann", 2, 3)]


def test_two_equal_outer_rows_share_a_value_until_both_go(shop: Engine) -> None:
    shop.deploy(WANTS)
    shop.deploy(
        "create materialized view v as select w.name,"
        " (select count(*) filter (where p.price < w.budget) from prices as p where p.item_id = w.item_id) as n"
        " from wants as w"
    )
    shop.write(
        "insert into wants values ('ann', 'a', null), ('ann', 'a', null), ('ben', null, 3)",
        "insert into prices values (1, 'a', 0, 5)",
    )
    assert shop.all("v") == [("ann", 0), ("ann", 0), ("ben", 0)]
    shop.write("delete from wants where name = 'ann'", "insert into wants values ('ann', 'a', 6)")
    assert shop.all("v") == [("ann", 1), ("ben", 0)]


def test_an_outer_value_keeps_its_scale(shop: Engine) -> None:
    """1.0 and 1.00 are equal, and what is computed with them is written differently."""
    shop.deploy("create table rates (rate_id integer, item_id varchar, rate numeric, primary key (rate_id))")
    shop.deploy(
        "create materialized view v as select r.rate_id,"
        " (select sum(p.price * r.rate) from prices as p where p.item_id = r.item_id)::varchar as s from rates as r"
    )
    shop.write(
        "insert into prices values (1, 'a', 0, 5)",
        "insert into rates values (1, 'a', 1.0), (2, 'a', 1.00), (3, 'a', 1)",
    )
    assert shop.all("v") == [(1, "5.0"), (2, "5.00"), (3, "5")]


def test_a_list_of_no_rows_is_empty(shop: Engine) -> None:
    shop.deploy(
        "create materialized view v as select item_id,"
        " array(select p.price from prices as p where p.item_id = i.item_id order by p.since desc, p.price_id) as prices"
        " from items as i"
    )
    shop.write(
        "insert into items (item_id) values ('a'), ('b')",
        "insert into prices values (1, 'a', 0, 5), (2, 'a', 1, 7)",
    )
    assert shop.all("v") == [("a", [7, 5]), ("b", [])]
    shop.write("delete from prices")
    assert shop.all("v") == [("a", []), ("b", [])]


def test_an_asof_join_takes_the_nearest_row_and_of_several_the_smallest_key(shop: Engine) -> None:
    """The answers of RisingWave, whose tests have these rows."""
    shop.deploy(
        "create materialized view v as select i.item_id, p.price_id from items as i"
        " asof left join prices as p on i.item_id = p.item_id and i.price >= p.since"
    )
    shop.write("insert into items values ('a', null, 10)", "insert into prices values (30, 'a', 5, 1)")
    assert shop.all("v") == [("a", 30)]
    shop.write("insert into prices values (10, 'a', 5, 1), (40, 'a', 11, 1)")
    assert shop.all("v") == [("a", 10)]
    shop.write("insert into prices values (50, 'a', 8, 1)")
    assert shop.all("v") == [("a", 50)]
    shop.write("delete from prices where price_id in (50, 10)")
    assert shop.all("v") == [("a", 30)]
    shop.write("delete from prices where price_id = 30")
    assert shop.all("v") == [("a", None)]


def test_constant_rows_are_there_without_any_table(engine: Engine) -> None:
    engine.deploy(
        "create materialized view v as select v.n, u.e from (values (1), (2)) as v (n) cross join unnest(array['x']) as u (e)"
    )
    assert engine.all("v") == [(1, "x"), (2, "x")]
    engine.tick()
    assert engine.all("v") == [(1, "x"), (2, "x")]


LARGE = """
insert into items select 'i' || n, 'c' || n % 1000, n from generate_series(1, 20000) as n;
insert into prices select n, 'i' || n % 20000, n % 7, n from generate_series(1, 20000) as n;
insert into wants select 'n' || n, 'i' || n % 20000, n % 9 from generate_series(1, 20000) as n;
insert into scales select 'n' || n, 'i' || n % 20000, n % 9 from generate_series(1, 20000) as n;
"""
LOOKED_UP = {
    "dynamic_filter": "select item_id from items where price > (select max(price) - 3 from prices)",
    "full_join": "select i.category, p.price from items as i full join prices as p on p.item_id = i.item_id",
    "asof_join": "select i.item_id, p.price_id from items as i asof join prices as p on i.item_id = p.item_id and i.price >= p.since",
    "scalar": "select item_id, (select count(*) from prices as p where p.item_id = i.item_id) as n from items as i",
    "lateral": "select i.item_id, l.price from items as i cross join lateral"
    " (select p.price from prices as p where p.item_id = i.item_id order by p.since desc limit 2) as l",
    "membership": "select item_id, exists (select 1 from prices as p where p.item_id = i.item_id) as x from items as i",
    "both_sides": "select item_id, (select sum(p.price * i.price) from prices as p where p.item_id = i.item_id) as s from items as i",
    "lateral_both": "select i.item_id, l.x from items as i cross join lateral"
    " (select p.price - i.price as x from prices as p where p.item_id = i.item_id order by p.since desc, p.price_id limit 2) as l",
    "gathered": "select item_id, array(select p.price from prices as p where p.item_id = i.item_id order by p.price_id) as l"
    " from items as i",
    "of_a_bag": "select w.name, (select max(p.price - w.budget) from prices as p where p.item_id = w.item_id) as m from wants as w",
    "of_numerics": "select w.name, (select max(p.price * w.weight) from prices as p where p.item_id = w.item_id) as m from scales as w",
    "further_in": "select i.item_id from items as i where exists (select 1 from prices as p where p.item_id = i.item_id"
    " and not exists (select 1 from wants as w where w.item_id = p.item_id and w.budget > i.price))",
    "except_all": "select item_id from items except all select item_id from prices",
}


def test_changes_are_looked_up(shop: Engine) -> None:
    """No statement of a tick reads the 20,000 rows of either table, or of what is stored of them."""
    shop.deploy_all(WANTS, "create table scales (name varchar, item_id varchar, weight numeric)")
    for name, query in LOOKED_UP.items():
        shop.deploy(f"create materialized view {name} as {query}")
    shop.write(LARGE)
    shop.tick()
    worker = shop.worker
    worker.conn.execute("analyze")
    assert worker.program is not None
    found = {
        (relation.name, step, table)
        for relation in worker.program.relations
        for step, sql in steps(relation)
        for table in whole_reads(explained(worker.conn, sql))
    }
    small = {
        table for _, _, table in found if shop.value(f'select count(*) from millstream_data."{table}"') < 9
    }
    assert {each for each in found if each[2] not in small} == set()
