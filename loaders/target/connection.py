"""The source relations over the Postgres wire protocol: write rows, wait until the views show them, look rows up.

Two servers speak it: the embedded engine (COPY, transactions, `call millstream.flush()`) and RisingWave, which has
neither COPY … FROM nor write transactions (INSERT of many rows, `FLUSH`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Self

import psycopg
from psycopg import capabilities, sql
from psycopg.errors import RaiseException
from psycopg.types.json import Jsonb

from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS, SourceRelation

MAX_PARAMETERS = 60_000
MAX_INSERT_ROWS = 1_000
FLUSH_TRIES = 5
FETCH = 2_000
FULL = ("too many connections for", "too many clients")  # in the words of a server that lets nobody in
# SQLSTATE classes in which the server refuses a row: data exception, integrity constraint, a limit of the
# program (a key that is too long), raised by a trigger.
ROW_ERRORS = ("22", "23", "54", "P0")


class WriterConnection:
    """One connection in autocommit with the writer role. Rows that were sent are durable when a method returns."""

    def __init__(self, dsn: str, *, application: str = "millstream-load") -> None:
        """Raises LoaderError if nobody answers or the DSN is refused."""
        self.dsn = dsn
        try:
            self.connection = psycopg.connect(dsn, autocommit=True, application_name=application)
        except psycopg.Error as error:
            if any(words in str(error) for words in FULL):
                raise LoaderError(
                    f"the writer role has no connection left ({str(error).strip()}), and a load takes three; "
                    "`millstream status` says who has them. End some, share them through a pool, or give more: "
                    "`millstream down`, then `millstream up --writers N`; a load that is repeated goes on from there"
                ) from error
            raise LoaderError(
                f"cannot connect to the server ({str(error).strip()}); start it with `millstream up`, or give the DSN "
                "of the writer role with --dsn or MILLSTREAM_WRITER_DSN"
            ) from error
        version = self.connection.execute("select version()").fetchone()
        self.is_risingwave = version is not None and "RisingWave" in version[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def flush(self, tries: int = FLUSH_TRIES) -> None:
        """Wait until the views show everything sent before. A try lasts as long as the server lets it: a minute.

        Raises LoaderError if the views did not catch up, which happens when nobody computes them.
        """
        statement = "flush" if self.is_risingwave else "call millstream.flush()"
        for last in range(tries - 1, -1, -1):
            try:
                self.connection.execute(statement)
            except RaiseException as error:
                if last:
                    continue
                raise LoaderError(
                    f"{error.diag.message_primary}; what was sent is safe in the queue. See `millstream status`: "
                    "start the worker with `millstream up` and repeat the command: it goes on from there"
                ) from error
            return

    def transaction(self) -> AbstractContextManager[object]:
        """Make what is written inside visible at once; RisingWave makes each statement visible by itself."""
        return nullcontext() if self.is_risingwave else self.connection.transaction()

    def copy(self, relation: SourceRelation, rows: Iterable[Sequence[object]]) -> None:
        """Send many rows in one go: binary COPY, or INSERTs where COPY does not exist."""
        if self.is_risingwave:
            self.insert(relation, rows)
            return
        types = self._types(relation)
        with self.connection.cursor() as cursor, cursor.copy(_COPY.format(*_names(relation))) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row([Jsonb(value) if isinstance(value, dict) else value for value in row])

    def _types(self, relation: SourceRelation) -> list[int]:
        """Give the type OIDs of the columns as the server has them: binary COPY takes no other, not even text for varchar."""
        statement = sql.SQL("select {1} from {0} limit 0").format(*_names(relation))
        return [column.type_code for column in self.connection.execute(statement).description or ()]

    def insert(self, relation: SourceRelation, rows: Iterable[Sequence[object]]) -> None:
        """Send rows as INSERT statements of up to 1,000 rows."""
        iterator = iter(rows)
        size = min(MAX_INSERT_ROWS, MAX_PARAMETERS // len(relation.columns))
        placeholders = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(relation.columns)))
        while batch := list(islice(iterator, size)):
            statement = sql.SQL("insert into {} ({}) values {}").format(
                *_names(relation), sql.SQL(", ").join([placeholders] * len(batch))
            )
            values = [Jsonb(value) if isinstance(value, dict) else value for row in batch for value in row]
            self.connection.execute(statement, values)

    def delete(self, relation: SourceRelation, keys: Sequence[str]) -> None:
        """Delete the rows with these keys."""
        statement = sql.SQL("delete from {} where {} = any(%s)").format(_name(relation), _key(relation))
        self.connection.execute(statement, [list(keys)])

    def is_empty(self, relation: SourceRelation) -> bool:
        """Say whether the relation shows no row."""
        statement = sql.SQL("select 1 from {} limit 1").format(_name(relation))
        return self.connection.execute(statement).fetchone() is None

    def event_times(self, event_ids: Sequence[str]) -> dict[str, datetime]:
        """Give `occurred_at` of those events that are there."""
        statement = sql.SQL("select event_id, occurred_at from {} where event_id = any(%s)").format(
            _name(EVENTS)
        )
        return dict(self.connection.execute(statement, [list(event_ids)], binary=True))

    def rows(self, relation: SourceRelation, keys: Sequence[str]) -> dict[str, tuple[object, ...]]:
        """Give the rows with these keys, by key; columns in the relation's order."""
        columns = list(relation.columns)
        statement = sql.SQL("select {columns} from {name} where {key} = any(%s)").format(
            columns=_names(relation)[1], name=_name(relation), key=_key(relation)
        )
        position = columns.index(str(relation.key))
        found = self.connection.execute(statement, [list(keys)])
        return {row[position]: tuple(row) for row in found}

    def all_rows(self, relation: SourceRelation) -> Iterator[tuple[object, ...]]:
        """Give every row of a relation; columns in the relation's order. Who stops early reads no more than a piece."""
        statement = sql.SQL("select {1} from {0}").format(*_names(relation))
        with self.connection.cursor() as cursor:
            size = FETCH if capabilities.has_stream_chunked() else 1
            yield from cursor.stream(statement, size=size)

    def raw_offsets(self, partition: str) -> set[str]:
        """Give the offsets of the raw messages of one partition."""
        statement = "select source_offset from events_raw where source_partition = %s"
        return {row[0] for row in self.connection.execute(statement, [partition])}

    def last_raw_offset(self, partition: str) -> int:
        """Give the greatest offset of the raw messages of one partition, 0 if there are none."""
        statement = "select max(cast(source_offset as bigint)) from events_raw where source_partition = %s"
        found = self.connection.execute(statement, [partition]).fetchone()
        return 0 if found is None or found[0] is None else int(found[0])

    def keys(self, relation: SourceRelation) -> Iterator[str]:
        """Give every key of a relation."""
        statement = sql.SQL("select {} from {}").format(_key(relation), _name(relation))
        return (row[0] for row in self.connection.execute(statement))


def gone(sent: int, what: str, error: psycopg.Error) -> LoaderError:
    """Say that the server went away, after how much, and what to do."""
    cause = (str(error).strip().splitlines() or ["no reason given"])[0]
    return LoaderError(
        f"the server went away after {sent:,} {what} were sent ({cause}); "
        "start it again and repeat the command: it goes on from there"
    )


def refuses_row(error: psycopg.Error) -> bool:
    """Say whether the server refused a value of a row, rather than the statement or the connection."""
    return (error.sqlstate or "")[:2] in ROW_ERRORS


_COPY = sql.SQL("copy {} ({}) from stdin (format binary)")


def _name(relation: SourceRelation) -> sql.Identifier:
    return sql.Identifier(relation.name)


def _key(relation: SourceRelation) -> sql.Identifier:
    return sql.Identifier(str(relation.key))


def _names(relation: SourceRelation) -> tuple[sql.Composable, sql.Composable]:
    return _name(relation), sql.SQL(", ").join(sql.Identifier(column) for column in relation.columns)
