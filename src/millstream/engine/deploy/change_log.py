"""The log of a build: what ticks change, while a view is built beside, in the relations that it reads.

A tick writes its changes in its own transaction; the build deletes what it takes over in the transaction that takes it
over. So at every commit the log has exactly the changes that the build has not seen yet. Its tables are unlogged: when the
server has crashed, there is no build any more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import Relation
from millstream.compiler.postgres.identity import Columns, image
from millstream.compiler.postgres.indexes import Index
from millstream.compiler.postgres.names import changes, log, quote, table
from millstream.engine.catalog import store
from millstream.engine.deploy.unused import remove_state
from millstream.engine.state.locks import BUILD_LOCK, only_a_moment


@dataclass(frozen=True)
class Log:
    """Writes the SQL of one relation's log; it has the columns that readers of a relation may use."""

    relation: str
    columns: Columns
    key: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The columns, quoted."""
        return [name for name, _ in self.columns]

    def create(self) -> str:
        """Create the log."""
        return f"CREATE UNLOGGED TABLE {log(self.relation)} AS {self.shape()}"

    def shape(self) -> str:
        """A SELECT without rows that has the log's columns."""
        return f"SELECT {', '.join(self.names)}, 0 AS {WEIGHT} FROM {table(self.relation)} LIMIT 0"

    def session(self) -> str:
        """Create the session table of changes."""
        return f"CREATE TEMPORARY TABLE {changes(self.relation)} AS {self.shape()}"

    def session_indexes(self, indexes: Sequence[Index]) -> list[str]:
        """Create the indexes by which changes are looked up as the relation is."""
        lookups = {(*(quote(name) for name in self.key),): None}
        lookups |= {index.expressions: None for index in indexes if index.relation == self.relation}
        return [f"CREATE INDEX ON {changes(self.relation)} ({', '.join(each)})" for each in lookups]

    def take(self) -> str:
        """Move what is logged into the session table, added up; what cancels was no change."""
        return (
            f"WITH t AS (DELETE FROM {log(self.relation)} RETURNING *) INSERT INTO {changes(self.relation)} "
            f"SELECT {', '.join(self.names)}, sum({WEIGHT})::integer FROM t GROUP BY {', '.join(image(self.columns))} "
            f"HAVING sum({WEIGHT}) <> 0"
        )


def log_of(relation: Relation) -> Log:
    """The log of a relation: its columns, what tells its rows apart, and what hides some of them."""
    columns = {name: type_ for name, type_, _ in relation.columns}
    hidden = dict.fromkeys(relation.key, "bigint") | ({relation.guard: "boolean"} if relation.guard else {})
    return Log(relation.name, [(quote(n), t) for n, t in {**hidden, **columns}.items()], relation.key)


class Logs:
    """The worker's view of what must be logged; read again when the number in millstream.clock has changed."""

    def __init__(self) -> None:
        self.version = 0
        self.building = False
        self.columns: dict[str, list[str]] = {}

    def refresh(self, conn: psycopg.Connection, version: int) -> None:
        """Look whether something is being built, if that has changed."""
        if version != self.version:
            row = conn.execute("select logs from millstream.build").fetchone()
            self.building = row is not None
            self.columns = row[0] if row is not None else {}
            self.version = version

    def record(self, conn: psycopg.Connection, tick: int, counts: dict[str, int]) -> None:
        """Log the tick's changes; `counts` has the rows in each relation's session table."""
        for relation, names in self.columns.items():
            if counts.get(relation):
                listed = ", ".join([*names, WEIGHT])
                conn.execute(
                    f"INSERT INTO {log(relation)} ({listed}) SELECT {listed} FROM {changes(relation)}".encode()
                )
        conn.execute("update millstream.build set logged = %s", [tick])


def start_logging(
    conn: psycopg.Connection, views: Sequence[str], states: Sequence[str], logs: Sequence[Log], steps: int
) -> None:
    """Let ticks log from the next one on; the caller's transaction has the turn."""
    for each in logs:
        conn.execute(each.create().encode())
    conn.execute(
        "insert into millstream.build (views, states, logs, tick, steps)"
        " select %s, %s, %s, c.tick, %s from millstream.clock as c",
        [list(views), list(states), json.dumps({each.relation: each.names for each in logs}), steps],
    )
    conn.execute("update millstream.clock set feeds = feeds + 1")


def stop_logging(conn: psycopg.Connection, relations: Sequence[str]) -> None:
    """Let ticks log no more; the caller's transaction has the turn."""
    for relation in relations:
        conn.execute(f"DROP TABLE IF EXISTS {log(relation)}".encode())
    conn.execute("delete from millstream.build")
    conn.execute("update millstream.clock set feeds = feeds + 1")


def clear_away_build(conn: psycopg.Connection) -> list[str]:
    """Remove what a deployment that ended early has left; returns the views that it was building.

    The caller's transaction has the place of deployments, so that nobody is building, and the turn.
    """
    drop_invalid(conn)
    row = conn.execute("select views, states, indexes, logs from millstream.build").fetchone()
    if row is None:
        return []
    views, states, indexes, logs = row
    catalogue = store.load(conn)
    for index in indexes:
        drop_index(conn, index)
    for name in states:
        if name in catalogue.states and name not in catalogue.needed():
            remove_state(conn, catalogue.states[name])
    stop_logging(conn, list(logs))
    return list(views)


def drop_invalid(conn: psycopg.Connection) -> None:
    """Drop the indexes that were begun and not finished, when nobody makes one."""
    rows = conn.execute(
        "select i.indexrelid::regclass::text from pg_index as i join pg_class as c on c.oid = i.indexrelid"
        " where not i.indisvalid and c.relnamespace = 'millstream_data'::regnamespace"
    ).fetchall()
    for (name,) in rows:
        drop_index(conn, name)


def drop_index(conn: psycopg.Connection, name: str) -> None:
    """Drop an index of an ended build; where a reader of its table is in the way it stays, and costs a little."""
    with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected), conn.transaction():
        only_a_moment(conn)
        conn.execute(f"DROP INDEX IF EXISTS {name}".encode())


def clear_away_ended_build(conn: psycopg.Connection) -> list[str]:
    """Remove what is left of a build whose deployment has ended; the caller's transaction has the turn."""
    row = conn.execute("select pg_try_advisory_xact_lock(%s)", [BUILD_LOCK]).fetchone()
    return clear_away_build(conn) if row is not None and row[0] else []
