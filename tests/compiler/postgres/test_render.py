"""Plans as PostgreSQL text, and that PostgreSQL reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from millstream.compiler.algebra.operators import Plan, Scan, Side, inputs, with_inputs
from millstream.compiler.postgres.names import quote, short
from millstream.compiler.postgres.render import render
from tests.compiler.catalogue import bound
from tests.compiler.golden import Case, each_case
from tests.databases import Databases
from tests.engine.stored import fill

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def filled(databases: Databases) -> Iterator[psycopg.Connection]:
    with databases.fresh() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection)
        yield connection


@each_case(HERE / "rendered.golden")
def test_the_text_of_a_plan(case: Case) -> None:
    case.check(render(bound(case.given)[0]))


@each_case(HERE / "rendered.golden")
def test_postgresql_gives_the_columns_of_the_plan(case: Case, filled: psycopg.Connection) -> None:
    plan, _, _ = bound(case.given)
    cursor = filled.execute(f"select * from ({render(plan)}) as s limit 0".encode())
    assert [column.name for column in cursor.description or ()] == [a.name for a in plan.columns]


@each_case(*sorted((HERE.parent / "binder").glob("plans*.golden")))
def test_postgresql_reads_every_construct(case: Case, filled: psycopg.Connection) -> None:
    """Each plan of the front's golden files runs on stored rows, except calls of Python functions."""
    plan, _, _ = bound(case.given)
    if "python" in case.title:
        with pytest.raises(TypeError, match="called by the worker"):
            render(plan)
        return
    filled.execute(f"select * from ({render(plan)}) as s".encode())


def sided(plan: Plan, side: Side) -> Plan:
    """The plan with every scan reading one image of its relation."""
    if isinstance(plan, Scan):
        return replace(plan, side=side)
    return with_inputs(plan, tuple(sided(child, side) for child in inputs(plan)))


def test_the_previous_rows_are_the_stored_ones_with_the_changes_undone(filled: psycopg.Connection) -> None:
    plan, _, _ = bound("select item_id, price from items")
    filled.execute("begin")
    filled.execute(
        "insert into pg_temp.d_items values ('a', 'tea', 3.0, 1), ('a', 'tea', 1.5, -1), ('z', 'tea', 9.0, -1), ('b', 'tea', 12.0, 1)"
    )
    rows = filled.execute(render(sided(plan, Side.PREVIOUS)).encode()).fetchall()
    filled.execute("rollback")
    assert sorted(rows) == [("a", 1.5), ("c", None), ("d", 1.0), ("z", 9.0)]


def test_division_by_zero_is_null(filled: psycopg.Connection) -> None:
    plan, _, _ = bound(
        "select item_id, price / (price - price) as x, 7 % (price - price)::integer as y from items"
    )
    rows = filled.execute(render(plan).encode()).fetchall()
    assert {row[1:] for row in rows} == {(None, None)}


def test_a_bad_cast_of_text_is_null(filled: psycopg.Connection) -> None:
    plan, _, _ = bound("select cast(item_id as integer) as n, cast('7' || '' as integer) as seven from items")
    assert {row[0] for row in filled.execute(render(plan).encode()).fetchall()} == {None}


def test_names_are_cut_to_63_bytes_and_stay_apart() -> None:
    long = "n" * 70
    assert short("events") == "events"
    assert len(short(long + "a").encode()) <= 63
    assert short(long + "a") != short(long + "b")
    assert quote('a"b') == '"a""b"'


def test_letters_beyond_ascii_are_counted_in_bytes() -> None:
    assert len(short("ü" * 40).encode()) <= 63
    assert short("ü" * 40 + "a") != short("ü" * 40 + "b")
