"""What a view cannot compute costs that value or that key, never the source row, another view, or another row."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.engine import Engine

KEYED = "create table t (k integer primary key, g integer, a integer)"
FIRST_WINS = f"{KEYED} on conflict do nothing"
BAG = "create table t (k integer, g integer, a integer)"
BIG = 2_000_000_000  # twice this leaves the range of integer


def put(engine: Engine, *rows: tuple[int, int, int]) -> None:
    with engine.client.cursor() as cursor:
        cursor.executemany("insert into t values (%s, %s, %s)", rows)


def failures(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select model, expression, message from millstream.evaluation_errors order by 1, 2")


def dead_keys(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select node, key, error from millstream.dead_key order by 1, 2")


def suspended(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select state from millstream.suspended order by 1")


@pytest.mark.parametrize("table", [KEYED, FIRST_WINS, BAG], ids=["last wins", "first wins", "bag"])
def test_a_value_that_cannot_be_computed_is_null(table: str, engine: Engine) -> None:
    engine.deploy_all(table, "create materialized view doubled as select k, a * 2 as x from t")
    put(engine, *((k, 0, BIG if k in {3, 17, 18} else k) for k in range(1, 21)))
    assert engine.tick().rows == 20
    assert len(engine.all("t")) == 20
    assert dict(engine.all("doubled")) == {k: None if k in {3, 17, 18} else 2 * k for k in range(1, 21)}
    assert failures(engine) == [("doubled", "a * 2", "integer out of range")]
    assert engine.rows("select last_sample from millstream.evaluation_errors") == [({"a": str(BIG)},)]
    put(engine, (30, 0, 1))
    engine.tick()
    engine.write("delete from t where k in (3, 30)")
    assert len(engine.all("doubled")) == 19


def test_its_row_goes_as_it_came(engine: Engine) -> None:
    engine.deploy_all(
        KEYED,
        "create materialized view doubled as select k, g, a * 2 as x from t",
        "create materialized view counts as select g, count(*) as n, count(x) as known, sum(x) as s from doubled group by g",
    )
    put(engine, (1, 1, 5), (2, 1, BIG), (3, 1, BIG))
    engine.tick()
    assert engine.all("counts") == [(1, 3, 1, 10)]
    engine.release()  # another worker, which has not seen them fail
    engine.write("delete from t where k = 2")
    assert engine.all("counts") == [(1, 2, 1, 10)]
    engine.write("update t set a = 7 where k = 3")
    assert engine.all("counts") == [(1, 2, 2, 24)]
    engine.release()
    engine.write(f"update t set a = {BIG} where k = 1")
    assert engine.all("counts") == [(1, 2, 1, 14)]


def test_a_sum_that_leaves_its_type_is_null_until_it_fits_again(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, b bigint, x double precision, i interval)",
        "create materialized view v as select sum(b / 1) as s, sum(x) as d, avg(x) as m, sum(i) as i, count(*) as n from t",
        "create materialized view w as select cast(sum(b) as bigint) as s from t",
    )
    top = 9_000_000_000_000_000_000
    engine.write(f"insert into t values (1, {top}, 1e308, '170000000 years')")
    engine.write(f"insert into t values (2, {top}, 1e308, '170000000 years')")
    assert engine.rows("select d, i, n from v") == [(None, None, 2)]
    assert engine.all("w") == [(None,)]
    engine.write("delete from t where k = 1")
    assert engine.rows("select d, m, i::text, n from v") == [(1e308, 1e308, "170000000 years", 1)]
    assert engine.all("w") == [(top,)]


def test_a_key_that_cannot_be_computed_has_no_rows_and_comes_back(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, g integer, x double precision)",
        "create materialized view spread as select g, stddev_pop(x) as s, max(k) as m from t group by g",
        "create materialized view ranked as select k, stddev_pop(x) over (partition by g) as s from t",
        "create materialized view above as select g, m from spread",
    )
    engine.write("insert into t values (1, 1, 1), (2, 2, 1)")
    assert engine.all("above") == [(1, 1), (2, 2)]
    engine.write("insert into t values (3, 1, 1), (12, 2, 1e300), (13, 2, -1e300)")
    assert engine.all("above") == [(1, 3)]
    assert [row[0] for row in engine.all("ranked")] == [1, 3]
    error = "value out of range: overflow"
    assert dead_keys(engine) == [("ranked@1", ["2"], error), ("spread@1", ["2"], error)]
    engine.write("insert into t values (4, 3, 1)")
    assert engine.all("above") == [(1, 3), (3, 4)]
    engine.release()
    engine.write("insert into t values (5, 2, 1)")
    assert engine.all("above") == [(1, 3), (3, 4)]
    assert engine.rows("select distinct failures from millstream.dead_key") == [(2,)]
    engine.write("delete from t where k > 5")
    assert engine.all("above") == [(1, 3), (2, 5), (3, 4)]
    assert [row[0] for row in engine.all("ranked")] == [1, 2, 3, 4, 5]
    assert dead_keys(engine) == []


def test_json_that_is_nested_too_deeply_stops_nothing(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, payload varchar)",
        "create materialized view fields as select k, payload::jsonb ->> 'a' as a from t",
    )
    deep = "[" * 200_000 + "]" * 200_000
    with engine.client.cursor() as cursor:
        cursor.executemany("insert into t values (%s, %s)", [(1, '{"a": "x"}'), (2, deep), (3, '{"a": "y"}')])
    engine.tick()
    assert engine.all("fields") == [(1, "x"), (2, None), (3, "y")]
    assert len(engine.all("t")) == 3


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (
            [
                "create materialized view totals as select g, sum(a) as s from t group by g",
                "create materialized view v as select g, s * 5000000000 as x from totals",
            ],
            [(1, 5_000_000_000), (2, None), (3, 15_000_000_000)],
        ),
        (
            ["create materialized view v as select g, max(a * 2) as x from t group by g"],
            [(1, 2), (2, 4), (3, 6)],
        ),
        (
            [
                "create materialized view v as select l.k, l.a + r.a as x from t as l join t as r on r.g = l.g and r.k = l.k"
            ],
            [(1, 2), (2, 2), (3, None), (4, 4), (5, 6)],
        ),
        (
            [
                "create view plain as select k, g, a * 2 as b from t",
                "create materialized view v as select k, row_number() over (partition by g order by b, k) as n from plain",
            ],
            [(1, 1), (2, 1), (3, 3), (4, 2), (5, 1)],
        ),
        (
            [
                "create materialized view v as select k, case when a * 2 > 3 then 'much' else 'little' end as x from t"
            ],
            [(1, "little"), (2, "little"), (3, "little"), (4, "much"), (5, "much")],
        ),
    ],
    ids=["above an aggregate", "below an aggregate", "in a join", "in an order", "in a condition"],
)
def test_it_is_null_wherever_it_is_computed(views: list[str], expected: list[Any], engine: Engine) -> None:
    engine.deploy_all(BAG, *views)
    put(engine, (1, 1, 1), (2, 2, 1), (3, 2, BIG), (4, 2, 2), (5, 3, 3))
    engine.tick()
    assert engine.all("v") == expected
    engine.deploy(views[-1].replace("view v as", "view w as"))
    assert engine.all("w") == expected
    assert dead_keys(engine) == suspended(engine) == []


def test_a_bad_row_of_a_small_table_costs_nobody_an_event(engine: Engine) -> None:
    engine.deploy_all(
        "create table events (id integer primary key, item varchar, x double precision)",
        "create table weights (item varchar primary key, w double precision)",
        "create materialized view v as select e.id, e.x * w.w * w.w as score from events as e join weights as w on w.item = e.item",
    )
    engine.write("insert into weights values ('a', 1e308), ('b', 2)")
    engine.write(
        "insert into events select n, case n % 2 when 0 then 'a' else 'b' end, 1 from generate_series(1, 200) as n"
    )
    assert len(engine.all("events")) == 200
    assert engine.value("select count(score) from v") == 100
    engine.write("update weights set w = 3 where item = 'a'")
    assert engine.value("select count(score) from v") == 200


def test_five_hundred_bad_rows_make_one_tick_run_twice(engine: Engine) -> None:
    engine.deploy_all(
        BAG,
        "create materialized view v as select k, a * 2 as x from t",
        "create materialized view lists as select g, string_agg(cast(a * 2 as varchar), ',' order by k) as l from t group by g",
    )
    engine.execute(
        f"insert into t select n, n, case when n <= 500 then {BIG} else n end from generate_series(1, 1000) as n"
    )
    before = engine.value("select tick from millstream.clock")
    assert engine.tick().rows == 1000
    assert engine.value("select tick from millstream.clock") == before + 1
    assert engine.value("select count(x) from v") == engine.value("select count(l) from lists") == 500


def test_a_view_that_cannot_run_is_suspended_and_the_others_go_on(engine: Engine) -> None:
    engine.deploy_all(
        BAG,
        "create materialized view doubled as select k, a * 2 as x from t",
        "create materialized view broken as select k, lower(cast(a as varchar)) as x from t",
        "create materialized view above as select count(*) as n from broken",
    )
    put(engine, (1, 1, 1))
    engine.tick()
    engine.owner.execute('alter table millstream_data."broken@1" rename column x to y')
    put(engine, (2, 2, 2))
    engine.tick()
    assert engine.all("doubled") == [(1, 2), (2, 4)]
    assert suspended(engine) == [("broken@1",)]
    assert "does not exist" in engine.value("select error from millstream.suspended")
    put(engine, (3, 3, 3))
    engine.tick()
    assert (len(engine.all("doubled")), engine.all("above")) == (3, [(1,)])
    engine.release()
    put(engine, (4, 3, 3))
    engine.tick()
    engine.deploy(
        "create materialized view broken as select k, lower(cast(a as varchar)) as x from t", force=True
    )
    put(engine, (5, 3, 3))
    engine.tick()
    assert (len(engine.all("broken")), engine.all("above"), suspended(engine)) == (5, [(5,)], [])


def test_a_server_that_fails_is_nobodys_fault(engine: Engine) -> None:
    engine.deploy_all(BAG, "create materialized view v as select k from t")
    put(engine, (1, 1, 1))
    engine.tick()
    engine.worker.conn.execute("set statement_timeout = '1ms'")
    put(engine, *((k, 1, 1) for k in range(900)))
    import psycopg

    with pytest.raises(psycopg.errors.QueryCanceled):
        engine.tick()
    engine.worker.conn.execute("set statement_timeout = 0")
    engine.tick()
    assert (len(engine.all("v")), suspended(engine)) == (901, [])
