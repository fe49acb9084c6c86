"""Mismatches that generated histories found, kept as the small cases to which they were reduced."""

from __future__ import annotations

from datetime import timedelta

from tests.databases import Databases
from tests.equivalence.act_cases import ActView, Driver
from tests.equivalence.blocks import Relation
from tests.equivalence.cases import Case, Delete, Deploy, Insert, Step, Tick, View, view
from tests.equivalence.run import run
from tests.equivalence.schema import Column, Table
from tests.equivalence.values import EPOCH

BAG = Table("t0", (Column("k", "integer"), Column("v0", "integer")))


def tick(minutes: int = 0) -> Tick:
    return Tick(EPOCH + timedelta(minutes=minutes))


def check(sql: str, steps: tuple[Step, ...], databases: Databases, oracle_dsn: str) -> None:
    """Run steps over t0 (a bag of k, v0) with one materialized view, deployed before there is data."""
    case = Case((BAG,), (view("view0", sql, ("t0",)),), (tick(), Deploy("view0"), *steps))
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


def test_equal_rows_of_a_recomputed_key_all_go(databases: Databases, oracle_dsn: str) -> None:
    sql = (
        "select s.k as c0, s.n as c1 from (select k, array_agg(v0 order by v0) as a, count(*) as n from t0 group by k)"
        " as s cross join unnest(s.a) as u(element)"
    )
    twice = Insert("t0", ((1, 1), (1, 2)))
    check(
        sql,
        (twice, tick(), Insert("t0", ((1, 3),)), tick(), Delete("t0", "k", 1), tick()),
        databases,
        oracle_dsn,
    )


def test_two_deletes_of_the_same_rows_in_one_tick_spare_a_new_row(
    databases: Databases, oracle_dsn: str
) -> None:
    delete = Delete("t0", "k", 1)
    steps = (Insert("t0", ((1, 1), (1, 1))), tick(), Insert("t0", ((1, 1),)), delete, delete, tick())
    check("select k, count(*) as n from t0 group by k", steps, databases, oracle_dsn)


def test_a_row_that_two_temporal_filters_drop_at_once_is_retracted_once(
    databases: Databases, oracle_dsn: str
) -> None:
    timed = Table("t0", (Column("k", "integer"), Column("v0", "timestamptz")))
    sql = "select k from t0 where v0 > now() - interval '1 hour' and v0 > now() - interval '30 minutes' - interval '30 minutes'"
    case = Case(
        (timed,),
        (view("view0", sql, ("t0",)), view("view1", "select count(*) as n from view0", ("view0",))),
        (tick(), Deploy("view0"), Deploy("view1"), Insert("t0", ((1, EPOCH),)), tick(), tick(120), tick(240)),
    )
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


def test_the_previous_image_of_a_bag_keeps_its_duplicates(databases: Databases, oracle_dsn: str) -> None:
    columns = (Column("c0", "integer"), Column("c1", "bigint"))
    driver = View(
        "driver", "select k as c0, count(*) as c1 from t0 group by k", columns, True, frozenset({"t0"})
    )
    act = ActView(
        "act",
        "select d.c0 as c0, d.c1 as c1, p.v0 as c2 from {driver} as d join {right_t0} as p on p.k = d.c0",
        Driver(Relation("driver", columns), ("c0",)),
        ("t0",),
        (*columns, Column("c2", "integer")),
    )
    one = Insert("t0", ((1, 1),))
    steps = (
        tick(),
        Deploy("driver"),
        Deploy("act"),
        one,
        one,
        tick(),
        one,
        tick(),
        Delete("t0", "k", 1),
        one,
        tick(),
    )
    with databases.fresh() as dsn:
        run(Case((BAG,), (driver, act), steps), dsn, oracle_dsn)


def test_a_group_with_a_null_key_that_a_filter_hides_is_kept_like_any_other(
    databases: Databases, oracle_dsn: str
) -> None:
    sql = (
        "select s.v0 as c0, s.n as c1 from (select v0, count(*) as n from t0 group by v0) as s where s.v0 = 1"
    )
    rows = Insert("t0", ((1, None), (2, None), (1, 1)))
    check(sql, (rows, tick(), rows, tick(), Delete("t0", "k", 1), tick()), databases, oracle_dsn)


def test_two_self_joins_in_one_union_are_each_kept_exactly(databases: Databases, oracle_dsn: str) -> None:
    sql = (
        "select a.k as c0, b.v0 as c1 from t0 as a join t0 as b on a.k = b.v0"
        " union all select a.v0 as c0, b.k as c1 from t0 as a join t0 as b on a.v0 = b.v0"
    )
    steps = (Insert("t0", ((1, 1), (2, 1))), tick(), Delete("t0", "k", 2), Insert("t0", ((1, 2),)), tick())
    check(sql, (*steps, Delete("t0", None, None), tick()), databases, oracle_dsn)


def test_a_cte_that_joins_a_relation_with_itself_may_be_read_twice(
    databases: Databases, oracle_dsn: str
) -> None:
    sql = (
        "with pairs as (select a.k as k, b.v0 as v from t0 as a join t0 as b on a.v0 = b.k)"
        " select k as c0, v as c1 from pairs union all select p.k as c0, q.v as c1 from pairs as p join pairs as q on p.v = q.k"
    )
    steps = (
        Insert("t0", ((1, 1), (2, 1))),
        tick(),
        Insert("t0", ((1, 2), (2, 2))),
        Delete("t0", "v0", 1),
        tick(),
    )
    check(sql, (*steps, Delete("t0", None, None), tick()), databases, oracle_dsn)


def test_equal_rows_that_act_at_other_times_keep_what_they_found(
    databases: Databases, oracle_dsn: str
) -> None:
    prices = Table("t1", (Column("k", "integer"), Column("v0", "integer")), ("k",), "do update full")
    act = ActView(
        "act",
        "select d.k as c0, p.v0 as c1 from {driver} as d left join {right_t1} as p on p.k = d.k",
        Driver(Relation("t0", BAG.columns), ()),
        ("t1",),
        (Column("c0", "integer"), Column("c1", "integer")),
    )
    one = Insert("t0", ((1, 1),))
    steps: tuple[Step, ...] = (tick(), Deploy("act"), one, tick())
    for price in (1, 2):
        steps = (*steps, Insert("t1", ((1, price),)), tick(), one, tick())
    steps = (*steps, one, Delete("t0", "k", 1), one, tick())
    with databases.fresh() as dsn:
        run(Case((BAG, prices), (act,), steps), dsn, oracle_dsn)


def test_a_column_that_only_the_join_with_the_outer_row_shows_not_to_be_null_may_be_null_below_it(
    databases: Databases, oracle_dsn: str
) -> None:
    sql = (
        "select s.k as c0, l.b as c1, l.a as c2 from t0 as s cross join lateral"
        " (select s.v0 + i.k as a, i.k as b from t0 as i where i.k = s.k order by i.v0, i.k limit 1) as l"
    )
    rows = Insert("t0", ((1, 1), (None, 1), (None, None), (2, 0)))
    check(sql, (rows, tick(), rows, tick(), Delete("t0", "k", 1), tick()), databases, oracle_dsn)
