"""Process-time joins: a result is computed when its left row acts, with the right side as of the tick before."""

from __future__ import annotations

from pathlib import Path

from tests.engine.engine import Engine

ACTS = "create table acts (k integer primary key, item integer)"
PRICES = "create table prices (item integer primary key, price integer)"
PRICED = (
    "create materialized view priced as select a.k, p.price from acts as a"
    " left join prices for system_time as of proctime() as p on p.item = a.item"
)


def test_the_right_side_is_that_of_the_tick_before(engine: Engine) -> None:
    engine.deploy_all(ACTS, PRICES, PRICED)
    engine.write("insert into prices values (1, 10)", "insert into acts values (1, 1)")
    assert engine.all("priced") == [(1, None)]
    engine.write("insert into acts values (2, 1)")
    assert engine.all("priced") == [(1, None), (2, 10)]


def test_a_change_of_the_right_side_changes_nothing_by_itself(engine: Engine) -> None:
    engine.deploy_all(ACTS, PRICES, PRICED)
    engine.write("insert into prices values (1, 10)")
    engine.write("insert into acts values (1, 1)")
    engine.write("update prices set price = 20")
    assert engine.all("priced") == [(1, 10)]
    engine.write("delete from prices")
    assert engine.all("priced") == [(1, 10)]


def test_a_change_of_the_left_side_computes_its_row_again(engine: Engine) -> None:
    engine.deploy_all(ACTS, PRICES, PRICED)
    engine.write("insert into prices values (1, 10), (2, 5)")
    engine.write("insert into acts values (1, 1), (2, 1)")
    engine.write("update prices set price = 20 where item = 1")
    engine.write("update acts set item = 2 where k = 2")
    assert engine.all("priced") == [(1, 10), (2, 5)]
    engine.write("delete from acts where k = 1", "update acts set item = 1 where k = 2")
    assert engine.all("priced") == [(2, 20)]


def test_an_inner_join_drops_what_met_nothing_until_it_acts_again(engine: Engine) -> None:
    engine.deploy_all(ACTS, PRICES, PRICED.replace("left join", "join"))
    engine.write("insert into acts values (1, 1)", "insert into prices values (1, 10)")
    assert engine.all("priced") == []
    engine.write("update acts set item = 1")  # the same values are no act
    assert engine.all("priced") == []
    engine.write("insert into acts values (2, 1)")
    assert engine.all("priced") == [(2, 10)]


def test_a_row_that_a_filter_keeps_out_has_results_only_while_it_passes(engine: Engine) -> None:
    engine.deploy_all(ACTS, PRICES, PRICED + " where a.item > 1 and (p.price is null or p.price < 9)")
    engine.write("insert into prices values (1, 5), (2, 6), (3, 7)")
    engine.write("insert into acts values (1, 1), (2, 2)")
    assert engine.all("priced") == [(2, 6)]
    engine.write("update acts set item = item + 1")
    assert engine.all("priced") == [(1, 6), (2, 7)]
    engine.write("update acts set item = 1")
    assert engine.all("priced") == []


def test_a_right_side_that_depends_on_the_left_is_seen_as_before_the_tick(engine: Engine) -> None:
    """A count of acts that each act looks up: every act sees the acts of the ticks before."""
    engine.deploy_all(
        ACTS,
        "create materialized view counts as select item, count(*) as n from acts group by item",
        "create materialized view seen as select a.k, c.n from acts as a"
        " left join counts for system_time as of proctime() as c on c.item = a.item",
    )
    engine.write("insert into acts values (1, 1), (2, 1)")
    assert engine.all("seen") == [(1, None), (2, None)]
    engine.write("insert into acts values (3, 1)")
    assert engine.all("seen") == [(1, None), (2, None), (3, 2)]
    engine.write("insert into acts values (4, 1)", "delete from acts where k = 1")
    assert engine.all("seen") == [(2, None), (3, 2), (4, 3)]


def test_what_reads_an_act_follows_it(engine: Engine) -> None:
    engine.deploy_all(
        ACTS,
        PRICES,
        PRICED,
        "create materialized view total as select sum(price) as s, count(*) as n from priced",
    )
    engine.write("insert into prices values (1, 10)")
    engine.write("insert into acts values (1, 1), (2, 1), (3, 9)")
    assert engine.all("total") == [(20, 3)]
    engine.write("update prices set price = 1")
    engine.write("update acts set item = 9 where k = 1", "update acts set item = 1 where k = 3")
    assert engine.all("total") == [(11, 3)]


LOOKED_UP = (
    "create materialized view priced as select a.k, p.price from acts as a"
    " {} prices for system_time as of proctime() as p on p.item = a.item"
)


def test_equal_rows_of_a_table_without_a_key_are_each_looked_up_when_they_come(engine: Engine) -> None:
    engine.deploy_all(
        "create table acts (k integer, item integer) append only", PRICES, LOOKED_UP.format("left join")
    )
    engine.write("insert into acts values (7, 1)")
    engine.write("insert into prices values (1, 10)")
    engine.write("insert into acts values (7, 1), (7, 1)")
    engine.write("update prices set price = 20")
    engine.write("insert into acts values (7, 1)")
    assert engine.all("priced") == [(7, 10), (7, 10), (7, 20), (7, None)]


def test_of_equal_rows_that_go_the_oldest_result_goes_first(engine: Engine) -> None:
    engine.deploy_all(
        "create table orders (id integer primary key, k integer, item integer)",
        "create materialized view acts as select k, item from orders",
        PRICES,
        LOOKED_UP.format("join"),
    )
    for number, price in enumerate((10, 20, 30)):
        engine.write(f"insert into prices values (1, {price})")
        engine.write(f"insert into orders values ({number}, 7, 1)")
    assert engine.all("priced") == [(7, 10), (7, 20), (7, 30)]
    engine.write("delete from orders where id = 2")
    assert engine.all("priced") == [(7, 20), (7, 30)]
    engine.write("delete from orders where id = 1", "insert into orders values (4, 7, 2)")
    assert engine.all("priced") == [(7, 30)]
    engine.write("delete from orders")
    assert engine.all("priced") == []


def test_without_an_equality_a_row_meets_all_that_were_there(engine: Engine) -> None:
    engine.deploy_all(
        "create table acts (k integer, item integer) append only",
        PRICES,
        "create materialized view dearer as select a.k, p.price from acts as a"
        " join prices for system_time as of proctime() as p on p.price > a.k",
        "create materialized view pairs as select a.k, p.price from acts as a"
        " cross join prices for system_time as of proctime() as p",
    )
    engine.write("insert into acts values (5, 1)", "insert into prices values (1, 10), (2, 3)")
    assert engine.all("dearer") == engine.all("pairs") == []
    engine.write("insert into acts values (5, 1), (20, 1)", "delete from prices where item = 2")
    assert engine.all("dearer") == [(5, 10)]
    assert engine.all("pairs") == [(5, 3), (5, 10), (20, 3), (20, 10)]
    engine.write("delete from prices")
    assert engine.all("dearer") == [(5, 10)]


def test_rows_that_are_equal_and_not_the_same_keep_results_of_their_own(engine: Engine) -> None:
    engine.deploy_all(
        "create table orders (id integer primary key, k numeric, item integer)",
        "create materialized view acts as select k, item from orders",
        PRICES,
        LOOKED_UP.format("left join"),
    )
    engine.write("insert into orders values (1, 1.5, 1), (2, 1.50, 1)")
    engine.write("insert into prices values (1, 10)")
    engine.write("insert into orders values (3, 1.50, 1), (4, 1.5, 1)")
    engine.write("delete from orders where id = 1", "update orders set k = 1.50 where id = 4")
    shown = engine.rows("select k::text, price from priced order by 1, 2 nulls first")
    assert shown == [("1.50", None), ("1.50", 10), ("1.50", 10)]
    engine.write("delete from orders where id > 2")
    assert engine.rows("select k::text, price from priced") == [("1.50", 10)]


def test_each_result_of_a_row_goes_with_it(engine: Engine) -> None:
    engine.deploy_all(
        "create table acts (k integer, item integer)",
        "create table prices (item integer, price integer)",
        LOOKED_UP.format("join"),
        "create materialized view total as select count(*) as n, sum(price) as s from priced",
    )
    engine.write("insert into prices values (1, 10), (1, 10), (1, 30)")
    engine.write("insert into acts values (7, 1), (8, 1)")
    engine.write("delete from prices")
    engine.write("insert into acts values (7, 1)")
    assert engine.all("total") == [(6, 100)]
    engine.write("delete from acts where k = 7")
    assert engine.all("priced") == [(8, 10), (8, 10), (8, 30)]
    assert engine.all("total") == [(3, 50)]


def test_a_union_of_two_tables_acts_row_by_row(engine: Engine) -> None:
    engine.deploy_all(
        "create table shop (item integer)",
        "create table web (id integer primary key, item integer)",
        PRICES,
        "create materialized view priced as select u.item, p.price"
        " from (select item from shop union all select item from web) as u"
        " left join prices for system_time as of proctime() as p on p.item = u.item",
    )
    engine.write("insert into shop values (1)")
    engine.write("insert into prices values (1, 10)")
    engine.write("insert into web values (1, 1), (2, 1)")
    assert engine.all("priced") == [(1, 10), (1, 10), (1, None)]
    engine.write("delete from web where id = 1")
    assert engine.all("priced") == [(1, 10), (1, 10)]


def test_python_is_called_once_for_each_of_several_equal_rows(engine: Engine, tmp_path: Path) -> None:
    code = "calls = 0\n\ndef count_up(x):\n    global calls\n    calls += 1\n    return 100 * calls + x\n"
    engine.deploy_python(tmp_path / "count_up.py", "count_up", "x integer", "integer", code)
    engine.deploy_all(
        "create table acts (k integer)",
        "create materialized view seen as select k, count_up(k) as n from acts",
    )
    engine.write("insert into acts values (7)")
    engine.write("insert into acts values (7), (8)")
    seen = engine.all("seen")
    assert (7, 107) in seen
    assert sorted(n // 100 for _, n in seen) == [1, 2, 3]
    engine.write("delete from acts where k = 7")
    assert [k for k, _ in engine.all("seen")] == [8]


def test_a_branch_that_joins_the_driver_with_itself_is_kept_exact(engine: Engine) -> None:
    engine.deploy_all(
        "create table people (k integer primary key, friend integer, item integer)",
        PRICES,
        "create materialized view v as"
        " select u.k, p.price as x from people as u join prices for system_time as of proctime() as p on p.item = u.item"
        " union all"
        " select a.k, b.item as x from people as a join people as b on b.k = a.friend",
    )
    engine.write("insert into prices values (1, 10), (2, 20)")
    engine.write("insert into people values (1, 2, 1)")
    assert engine.all("v") == [(1, 10)]
    engine.write("insert into people values (2, null, 2)")
    assert engine.all("v") == [(1, 2), (1, 10), (2, 20)]
    engine.write("update people set item = 3 where k = 2")
    assert engine.all("v") == [(1, 3), (1, 10)]


def test_rebuilding_meets_the_right_side_as_it_is_now(engine: Engine) -> None:
    engine.deploy_all(ACTS, PRICES, PRICED)
    engine.write("insert into acts values (1, 1)", "insert into prices values (1, 10)")
    assert engine.all("priced") == [(1, None)]
    engine.deploy(PRICED.replace("p.price from", "p.price, p.item from"))
    assert engine.all("priced") == [(1, 10, 1)]
