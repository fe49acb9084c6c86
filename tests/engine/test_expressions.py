"""Several hundred expressions through a view: value and type are PostgreSQL's, when it is built and whenever a row changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from millstream.compiler.algebra.fallible import is_fallible
from millstream.compiler.syntax.aggregate_calls import has_aggregates
from millstream.compiler.syntax.set_calls import is_set
from millstream.errors import Refused
from tests.compiler.dialect.postgres import COLUMN_TYPES, read
from tests.databases import Databases
from tests.engine.engine import Engine

EXPRESSIONS = (
    (Path(__file__).parents[1] / "compiler" / "dialect" / "expressions.txt").read_text().splitlines()
)
COLUMNS = """
k integer primary key, i2 smallint, i4 integer, i8 bigint, n numeric, f4 real, f8 double precision, b boolean, s varchar,
tx text, by bytea, d date, ti time, ts timestamp, tz timestamptz, iv interval, js jsonb, ai integer[], at varchar[],
af double precision[], unit varchar, fmt varchar, zone varchar, pat varchar
"""
ROWS = (
    r"""(0, 1, 2, 3, 1.50, 0.5, 0.25, true, 'abc', 'a,b', '\x616263', '2024-05-17', '10:20:30', '2024-05-17 10:20:30.5',
    '2024-05-17 10:20:30+00', '1 day 02:00', '{"a": {"b": 1}, "c": [1, 2, 3]}', '{1,2,3}', '{a,b}', '{1.5,2.5}', 'month',
    'YYYY-MM-DD', 'Europe/Berlin', 'b')""",
    r"""(1, -1, -7, 9000000000, -2.505, -1.5, -0.0, false, '2024-02-29', 'Ä''x', '\x00ff00ff', '2000-02-29', '23:59:59.999',
    '1999-12-31 23:59:59', '1970-01-01 00:00:00+00', '-1 mon 3 days', '[1, "x", null]', '{}', '{}', '{}', 'day', 'hex',
    'Asia/Tokyo', '')""",
    r"""(2, 0, 10, 0, 0, 0, 'NaN', null, '', '%_x', '', '1970-01-01', '00:00', '2024-01-01 00:00:00',
    '2038-01-19 03:14:07+00', '0', '"s"', '{3,null,1,3}', '{null,x,""}', '{NaN}', 'week', 'base64', 'UTC', 'a|b')""",
    f"(3, {', '.join(['null'] * 23)})",
    r"""(4, 2, 3, 5, 12.5, 2.25, 0.5, true, '12', '7', '\x31', '2024-12-31', '12:00', '2024-03-31 02:30:00',
    '2024-03-31 01:30:00+00', '100 years', 'null', '{7}', '{12}', '{0.1}', 'hour', 'FM99', 'US/Pacific', '1')""",
)
STEPS = (
    ("insert into {} values " + ROWS[3], "insert into {} values " + ROWS[4]),
    (
        "update {} set s = 'zz', i4 = 5, f8 = 1, ts = ts + interval '1 day', unit = 'year', zone = 'UTC' where k = 0",
        """update {} set js = '{"a": 5}', at = '{q}', fmt = 'YYYY', pat = 'q' where k = 4""",
    ),
    ("delete from {} where k in (1, 2)",),
)
IN_A_VIEW = 40
ON_A_VALUE = (
    psycopg.errors.DataError,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.SyntaxError,
    psycopg.errors.UndefinedObject,
)
REFUSED = {"MS003", "MS010", "MS013", "MS014", "MS020", "MS021", "MS024"}


class Oracle:
    """PostgreSQL's answers over the same rows."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute("create schema oracle")
        self.connection.execute(f"create table oracle.t ({COLUMNS})".encode())

    def type_of(self, expression: str) -> str:
        """The type of a column with an expression."""
        self.connection.execute(
            f"drop view if exists v; create temp view v as select {expression} as x from oracle.t as t".encode()
        )
        return self.column_type("v", "x")

    def column_type(self, view: str, column: str) -> str:
        """The type of a column of a view."""
        row = self.connection.execute(
            "select format_type(atttypid, null) from pg_attribute where attrelid = %s::regclass and attname = %s",
            [view, column],
        ).fetchone()
        assert row is not None, (view, column)
        return str(row[0])

    def values(self, expressions: Sequence[str]) -> dict[int, list[str | None]]:
        """The values of expressions in each row as text; None where PostgreSQL cannot compute one."""
        keys = [row[0] for row in self.connection.execute("select k from oracle.t order by k").fetchall()]
        return {key: [self.value(each, key) for each in expressions] for key in keys}

    def value(self, expression: str, key: int) -> str | None:
        """The value of an expression in a row."""
        try:
            row = self.connection.execute(
                f"select ({expression})::text from oracle.t as t where k = {key}".encode()
            ).fetchone()
        except ON_A_VALUE:
            return None
        return row[0] if row else None

    def fails(self, expression: str) -> bool:
        """Tell whether PostgreSQL cannot compute an expression in one of the rows."""
        try:
            self.connection.execute(f"select ({expression})::text from oracle.t as t".encode())
        except ON_A_VALUE:
            return True
        return False


@pytest.fixture(scope="module")
def engine_and_oracle(databases: Databases, on_event_clock: str) -> Iterator[tuple[Engine, Oracle]]:
    """An engine and the same table beside it."""
    name = databases.create(template=on_event_clock)
    dsn = databases.dsn(name)
    with Engine(dsn) as engine:
        oracle = Oracle(dsn)
        engine.deploy(f"create table t ({COLUMNS})")
        yield engine, oracle
        oracle.connection.close()
    databases.drop(name)


def deterministic(oracle: Oracle, every: Sequence[str]) -> list[str]:
    """The expressions that a view computes row by row, without those that fail on a value and are not guarded.

    What fails otherwise (a negative length, an unknown encoding) is in test_evaluation_errors.
    """
    found = []
    for expression in every:
        tree = read(expression)
        windowed = "over (" in expression or "within group" in expression
        if (
            windowed
            or has_aggregates(tree)
            or oracle.type_of(expression).removesuffix("[]") not in COLUMN_TYPES
        ):
            continue
        if any(is_set(node) for node in tree.walk()):  # of which a row has none, or many
            continue
        if any(is_fallible(node) for node in tree.walk()) or not oracle.fails(expression):
            found.append(expression)
    return found


def test_values_and_types_are_postgresqls(engine_and_oracle: tuple[Engine, Oracle]) -> None:
    engine, oracle = engine_and_oracle
    for row in ROWS:
        oracle.connection.execute(f"insert into oracle.t values {row}".encode())
    candidates = deterministic(oracle, EXPRESSIONS)
    oracle.connection.execute("delete from oracle.t where k > 2")
    for row in ROWS[:3]:
        engine.execute(f"insert into t values {row}")
    engine.tick()
    views = deployed(engine, candidates)
    checked = [expression for expressions in views.values() for expression in expressions]
    assert len(checked) > 600
    wrong = []
    for view, expressions in views.items():
        for number, expression in enumerate(expressions):
            got, wanted = oracle.column_type(f"public.{view}", f"c{number}"), oracle.type_of(expression)
            if got != wanted:
                wrong.append((expression, got, wanted))
    assert wrong == []
    compare(engine, oracle, views)
    for statements in STEPS:
        for statement in statements:
            engine.execute(statement.replace("{}", "public.t", 1))
            oracle.connection.execute(statement.replace("{}", "oracle.t", 1).encode())
        engine.tick()
        compare(engine, oracle, views)
    assert engine.rows("select * from millstream.dead_row") == []


def deployed(engine: Engine, expressions: Sequence[str]) -> dict[str, list[str]]:
    """Deploy views with many expressions each; what is refused is left out."""
    views: dict[str, list[str]] = {}
    rest = iter(expressions)
    while some := list(islice(rest, IN_A_VIEW)):
        name = f"m{len(views)}"
        while some:
            listed = ", ".join(f"{expression} as c{number}" for number, expression in enumerate(some))
            try:
                engine.deploy(f"create materialized view {name} as select k, {listed} from t")
                break
            except Refused:
                some = [expression for expression in some if accepted(engine, expression)]
        views[name] = some
    return views


def accepted(engine: Engine, expression: str) -> bool:
    """Tell whether a view may have an expression: not the clock, not a subquery, not a function of the session."""
    code = ""
    try:
        engine.deploy(f"create materialized view alone as select k, {expression} as c from t")
        engine.drop("alone")
    except Refused as refused:
        code = refused.diagnostic.code
    assert not code or code in REFUSED, expression
    return not code


def compare(engine: Engine, oracle: Oracle, views: dict[str, list[str]]) -> None:
    """Every view has PostgreSQL's values."""
    wrong = []
    for view, expressions in views.items():
        wanted = oracle.values(expressions)
        texts = ", ".join(f"c{number}::text" for number in range(len(expressions)))
        got = {key: list(values) for key, *values in engine.rows(f"select k, {texts} from {view} order by k")}
        assert list(got) == list(wanted), view
        wrong += [
            (expression, key, got[key][number], wanted[key][number])
            for key in wanted
            for number, expression in enumerate(expressions)
            if got[key][number] != wanted[key][number]
        ]
    assert wrong == []
