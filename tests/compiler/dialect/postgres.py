"""What PostgreSQL makes of an expression: its own text of the parse, in which every function, cast and operator is told apart."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import sqlglot
from sqlglot import exp

from millstream.compiler.dialect import DIALECT, write

TABLE = """
create temp table t (
    i2 smallint, i4 integer, i8 bigint, n numeric, f4 real, f8 double precision, b boolean, s varchar, tx text, by bytea,
    d date, ti time, ts timestamp, tz timestamptz, iv interval, js jsonb, ai integer[], at varchar[],
    af double precision[], unit varchar, fmt varchar, zone varchar, pat varchar
)
"""

COLUMN_TYPES = frozenset(  # of columns that a view may have on both engines
    (
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "real",
        "double precision",
        "character varying",
        "text",
        "bytea",
        "date",
        "time without time zone",
        "timestamp without time zone",
        "timestamp with time zone",
        "interval",
        "jsonb",
    )
)

PARSE = """
select pg_get_viewdef('v'::regclass) || format_type(atttypid, atttypmod) from pg_attribute
where attrelid = 'v'::regclass and attnum = 1
"""


class Postgres:
    """A server that is asked about expressions over one table."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute(TABLE)

    def meaning(self, expression: str) -> str | None:
        """The parse of an expression and its type; None where PostgreSQL does not accept it."""
        statements = f"drop view if exists v; create temp view v as select {expression} as x from t; {PARSE}"
        try:
            cursor = self.connection.execute(statements.encode())
        except psycopg.Error:
            return None
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        return str(row[0]) if row else None

    def rows(self, query: str) -> Iterator[tuple[str, ...]]:
        """The rows of a query about the catalogue."""
        yield from self.connection.execute(query.encode()).fetchall()


def read(expression: str) -> exp.Expr:
    """An expression as the compiler reads it."""
    (item,) = sqlglot.parse_one(f"select {expression} as x from t", dialect=DIALECT).expressions
    found: exp.Expr = item.unalias()
    return found


def written(expression: str) -> str:
    """An expression as the compiler writes it."""
    return write(read(expression))
