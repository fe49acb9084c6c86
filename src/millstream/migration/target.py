"""The database that rows are copied to: what RisingWave and PostgreSQL both understand, but for FLUSH."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import set_json_loads

from millstream.compiler.postgres.names import quote
from millstream.errors import MillstreamError
from millstream.migration.literal import json_text, literal

RELATIONS = """
select table_schema, table_name, column_name
from information_schema.columns
where table_schema not in ('rw_catalog', 'pg_catalog', 'information_schema')
"""


class RisingWaveTarget:
    """A connection in autocommit, because RisingWave has no transactions that write.

    Values are part of the statements, each cast to its column's type: its extended protocol infers fewer types than
    PostgreSQL's. `flush` makes what was sent before it visible; it is the statement FLUSH unless another is given.
    """

    def __init__(self, connection: psycopg.Connection, flush: Callable[[], object] | None = None) -> None:
        self.connection = connection
        self.flush = flush or (lambda: self.send("flush"))
        set_json_loads(json_text, connection)

    def send(self, statement: str) -> int:
        """Run one statement; return the number of rows that it touched."""
        return self.connection.execute(statement.encode()).rowcount

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query.encode()).fetchall()

    def columns(self) -> dict[str, set[str]]:
        """The columns of every relation, by `schema.name`."""
        found: dict[str, set[str]] = {}
        for schema, name, column in self.ask(RELATIONS):
            found.setdefault(f"{schema}.{name}", set()).add(column)
        return found

    def count(self, relation: str) -> int:
        """The rows of a relation."""
        return int(self.ask(f"select count(*) from {relation}")[0][0])

    def rows(self, relation: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Every row, in no order, one at a time: a large view does not have to fit into memory."""
        names = ", ".join(map(quote, columns))
        with self.connection.cursor() as cursor:
            yield from cursor.stream(f"select {names} from {relation}".encode())

    def of_keys(
        self, relation: str, columns: Sequence[str], key: tuple[str, str], values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """The rows in which a key's first column, a (name, type), has one of the values."""
        name, type_ = key
        listed = ", ".join(sorted({literal(value, type_) for value in values}))
        names = ", ".join(map(quote, columns))
        return self.ask(f"select {names} from {relation} where {quote(name)} in ({listed})")

    def insert(
        self, relation: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert rows; columns are (name, type). A key that is there is settled by the table's declared rule."""
        self.send(insert_statement(relation, columns, rows))

    def delete(self, relation: str, key: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> None:
        """Delete rows by their key."""
        self.send(delete_statement(relation, key, rows))


def insert_statement(relation: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> str:
    """INSERT of some rows; RisingWave has no ON CONFLICT here, the table declares it."""
    names = ", ".join(quote(name) for name, _ in columns)
    types = [type_ for _, type_ in columns]
    values = ",\n".join(
        f"({', '.join(literal(value, type_) for value, type_ in zip(row, types, strict=True))})"
        for row in rows
    )
    return f"insert into {relation} ({names}) values\n{values}"


def delete_statement(relation: str, key: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> str:
    """DELETE of the rows with these keys."""
    if len(key) == 1:
        ((name, type_),) = key
        return (
            f"delete from {relation} where {quote(name)} in ({', '.join(literal(r[0], type_) for r in rows)})"
        )
    one = (
        " and ".join(f"{quote(n)} = {literal(v, t)}" for (n, t), v in zip(key, row, strict=True))
        for row in rows
    )
    return f"delete from {relation} where {' or '.join(f'({each})' for each in one)}"


@contextmanager
def open_risingwave(root: Path) -> Iterator[RisingWaveTarget]:
    """Connect as profiles.yml says for target risingwave. Raises MillstreamError where nothing answers."""
    from millstream.rollout.risingwave.profile import conninfo, profile_alone

    given = profile_alone(root)
    try:
        connection = psycopg.connect(conninfo(given), connect_timeout=10, autocommit=True)
    except psycopg.OperationalError as error:
        raise MillstreamError(
            f"RisingWave does not answer at {given.host}:{given.port}: {str(error).strip()}\n"
            "  hint: start it (make up TARGET=risingwave), or set RISINGWAVE_HOST and RISINGWAVE_PORT; nothing was copied"
        ) from error
    with connection:
        connection.execute("set timezone to 'UTC'")
        yield RisingWaveTarget(connection)
