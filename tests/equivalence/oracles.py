"""Two oracles that evaluate the original SQL from scratch: PostgreSQL and DuckDB, over plain tables.

Both hold the rows of the source model in tables of the same names, a clock, and every view as an ordinary view with
`now()` replaced by a read of the clock. They share no code with the engine. Operations that may fail are calls of the
oracles' own functions (lenient.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
import psycopg
import sqlglot

from millstream.compiler.postgres.names import quote
from tests.equivalence import lenient
from tests.equivalence.source_model import Row

LOOSE = frozenset({700, 701, 1021, 1022, 1186, 1187, 1231, 1700, 3802, 3807})
"""Type oids of floats, intervals, numeric and jsonb, and of their arrays."""
CLOCK = "(select mirror_now from mirror_clock)"
VARIABLE = "getvariable('mirror_now')"
"""DuckDB's clock: it answers wrongly where a subquery like `CLOCK` stands inside a correlated NOT IN (found in 2.0.0)."""
ASOF = re.compile(r"asof (left )?join (\w+ as \w+) on ([\w.]+) = ([\w.]+) and ([\w.]+) ([<>]=?) ([\w.]+)")
"""How generated statements write an ASOF join, which PostgreSQL does not have."""


@dataclass(frozen=True)
class Result:
    """Rows with the names and (PostgreSQL only) type oids of their columns.

    `images` has the same rows with values of loose types as text, which tells apart what is equal and not the same.
    """

    names: tuple[str, ...]
    types: tuple[int, ...]
    rows: list[tuple[Any, ...]]
    images: list[tuple[Any, ...]] = field(default_factory=list)


class Oracle(Protocol):
    """What a run asks of an oracle."""

    def create_table(self, ddl: str) -> None: ...

    def create_view(self, name: str, sql: str) -> None: ...

    def load(self, table: str, rows: Iterable[Row]) -> None: ...

    def set_now(self, now: datetime) -> None: ...

    def read(self, relation: str) -> Result: ...


def _nearest(found: re.Match[str]) -> str:
    """An ASOF join in PostgreSQL's words."""
    outer, relation, a, b, x, operator, y = found.groups()
    alias = relation.rsplit(" ", 1)[1]
    order = "desc" if operator.startswith(">") else "asc"
    rows = f"select * from {relation} where {a} = {b} and {x} {operator} {y} order by {y} {order} limit 1"
    return f"{'left' if outer else 'inner'} join lateral ({rows}) as {alias} on true"


class PostgresOracle:
    """PostgreSQL; everything happens in one transaction that is never committed, so nothing remains."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn)
        self._connection.execute("set local timezone to 'UTC'")
        self._connection.execute("create schema oracle_mirror")
        self._connection.execute("set local search_path to oracle_mirror")
        self._connection.execute("create table mirror_clock (mirror_now timestamptz)")
        self._connection.execute(lenient.POSTGRES.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.rollback()
        self._connection.close()

    def create_table(self, ddl: str) -> None:
        self._connection.execute(ddl)

    def create_view(self, name: str, sql: str) -> None:
        text = ASOF.sub(_nearest, sql.replace("now()", CLOCK))
        self._connection.execute(f"create view {name} as {text}")

    def load(self, table: str, rows: Iterable[Row]) -> None:
        self._connection.execute(f"delete from {table}")
        with self._connection.cursor() as cursor:
            for row in rows:
                cursor.execute(f"insert into {table} values ({', '.join(['%s'] * len(row))})", row)

    def set_now(self, now: datetime) -> None:
        self._connection.execute("delete from mirror_clock")
        self._connection.execute("insert into mirror_clock values (%s)", (now,))

    def read(self, relation: str) -> Result:
        return read(self._connection, relation)


class DuckdbOracle:
    """DuckDB in memory; the SQL goes through sqlglot's transpiler, from PostgreSQL's dialect to DuckDB's."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("set TimeZone = 'UTC'")
        self._connection.execute("set threads = 1")
        self._connection.execute("set variable mirror_now = timestamptz 'epoch'")  # gives it its type
        for macro in lenient.DUCKDB:
            self._connection.execute(macro)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def create_table(self, ddl: str) -> None:
        # DuckDB's numeric has a fixed scale.
        self._connection.execute(_transpile(ddl.replace(" numeric", " double precision")))

    def create_view(self, name: str, sql: str) -> None:
        self._connection.execute(f"create view {name} as {_transpile(sql.replace('now()', VARIABLE))}")

    def load(self, table: str, rows: Iterable[Row]) -> None:
        self._connection.execute(f"delete from {table}")
        loaded: Sequence[Row] = list(rows)
        if loaded:
            one = f"({', '.join(['?'] * len(loaded[0]))})"
            values = ", ".join([one] * len(loaded))
            self._connection.execute(
                f"insert into {table} values {values}", [v for row in loaded for v in row]
            )

    def set_now(self, now: datetime) -> None:
        self._connection.execute("set variable mirror_now = ?", [now])

    def read(self, relation: str) -> Result:
        self._connection.execute(f"select * from {relation}")
        description = self._connection.description or []
        return Result(tuple(each[0] for each in description), (), self._connection.fetchall())

    def execute(self, statement: str) -> None:
        """Run a statement that is DuckDB's own."""
        self._connection.execute(statement)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a SELECT in PostgreSQL's dialect."""
        return self._connection.execute(_transpile(sql)).fetchall()


def _transpile(sql: str) -> str:
    return sqlglot.transpile(sql, read="postgres", write="duckdb")[0]


def read(connection: psycopg.Connection[tuple[Any, ...]], relation: str) -> Result:
    """All rows of a relation through psycopg."""
    described = connection.execute(f"select * from {relation} limit 0").description or []
    loose = [place for place, each in enumerate(described) if each.type_code in LOOSE]
    texts = "".join(f", {quote(described[place].name)}::text" for place in loose)
    found = connection.execute(f"select *{texts} from {relation}").fetchall()
    count = len(described)
    return Result(
        tuple(each.name for each in described),
        tuple(each.type_code for each in described),
        [row[:count] for row in found],
        [imaged(row[:count], dict(zip(loose, row[count:], strict=True))) for row in found],
    )


def imaged(row: tuple[Any, ...], texts: dict[int, str | None]) -> tuple[Any, ...]:
    """A row with some values as text."""
    return tuple(texts.get(place, value) for place, value in enumerate(row))
