"""Struct columns of sources: composite types by their shape, read by field, kept and changed like any value."""

from __future__ import annotations

from tests.engine.engine import Engine

T = "create table t (id integer primary key, p struct<a integer, B varchar>, q struct<x double precision, y struct<z integer>>[])"
OTHER = "create table other (id integer primary key, p struct<a integer, b varchar>)"


def test_fields_are_read_grouped_and_compared(engine: Engine) -> None:
    engine.deploy_all(
        T,
        OTHER,
        "create materialized view fields as select id, (p).a as a, (t.p).b from t where (p).a > 0",
        "create materialized view groups as select (p).b as b, count(*) as n, sum((p).a) as s from t group by (p).b",
        "create materialized view whole as select p, count(*) as n from t group by p",
        "create materialized view first as select id, (q[1]).x as x, ((q[1]).y).z as z from t",
        "create materialized view pairs as select t.id, other.id as theirs from t join other on other.p = t.p",
        "create materialized view all_of_them as select p from t union all select p from other",
    )
    engine.write(
        "insert into t values (1, (1, 'x'), null), (2, (2, 'y'), array[(0.5, row(7))]::"
        'millstream_data."struct<x DOUBLE PRECISION, y struct<z INT>>"[]), (3, null, null)',
        "insert into other values (9, row(2, 'y'))",
    )
    assert engine.all("fields") == [(1, 1, "x"), (2, 2, "y")]
    assert engine.all("groups") == [("x", 1, 1), ("y", 1, 2), (None, 1, None)]
    assert engine.all("whole") == [("(1,x)", 1), ("(2,y)", 1), (None, 1)]
    assert engine.all("first") == [(1, None, None), (2, 0.5, 7), (3, None, None)]
    assert engine.all("pairs") == [(2, 9)]
    assert engine.all("all_of_them") == [("(1,x)",), ("(2,y)",), ("(2,y)",), (None,)]
    engine.write("update t set p = (2, 'y') where id = 1", "delete from t where id = 3")
    assert engine.all("groups") == [("y", 2, 4)]
    assert engine.all("whole") == [("(2,y)", 2)]
    assert engine.all("pairs") == [(1, 9), (2, 9)]


def test_a_struct_is_added_and_dropped_with_its_table(engine: Engine) -> None:
    engine.deploy("create table t (id integer primary key)")
    changed = "create table t (id integer primary key, p struct<a integer>[])"
    assert engine.deploy(changed).action == "replaced"
    assert engine.deploy(changed).action == "unchanged"
    engine.deploy("create materialized view v as select id, (p[1]).a as a from t")
    engine.write("""insert into t values (1, '{"(5)"}')""")
    assert engine.all("v") == [(1, 5)]
    engine.release()  # a worker has session tables with the type
    engine.drop("t", cascade=True)
    assert engine.value("select count(*) from pg_type where typname like 'struct%%'") == 0


def test_a_type_that_another_table_has_too_stays(engine: Engine) -> None:
    engine.deploy_all(T, OTHER)
    engine.drop("t")
    engine.write("insert into other values (1, (3, 'z'))")
    assert engine.all("other") == [(1, "(3,z)")]
