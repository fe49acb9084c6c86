"""What is copied: the embedded engine's sources and views, as of one tick."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import set_json_loads

from millstream.compiler.binder.scope import ViewText
from millstream.compiler.compile import compile_view
from millstream.compiler.postgres.names import table
from millstream.compiler.syntax.declarations.declared import TableDeclaration
from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.inspect.status import queued
from millstream.errors import MillstreamError
from millstream.migration.literal import json_text

ON_ACT = "it depends on when people acted"
CLOCK = "it reads now()"
NOW = re.compile(r"\bnow\(\)", re.I)


@dataclass(frozen=True)
class ReadUpTo:
    """How far a Kafka partition was read into a relation: the first offset that was not."""

    relation: str
    topic: str
    number: int
    next_offset: int


@dataclass(frozen=True)
class View:
    """A materialized view. `reason` says why its rows need not be the same elsewhere: empty, ON_ACT or CLOCK."""

    key: str
    columns: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class SourceTable:
    """A source table and its declaration."""

    key: str
    declared: TableDeclaration

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The columns that are written, as (name, type); the others are generated."""
        return [
            (each.name, each.struct or each.type.lower())
            for each in self.declared.columns
            if each.generated is None
        ]

    @property
    def key_columns(self) -> list[tuple[str, str]]:
        """The primary key, as (name, type); empty where there is none."""
        types = dict(self.columns)
        return [(name, types[name]) for name in self.declared.key]


class Snapshot:
    """One state of the embedded engine: everything is read in one transaction, so all of it is as of one tick."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        connection.execute("set timezone to 'UTC'")
        self.tick, self.now = self._one("select tick, now from millstream.clock")
        self.clock = store.setting(connection, "clock")
        self.waiting = sum(queued(connection).values())
        catalogue = store.load(connection)
        set_json_loads(json_text, connection)  # for the rows; the catalogue's own JSON is read before
        sources = [
            each
            for each in sorted(catalogue.relations.values(), key=lambda each: (each.schema, each.name))
            if each.kind == "table"
        ]
        self.tables = tuple(
            SourceTable(f"{each.schema}.{each.name}", parse_table(each.text, each.path)) for each in sources
        )
        # What clients write is ahead of the views; the engine's copies are as of the same tick.
        self.copies = {f"{each.schema}.{each.name}": sql.SQL(table(str(each.state))) for each in sources}
        self.views = tuple(views(catalogue))
        self.partitions = tuple(self._partitions())

    def count(self, key: str) -> int:
        """The rows of a relation."""
        (number,) = self._one(sql.SQL("select count(*) from {}").format(self.place(key)))
        return int(number)

    def place(self, key: str) -> sql.Composable:
        """Where the rows of a relation are read."""
        return self.copies.get(key) or identifier(key)

    def rows(self, key: str, columns: Sequence[str], order: Sequence[str] = ()) -> Iterator[tuple[Any, ...]]:
        """Every row, through a cursor on the server."""
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), self.place(key)
        )
        if order:
            query += sql.SQL(" order by {}").format(sql.SQL(", ").join(map(sql.Identifier, order)))
        with self.connection.cursor(name="migrate") as cursor:
            cursor.itersize = 10_000
            cursor.execute(query)
            yield from cursor

    def _one(self, query: Any) -> tuple[Any, ...]:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return tuple(row)

    def _partitions(self) -> Iterator[ReadUpTo]:
        (there,) = self._one("select to_regclass('millstream.kafka_partition')")
        if there is None:
            return
        for schema, name, topic, number, offset in self.connection.execute(
            "select schema_name, relation_name, topic, partition, next_offset from millstream.kafka_partition"
            " where next_offset is not null order by 1, 2, 3, 4"
        ):
            yield ReadUpTo(f"{schema}.{name}", topic, number, offset)


@contextmanager
def open_snapshot(dsn: str) -> Iterator[Snapshot]:
    """Take a snapshot of the embedded engine; nothing waits for it and it waits for nothing."""
    with psycopg.connect(dsn) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        (installed,) = connection.execute("select to_regclass('millstream.clock')").fetchone() or (None,)
        if installed is None:
            raise MillstreamError(
                "nothing is deployed on the embedded engine, so there is nothing to copy\n"
                "  hint: is this the right home? millstream --home DIRECTORY migrate"
            )
        yield Snapshot(connection)


def views(catalogue: Catalogue) -> Iterator[View]:
    """The materialized views, and which of them are no function of the sources alone: those, and what reads them."""
    reasons: dict[str, str] = {}  # by state
    for state in catalogue.views:
        resolver = Resolver(catalogue, state.reads)
        nodes = compile_view(resolver, state.name, state.definition, state.path).nodes
        below = [reasons.get(name, "") for name in state.below]
        texts = [state.definition, *(pin.sql for pin in state.reads.values() if isinstance(pin, ViewText))]
        if any(node.on_act or node.udf is not None for node in nodes) or ON_ACT in below:
            reasons[state.name] = ON_ACT
        elif any(map(NOW.search, texts)) or CLOCK in below:
            reasons[state.name] = CLOCK
    for each in sorted(catalogue.relations.values(), key=lambda each: (each.schema, each.name)):
        if each.kind == "materialized_view":
            columns = tuple(catalogue.states[str(each.state)].column_names)
            yield View(f"{each.schema}.{each.name}", columns, reasons.get(str(each.state), ""))


def identifier(key: str) -> sql.Identifier:
    """The quoted name of `schema.name`."""
    return sql.Identifier(*key.split(".", 1))
