"""Source tables as the engine has them: its own copy as of the last tick, and the queue of what clients did since.

Clients write to a table of their own (client_table.py). A tick takes queued rows, adds them up to the exact change of
the copy, and applies that with the changes of everything else. So all views read one state of the sources, whatever
clients do meanwhile, and no tick waits for a client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.identity import image, same
from millstream.compiler.postgres.names import (
    CUT,
    NUMBER,
    POSITION,
    SEQUENCE,
    changes,
    pending,
    queue,
    quote,
    table,
)
from millstream.compiler.postgres.stored import hashed
from millstream.compiler.syntax.declarations.declared import ColumnDeclaration, TableDeclaration
from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.engine.catalog.project_settings import ProjectSettings
from millstream.engine.catalog.records import StoredTable
from millstream.engine.state.client_table import ClientTable

FIRST, END = (
    "timestamptz '0001-01-02 00:00+00'",
    "timestamptz '9999-12-31 00:00+00'",
)  # what every client can read


@dataclass(frozen=True)
class Source:
    """Writes the SQL of one source. `name` is the stored relation, `view` the table that clients see, quoted."""

    name: str
    view: str
    table: TableDeclaration

    @cached_property
    def clients(self) -> ClientTable:
        """The table that clients write to."""
        return ClientTable(self.name, self.view, self.table)

    @property
    def columns(self) -> list[str]:
        """The declared columns, quoted."""
        return self.clients.columns

    @property
    def typed(self) -> list[tuple[str, str]]:
        """The declared columns, quoted, with their types."""
        return [(quote(column.name), column.type) for column in self.table.columns]

    @property
    def all_columns(self) -> list[str]:
        """Every column of the copy, quoted."""
        return self.columns if self.table.key else [*self.columns, HASH]

    def create(self) -> list[str]:
        """Create the clients' table with its queue, and the engine's copy."""
        return [*self.clients.create(), *self.create_copy()]

    def create_copy(self) -> list[str]:
        """Create the engine's copy of the table."""
        parts = [f"{quote(c.name)} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.table.columns]
        key = ", ".join(quote(name) for name in self.table.key)
        parts.append(f"PRIMARY KEY ({key})" if key else f"{HASH} bigint")
        made = [f"CREATE TABLE {table(self.name)} ({', '.join(parts)}) WITH (fillfactor = 85)"]
        return made if key else [*made, f"CREATE INDEX ON {table(self.name)} ({HASH})"]

    def create_pending(self) -> str:
        """Create the table of what sinks have for the source, if it is missing."""
        types = {quote(c.name): c.type for c in self.table.columns}
        columns = ", ".join(f"{name} {types[name]}" for name in self.clients.given)
        return (
            f"CREATE TABLE IF NOT EXISTS {pending(self.name)} "
            f"({NUMBER} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns})"
        )

    def drop(self) -> list[str]:
        """Drop everything but the clients' table, which goes with its name."""
        return [
            f"DROP TABLE IF EXISTS {table(self.name)}, {queue(self.name)}, {pending(self.name)} CASCADE",
            *(f"DROP FUNCTION IF EXISTS {function}() CASCADE" for function in self.clients.functions),
        ]

    def add(self, columns: Sequence[ColumnDeclaration]) -> list[str]:
        """Add nullable columns at the end."""
        made = [*self.clients.add(columns)]
        for column in columns:
            name = quote(column.name)
            made.append(f"ALTER TABLE {table(self.name)} ADD COLUMN {name} {column.type}")
            if column.generated is None:
                made.append(f"ALTER TABLE IF EXISTS {pending(self.name)} ADD COLUMN {name} {column.type}")
            else:
                made.append(f"UPDATE {table(self.name)} SET {name} = {self.clients.generated[name]}")
        return made

    def temporary(self) -> list[str]:
        """The session table of a tick."""
        return [
            f"CREATE TEMPORARY TABLE {changes(self.name)} AS SELECT {', '.join(self.all_columns)}, 0 AS {WEIGHT} "
            f"FROM {table(self.name)} LIMIT 0"
        ]

    def take(self, limit: str) -> str:
        """Statements that move at most `limit` queued rows into the changes, and count them in `n`, the changes in `m`.

        They end where a tick may end; a group that is longer than the limit is taken whole. Rows are found by their
        places, so that no plan made for an empty queue can compare every row with every other.
        """
        first = (
            f"SELECT ctid, {CUT}, row_number() OVER (ORDER BY {SEQUENCE}, {POSITION}) AS {NUMBER} FROM "
            f"(SELECT ctid, {SEQUENCE}, {POSITION}, {CUT} FROM {queue(self.name)} ORDER BY {SEQUENCE}, {POSITION} LIMIT {limit}) AS q"
        )
        whole = f"SELECT CASE WHEN count(*) < {limit} THEN count(*) ELSE max({NUMBER}) FILTER (WHERE {CUT}) END FROM first"
        places = f"WITH first AS MATERIALIZED ({first}) SELECT ctid FROM first WHERE {NUMBER} <= ({whole})"
        group = (
            f"SELECT ctid FROM {queue(self.name)} WHERE ({SEQUENCE}, {POSITION}) <= "
            f"(SELECT {SEQUENCE}, {POSITION} FROM {queue(self.name)} WHERE {CUT} ORDER BY {SEQUENCE}, {POSITION} LIMIT 1)"
        )
        return (
            f"{self.take_rows(places)} IF n = 0 AND {limit} > 0 AND EXISTS (SELECT FROM {queue(self.name)}) "
            f"THEN {self.take_rows(group)} END IF;"
        )

    def take_rows(self, places: str) -> str:
        """Take the queued rows at these places; what cancels is no change."""
        columns = ", ".join(self.columns)
        shown = ", ".join(f"any_value({column}) AS {column}" for column in self.columns)
        images = ", ".join(image(self.typed))
        row_hash = "" if self.table.key else f"{hashed(self.columns)}, "
        return (
            f"WITH t AS (DELETE FROM {queue(self.name)} WHERE ctid = ANY (ARRAY({places})) RETURNING *), "
            f"s AS (SELECT {shown}, sum({WEIGHT})::integer AS {WEIGHT} FROM t GROUP BY {images} "
            f"HAVING sum({WEIGHT}) <> 0 ORDER BY min({SEQUENCE}), min({POSITION})), "
            f"d AS (INSERT INTO {changes(self.name)} SELECT {columns}, {row_hash}{WEIGHT} FROM s RETURNING 1) "
            "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM d) INTO n, m;"
        )

    def has_moment(self, column: str) -> bool:
        """Whether the table has a column of that name which says a moment."""
        return any(c.name == column and c.type == "TIMESTAMPTZ" for c in self.table.columns)

    def is_timed(self, settings: ProjectSettings) -> bool:
        """Whether the event clock follows the table's rows."""
        return self.has_moment(settings.event_time_column)

    def latest(self, variable: str, settings: ProjectSettings) -> str:
        """A statement that moves a variable on to the latest event among the changes.

        One that is dated after its arrival, has no arrival, or is at no moment that a client can read moves nothing.
        """
        moment, arrival = quote(settings.event_time_column), quote(settings.arrival_column)
        moments, ordered = [moment], ""
        if self.has_moment(settings.arrival_column):
            moments.append(arrival)
            # cut off, because nothing says that the bounds are looked at before the sum
            ordered = (
                f" AND {moment} <= least({arrival}, {END}) + interval '{settings.future_minutes:g} minutes'"
            )
        bounds = " AND ".join(f"{column} >= {FIRST} AND {column} < {END}" for column in moments)
        return (
            f"SELECT greatest({variable}, max({moment})) INTO {variable} FROM {changes(self.name)} "
            f"WHERE {WEIGHT} > 0 AND {bounds}{ordered};"
        )

    def apply(self) -> str:
        """Take the removed rows out of the copy and put the added ones in."""
        return self.apply_keyed() if self.table.key else self.apply_bag()

    def apply_keyed(self) -> str:
        """Delete the keys that are gone, and write every other changed row under its key."""
        columns = ", ".join(self.columns)
        d, t = changes(self.name), table(self.name)
        key = [quote(name) for name in self.table.key]
        same = " AND ".join(f"t.{k} = d.{k}" for k in key)
        keys = ", ".join(f"d.{k}" for k in key)
        updates = ", ".join(f"{c} = excluded.{c}" for c in self.columns)
        return (
            f"WITH gone AS (DELETE FROM {t} WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM (SELECT {keys} FROM {d} AS d "
            f"GROUP BY {keys} HAVING max(d.{WEIGHT}) < 0) AS d CROSS JOIN LATERAL "
            f"(SELECT t.ctid FROM {t} AS t WHERE {same} LIMIT 1) AS t))) INSERT INTO {t} ({columns}) "
            f"SELECT {columns} FROM {d} WHERE {WEIGHT} > 0 ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"
        )

    def apply_bag(self) -> str:
        """Delete as many of the same rows as are gone, and insert what is new."""
        columns = ", ".join(self.all_columns)
        d, t = changes(self.name), table(self.name)
        return (
            f"WITH gone AS (DELETE FROM {t} WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM {d} AS d CROSS JOIN LATERAL "
            f"(SELECT t.ctid FROM {t} AS t WHERE t.{HASH} = d.{HASH} AND {same(self.typed, 't', 'd')} "
            f"LIMIT -d.{WEIGHT}) AS t WHERE d.{WEIGHT} < 0))) INSERT INTO {t} ({columns}) SELECT {columns} FROM "
            f"(SELECT d.*, generate_series(1, d.{WEIGHT}) FROM {d} AS d WHERE d.{WEIGHT} > 0) AS d"
        )


def source_of(state: StoredTable) -> Source:
    """The source that a stored relation was declared as."""
    view = f"{quote(state.schema)}.{quote(state.relation)}"
    return Source(state.name, view, parse_table(state.definition, state.path))
