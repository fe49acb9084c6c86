"""Which rows are the same row, asked of PostgreSQL for values of every kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import psycopg
import pytest

from millstream.compiler.postgres.identity import STRICT, differ, image, is_strict, named, same

TWINS = {  # of each loose type: values that are equal, no two of them the same
    "numeric": ("1.5", "1.50", "1.500"),
    "double precision": ("0", "-0"),
    "real": ("0", "-0"),
    "interval": ("30 days", "1 month", "720 hours", "29 days 24 hours"),
    "jsonb": ('{"w": [2]}', '{"w": [2.0]}', '{"w": [2.00]}'),
    "numeric[]": ("{1.5,NULL}", "{1.50,NULL}"),
    "double precision[]": ("{{0,1}}", "{{-0,1}}"),
    "interval[]": ("{1 day}", "{24:00:00}"),
    "jsonb[]": ("{1}", "{1.0}"),
    "bpchar": ("ab", "ab  "),
    "pair": ('(1.5,"1 day")', '(1.50,"1 day")', '(1.5,"24:00:00")'),
    "pair[]": ('{"(1.5,)"}', '{"(1.50,)"}'),
    "numrange": ("[1.0,2]", "[1,2]"),
    "price": ("1.5", "1.50"),
}
APART = {  # of each strict type: values that look alike
    "boolean": ("true", "false"),
    "smallint": ("1", "2"),
    "integer": ("1", "2"),
    "bigint": ("1", "2"),
    "oid": ("1", "2"),
    "text": ("a", "a ", "A", "\u00e9", "e\u0301", ""),
    "character varying": ("a", "a ", "A", "\u00e9", "e\u0301", ""),
    "name": ("a", "A"),
    "bytea": ("\\x61", "\\x6100", "\\x"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12"),
    "date": ("2030-01-31", "infinity", "0001-01-01 BC"),
    "time without time zone": ("12:00", "24:00", "00:00"),
    "time with time zone": ("12:00+00", "13:00+01", "24:00+00", "00:00+00"),
    "timestamp without time zone": ("2030-01-31 12:00", "infinity"),
    "timestamp with time zone": ("2030-01-31 12:00+00", "2030-01-31 13:00+02"),
    "text[]": ("{a,b}", "{{a,b}}", "[0:1]={a,b}", "{a,NULL}", "{}"),
    "integer[]": ("{1,2}", "[0:1]={1,2}", "{1,2,NULL}"),
}
MADE = "create type pair as (n numeric, i interval); create domain price as numeric"


@pytest.fixture
def postgres(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(MADE)
        connection.execute("set extra_float_digits = 1")
        connection.execute("set timezone = 'UTC'")
        yield connection


def ask(postgres: psycopg.Connection, type_: str, one: str | None, other: str | None) -> tuple[bool, ...]:
    """Whether two values are equal, the same, not the same, and one group by their image."""
    columns = [("a", "integer"), ("x", type_)]
    grouped = f"(select count(*) from (select from (table l union all table r) as s group by {', '.join(image(columns))}) as g) = 1"
    row = postgres.execute(
        f"with l as (select 1 as a, %s::{type_} as x), r as (select 1 as a, %s::{type_} as x) "
        f"select l.x is not distinct from r.x, {same(columns, 'l', 'r')}, {differ(columns, 'l', 'r')}, {grouped} "
        "from l, r".encode(),
        [one, other],
    ).fetchone()
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize("type_", TWINS)
def test_equal_values_that_are_not_the_same_are_told_apart(type_: str, postgres: psycopg.Connection) -> None:
    for one, other in combinations(TWINS[type_], 2):
        assert ask(postgres, type_, one, other) == (True, False, True, False), (one, other)
    assert not is_strict(type_)


@pytest.mark.parametrize("type_", [*TWINS, *APART])
def test_a_value_is_the_same_as_itself_and_not_as_null(type_: str, postgres: psycopg.Connection) -> None:
    values: Sequence[str | None] = (*{**TWINS, **APART}[type_], None)
    for one in values:
        assert ask(postgres, type_, one, one) == (True, True, False, True), one
    assert ask(postgres, type_, values[0], None) == (False, False, True, False)


@pytest.mark.parametrize("type_", APART)
def test_values_of_a_strict_type_are_the_same_where_they_are_equal(
    type_: str, postgres: psycopg.Connection
) -> None:
    assert is_strict(type_)
    for one, other in combinations(APART[type_], 2):
        assert ask(postgres, type_, one, other) == (False, False, True, False), (one, other)


def test_every_strict_type_is_tried() -> None:
    assert {type_.removesuffix("[]") for type_ in APART} == STRICT


def test_what_is_not_a_number_is_the_same_however_it_was_computed(postgres: psycopg.Connection) -> None:
    columns = [("x", "double precision")]
    row = postgres.execute(
        "with l as (select 'NaN'::float8 as x), r as (select 'inf'::float8 - x as x from (values ('inf'::float8)) as v(x)) "
        f"select {same(columns, 'l', 'r')} from l, r".encode()
    ).fetchone()
    assert row == (True,)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("VARCHAR", "character varying"),
        ("character varying(20)", "character varying"),
        ("INT[]", "integer[]"),
        ("DECIMAL(10, 2)", "numeric"),
        ("numeric(10,-2)[]", "numeric[]"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("TIMESTAMPTZ", "timestamp with time zone"),
        ("CHAR(5)", "character"),
        ("DOUBLE PRECISION", "double precision"),
        ("", ""),
    ],
)
def test_a_type_has_one_name_however_it_is_declared(declared: str, name: str) -> None:
    assert named(declared) == name


def test_strict_columns_are_compared_as_they_are_and_nothing_is_no_difference() -> None:
    columns = [("a", "integer"), ("b", "text")]
    assert differ(columns, "l", "r") == "ROW(l.a, l.b) IS DISTINCT FROM ROW(r.a, r.b)"
    assert image(columns, "l") == ["l.a", "l.b"]
    assert (same([], "l", "r"), differ([], "l", "r")) == ("true", "false")
