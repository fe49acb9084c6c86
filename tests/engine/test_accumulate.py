"""Sums that can be taken back exactly: floats in decimal, NaN and infinities counted apart."""

from __future__ import annotations

import math
import random
import re
from decimal import Decimal

import pytest

from tests.engine.engine import Engine

T = "create table t (k integer primary key, g varchar, x double precision)"
V = "create materialized view v as select g, count(x) as n, sum(x) as s, avg(x) as m from t group by g"
NAN, INF = math.nan, math.inf


def same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isnan(one) and math.isnan(other))


@pytest.fixture
def summed(engine: Engine) -> Engine:
    engine.deploy_all(T, V)
    return engine


def put(engine: Engine, values: dict[int, float | None]) -> None:
    with engine.client.cursor() as cursor:
        cursor.executemany("insert into t values (%s, 'a', %s)", list(values.items()))
    engine.tick()


def total(engine: Engine) -> tuple[int, float | None, float | None]:
    ((n, s, m),) = engine.rows("select n, s, m from v")
    return n, s, m


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, NAN], NAN),
        ([1.0, INF], INF),
        ([1.0, -INF], -INF),
        ([INF, -INF], NAN),
        ([INF, NAN, -INF], NAN),
        ([INF, INF], INF),
    ],
)
def test_what_is_not_a_number_can_be_taken_back(summed: Engine, values: list[float], expected: float) -> None:
    put(summed, {0: 0.5, **dict(enumerate(values, 1))})
    n, s, m = total(summed)
    assert n == len(values) + 1
    assert same(s, expected) and same(m, expected)
    summed.write("delete from t where k > 0")
    assert total(summed) == (1, 0.5, 0.5)


def test_one_of_two_that_are_not_numbers_leaves_the_other(summed: Engine) -> None:
    put(summed, {1: INF, 2: -INF, 3: NAN, 4: 2.0})
    summed.write("delete from t where k = 3")
    assert same(total(summed)[1], NAN)
    summed.write("delete from t where k = 1")
    assert total(summed)[1:] == (-INF, -INF)
    summed.write("update t set x = 1.0 where k = 2")
    assert total(summed) == (2, 3.0, 1.5)


def test_a_large_value_leaves_no_trace(summed: Engine) -> None:
    """In float arithmetic 1e16 + 1 - 1e16 is 0 or 2."""
    put(summed, {1: 1e16, 2: 1.0, 3: -3e300})
    summed.write("delete from t where k in (1, 3)")
    assert total(summed) == (1, 1.0, 1.0)


def test_a_thousand_decimal_steps_up_and_down_end_at_nothing(summed: Engine) -> None:
    numbers = random.Random(7).sample(range(1, 100_000), 1000)
    put(summed, {number: number / 1000 for number in numbers})
    exact = sum(Decimal(number) / 1000 for number in numbers)
    assert total(summed)[1] == float(exact)
    for keep in (500, 10):
        summed.write(f"delete from t where k in (select k from t order by k offset {keep})")
    summed.write("update t set x = 0.1")
    assert total(summed) == (10, 1.0, 0.1)
    summed.write("delete from t")
    assert summed.all("v") == []


def test_a_group_without_values_sums_to_null(summed: Engine) -> None:
    put(summed, {1: None, 2: None})
    assert total(summed) == (0, None, None)
    put(summed, {3: 2.0})
    assert total(summed) == (1, 2.0, 2.0)
    summed.write("delete from t where k = 3")
    assert total(summed) == (0, None, None)


def test_types_of_sums_and_averages_are_those_of_postgresql(engine: Engine) -> None:
    engine.deploy(
        "create table n (k integer primary key, i integer, b bigint, r real, d double precision, q numeric, gap interval)"
    )
    lists = ", ".join(f"sum({c}) as sum_{c}, avg({c}) as avg_{c}" for c in ("i", "b", "r", "d", "q"))
    engine.deploy(f"create materialized view v as select {lists}, count(i) as n from n")
    engine.write(
        "insert into n values (1, 1, 2, 0.5, 0.25, 1.10, '1 hour'), (2, 2, 3, 0.25, 0.5, 2.20, '2 hours')"
    )
    types = "select attname::text, format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass and attnum > 0"
    engine.execute(f"create view public.direct as select {lists}, count(i) as n from n")
    assert engine.rows(types, ["public.v"]) == engine.rows(types, ["public.direct"])
    assert engine.all("public.v") == engine.all("public.direct")


def test_what_is_not_a_number_can_be_taken_back_from_numeric(engine: Engine) -> None:
    engine.deploy_all(
        "create table n (k integer primary key, q numeric)",
        "create materialized view v as select sum(q) as s from n",
    )
    engine.write("insert into n values (1, 'NaN'), (2, 1.5), (3, 'Infinity')")
    assert str(engine.value("select s from v")) == "NaN"
    engine.write("delete from n where k in (1, 3)")
    assert engine.all("v") == [(Decimal("1.5"),)]


def test_intervals_are_added(engine: Engine) -> None:
    engine.deploy("create table n (k integer primary key, gap interval)")
    engine.deploy("create materialized view v as select sum(gap) as s, avg(gap) as m, count(gap) as n from n")
    engine.write("insert into n values (1, '1 hour'), (2, '1 month')")
    assert engine.rows("select s::text, n from v") == [("1 mon 01:00:00", 2)]
    engine.write("delete from n where k = 2")
    assert engine.rows("select s::text, m::text, n from v") == [("01:00:00", "01:00:00", 1)]


def test_reals_are_averaged_as_postgresql_does(engine: Engine) -> None:
    engine.deploy("create table n (k integer primary key, r real)")
    engine.deploy("create materialized view v as select avg(r) as m from n")
    engine.write("insert into n values (1, 0.1), (2, 0.2)")
    assert engine.value("select abs(v.m - d.m) < 1e-12 from v, (select avg(r) as m from n) as d")


def test_filters_of_aggregates_are_taken_back(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create materialized view v as select g, count(*) filter (where x > 1) as dear, sum(x) filter (where x <= 1) as cheap,"
        " count(*) as n from t group by g",
    )
    put(engine, {1: 0.5, 2: 2.0, 3: None})
    assert engine.all("v") == [("a", 1, 0.5, 3)]
    engine.write("update t set x = 3 where k = 1", "update t set x = 1 where k = 3")
    assert engine.all("v") == [("a", 2, 1.0, 3)]
    engine.write("delete from t where k = 3")
    assert engine.all("v") == [("a", 2, None, 2)]


def test_aggregates_that_count_the_same_share_what_is_stored(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create materialized view v as select g, count(*) as n, sum(x) as s, avg(x) as m, count(x) as c,"
        " sum(x) filter (where k > 1) as f from t group by g",
    )
    stored = engine.rows(
        "select attname from pg_attribute where attrelid = 'millstream_data.\"v@1\"'::regclass and attnum > 0"
    )
    counts = [name for (name,) in stored if re.fullmatch(r"(n|c\d)\$", name)]
    assert len(counts) == 3  # rows, x, x where k > 1
    put(engine, {1: 1.0, 2: None, 3: 4.0})
    assert engine.rows("select n, s, m, c, f from v") == [(3, 5.0, 2.5, 2, 4.0)]
    engine.write("delete from t where k = 3")
    assert engine.rows("select n, s, m, c, f from v") == [(2, 1.0, 1.0, 1, None)]
