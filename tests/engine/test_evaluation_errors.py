"""What a value makes fail gives NULL for that operation alone, and is counted in millstream.evaluation_errors."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlglot import parse_one

from millstream.compiler.algebra.fallible import note_text
from millstream.compiler.dialect import DIALECT
from millstream.compiler.postgres.scalar import scalar
from millstream.engine.inspect import status
from tests.engine.engine import Engine, minute

T = (
    "create table t (k integer primary key, raw varchar, a integer, b integer, d double precision, n numeric,"
    " j jsonb, texts varchar[])"
)
GOOD = "(1, '12', 6, 4, 0.25, 9.5, '{\"x\": 5, \"ok\": true, \"y\": [1]}', '{1,2}')"
NOTHING = "(2, null, null, null, null, null, null, null)"

# expression, its value for the good row, a row (k = 3) that makes it fail, and the message
FAILURES: dict[str, tuple[str, str, str]] = {
    "cast(raw as integer)": ("12", "raw = 'a12'", "not a value of type int"),
    "raw::jsonb": ("12", "raw = '{'", "not a value of type jsonb"),
    "upper(raw)::double precision": ("12", "raw = 'x'", "not a value of type double precision"),
    "('20' || raw || '-01-01')::date": ("2012-01-01", "raw = 'year'", "not a value of type date"),
    "cast(a as smallint)": ("6", "a = 32768", "not a value of type smallint"),
    "cast(d * 10 as integer)": ("2", "d = 1e9", "not a value of type int"),
    "cast(d as bigint)": ("0", "d = 'NaN'", "not a value of type bigint"),
    "cast(n as integer)": ("10", "n = 2147483647.5", "not a value of type int"),
    "cast(n as numeric(3, 1))": ("9.5", "n = 123", "not a value of type decimal(3, 1)"),
    "cast(j -> 'x' as integer)": ("5", 'j = \'{"x": "five"}\'', "not a value of type int"),
    "cast(j -> 'ok' as boolean)": ("true", "j = '{\"ok\": 1}'", "not a value of type boolean"),
    "cast(texts as integer[])": ("{1,2}", "texts = '{1,b}'", "not a value of type int[]"),
    "a / b": ("1", "a = 1, b = 0", "division by zero"),
    "d / b": ("0.0625", "d = 1, b = 0", "division by zero"),
    "mod(a, b)": ("2", "a = 1, b = 0", "division by zero"),
    "sqrt(d)": ("0.5", "d = -1", "square root of a negative number"),
    "ln(d * 4)": ("0", "d = 0", "logarithm of a number that is not positive"),
    "log(2, n - 1.5)": ("3.0000000000000000", "n = 1", "logarithm of a number that is not positive"),
    "power(d, 0.5)": (
        "0.5",
        "d = -1",
        "zero to a negative power, or a negative number to a fractional one",
    ),
    "exp(d - 0.25)": ("1", "d = -10000", "exponential out of range"),
    "asin(d - 0.25)": ("0", "d = 2", "argument outside -1 to 1"),
    "to_date(raw, 'YY')": ("2012-01-01", "raw = 'ab'", "text that does not have this format"),
    "to_timestamp(raw, 'YY')": (
        "2012-01-01 00:00:00+00",
        "raw = 'ab'",
        "text that does not have this format",
    ),
    "decode(raw, 'hex')": ("\\x12", "raw = 'zz'", "text that cannot be decoded"),
    "make_date(2000 + a, a, a)": ("2006-06-06", "a = 13", "a value that the function does not take"),
    "jsonb_array_length(j -> 'y')": ("1", "j = '{\"y\": 1}'", "a value that the function does not take"),
}


def errors(engine: Engine, columns: str = "model, expression, message, count") -> list[tuple[Any, ...]]:
    return engine.rows(f"select {columns} from millstream.evaluation_errors order by model, expression")


def counted(engine: Engine, message: str) -> int:
    """How many failures there were with a message."""
    found = engine.value("select sum(count) from millstream.evaluation_errors where message = %s", [message])
    return int(found or 0)


def test_each_operation_gives_null_for_the_bad_value_and_is_counted(engine: Engine) -> None:
    """All in one view, so that one failure leaves the others alone; each expression has a bad row of its own."""
    names = {expression: f"c{number}" for number, expression in enumerate(FAILURES)}
    items = ", ".join(f"{expression} as {name}" for expression, name in names.items())
    engine.deploy_all(T, f"create materialized view m as select k, {items} from t")
    engine.execute("set datestyle to iso")
    engine.write(f"insert into t values {GOOD}, {NOTHING}")
    texts = ", ".join(f"{name}::text" for name in names.values())
    (good, empty) = engine.rows(f"select {texts} from m order by k")
    assert dict(zip(FAILURES, good, strict=True)) == {e: expected for e, (expected, _, _) in FAILURES.items()}
    assert set(empty) == {None}
    assert errors(engine) == []
    for number, (expression, (_, bad, message)) in enumerate(FAILURES.items(), 3):
        before = counted(engine, message)
        engine.write(f"insert into t (k) values ({number})")
        engine.write(f"update t set {bad} where k = {number}")
        assert engine.value(f"select {names[expression]} from m where k = {number}") is None, expression
        assert counted(engine, message) > before, expression
    assert engine.value("select count(*) from millstream.dead_row") == 0


def test_only_the_failing_operation_is_null(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view m as select k, coalesce(raw::integer, -1) + a as x from t")
    engine.write("insert into t (k, raw, a) values (1, 'bad', 10), (2, '5', 10)")
    assert engine.all("m") == [(1, 9), (2, 15)]


def test_the_view_names_model_expression_and_the_last_inputs(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view rates as select k, a / b as rate from t")
    engine.write("insert into t (k, a, b) values (1, 7, 0), (2, 8, 2)")
    engine.write("insert into t (k, a, b) values (3, 9, 0)")
    ((model, expression, message, count, sample, ordered),) = errors(
        engine, "model, expression, message, count, last_sample, first_seen < last_seen"
    )
    assert (model, expression, message, count) == ("rates", "a / b", "division by zero", 2)
    assert sample == {"a": 9, "b": 0}
    assert ordered
    assert status.read(engine.owner)["evaluation_errors"] == 2


def test_a_value_read_by_several_accumulators_is_counted_once(engine: Engine) -> None:
    engine.deploy_all(
        T, "create materialized view m as select b, sum(raw::double precision) as s from t group by b"
    )
    engine.write("insert into t (k, raw, b) values (1, 'x', 1), (2, '2.5', 1)")
    assert engine.all("m") == [(1, 2.5)]
    assert errors(engine, "count") == [(1,)]


def test_operations_within_operations_are_computed_and_counted_once(engine: Engine) -> None:
    nested = "d"
    for _ in range(8):
        nested = f"power(ln(1.0 / (2 + {nested}) + 3), 1.5)"
    written = parse_one(nested, dialect=DIALECT)
    note_text(written)
    assert len(scalar(written)) < 10_000
    engine.deploy_all(
        T,
        f"create materialized view m as select k, {nested} as deep, sqrt(a / (b / (d / n))) as root,"
        " case when n <> 0 then d / (a - (a / n)) end as lazy from t",
    )
    engine.write("insert into t (k, a, b, d, n) values (1, 8, 4, 1, 2), (2, 8, 4, 1, 0), (3, 8, 0, 1, 2)")
    rows = engine.rows("select k, round(root::numeric, 6), lazy, deep > 0 from m order by k")
    assert rows == [(1, Decimal("1.0"), 0.25, True), (2, None, None, True), (3, None, 0.25, True)]
    expected = [("a / (b / (d / n))", 1), ("d / n", 1)]
    assert errors(engine, "expression, count") == expected


def test_constants_that_fail_are_null_too(engine: Engine) -> None:
    """PostgreSQL computes what is constant, or becomes so when it merges subqueries, before it runs anything."""
    engine.deploy_all(
        T,
        "create materialized view m as select k, coalesce(1 / 0, 5) as five, coalesce(1 / n, 6) as six,"
        " coalesce(sqrt(n - 1.5), 7) as seven, coalesce(a / n, 8) as eight from (select k, a, 0 as n from t) as s",
    )
    engine.write("insert into t (k, a) values (1, 1)")
    assert engine.all("m") == [(1, 5, 6, 7, 8)]
    engine.deploy("create materialized view built as select k, coalesce(1 / 0, 5) as five from t")
    assert engine.all("built") == [(1, 5)]


def test_a_value_read_by_several_columns_is_computed_and_counted_once(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create materialized view m as with bodies as (select k, cast(raw as jsonb) as body from t), "
        "fields as (select k, body, body ->> 'a' as a_text, cast(body ->> 'a' as integer) as a from bodies) "
        "select k, a, a + 1 as next, body is null as bad, case when a is null then a_text end as wrong from fields",
    )
    engine.write("""insert into t (k, raw) values (1, '{'), (2, '{"a": 4}'), (3, '{"a": "x"}')""")
    assert engine.all("m") == [
        (1, None, None, True, None),
        (2, 4, 5, False, None),
        (3, None, None, False, "x"),
    ]
    assert errors(engine, "message, count") == [
        ("not a value of type int", 1),
        ("not a value of type jsonb", 1),
    ]


@pytest.mark.parametrize(
    "query",
    [
        "select k from t where raw::integer > 3",
        "select b, sum(a) / count(raw) as x from t group by b having sum(a) / count(raw) > 0",
        "select t.k from t join u on u.k = cast(t.raw as integer)",
        "select k, a from (select k, a, row_number() over (partition by b order by raw::integer, k) as rn from t) as r where rn <= 2",
        "select t.k, e.x from t cross join unnest(cast(t.texts as integer[])) as e(x)",
        "select b, max(a / b) as m, array_agg(a % b order by k) as r from t group by b",
        "select k, raw from t where to_timestamp(raw, 'YYYY') > now() - interval '1 year'",
    ],
    ids=["where", "having", "join", "top-n", "unnest", "aggregate", "time filter"],
)
def test_a_bad_value_never_stops_a_tick_wherever_it_stands(query: str, engine: Engine) -> None:
    engine.deploy_all(T, "create table u (k integer primary key)", f"create materialized view m as {query}")
    rows = "(1, 'x', 5, 0, '{1,q}'), (2, '7', 5, 1, '{3}'), (3, null, null, null, null), (4, '2', 6, 0, null)"
    engine.execute("insert into u values (7)")
    engine.execute(f"insert into t (k, raw, a, b, texts) values {rows}")
    assert engine.tick(minute(0)).rows == 5
    engine.execute("update t set raw = 'y', texts = '{z}' where k = 2")
    engine.tick(minute(1))
    ticked = engine.all("m")
    engine.deploy(f"create materialized view built as {query}")
    assert engine.all("built") == ticked
    assert {row[0] for row in errors(engine, "model")} == {"m", "built"}
    engine.write("delete from t")
    assert engine.value("select count(*) from m") == 0
    assert engine.value("select count(*) from millstream.dead_row") == 0


def test_a_rebuild_counts_from_nothing(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view m as select k, raw::integer as x from t")
    engine.write("insert into t (k, raw) select n, 'bad' from generate_series(1, 20) as n")
    assert errors(engine, "model, count") == [("m", 20)]
    engine.deploy("create materialized view m as select k, raw::integer as x, a from t")
    assert errors(engine, "model, count") == [("m", 20)]
    engine.deploy("create materialized view m as select k, raw as x from t")
    assert errors(engine) == []
    assert engine.value("select count(*) from millstream.evaluation_error") == 0


def test_many_failures_leave_nothing_to_pass_over(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view m as select k, raw::integer as x from t")
    engine.write("insert into t (k, raw) select n, 'bad' from generate_series(1, 1001) as n")
    engine.tick()
    assert engine.value("select sum(count) from millstream.evaluation_errors") == 1001
    assert engine.value("select pg_relation_size('millstream.evaluation_failure')") in (0, 8192)


def test_a_tick_that_is_undone_counts_nothing(engine: Engine) -> None:
    """What fails beyond the guards has the tick run again; the others are counted once."""
    engine.deploy_all(T, "create materialized view m as select k, a + 1 as x, raw::integer as y from t")
    engine.write("insert into t (k, a, raw) values (1, 1, 'bad'), (2, 2147483647, '1'), (3, 3, 'bad')")
    assert engine.all("m") == [(1, 2, None), (2, None, 1), (3, 4, None)]
    assert sorted(errors(engine, "expression, count")) == [("CAST(raw AS INT)", 2), ("a + 1", 1)]


def test_a_long_input_is_cut(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view m as select k, raw::integer as x from t")
    engine.execute(
        "insert into t (k, raw) select 1, string_agg(md5(n::text), '') from generate_series(1, 500) as n"
    )
    engine.tick()
    assert engine.value("select length(last_sample #>> '{}') from millstream.evaluation_errors") == 500


def test_readers_and_writers_see_no_inputs(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view m as select k, raw::integer as x from t")
    engine.execute("create role nobody_special")
    try:
        rights = engine.value(
            "select has_table_privilege('nobody_special', 'millstream.evaluation_errors', 'select')"
        )
    finally:
        engine.execute("drop role nobody_special")
    assert rights is False
