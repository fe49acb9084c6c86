"""Stored relations that nothing deployed needs any more."""

from __future__ import annotations

import psycopg

from millstream.compiler.postgres.names import table
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import State, StoredTable
from millstream.engine.state.source import source_of
from millstream.engine.state.types import drop_composites


def unused_states(catalogue: Catalogue) -> list[State]:
    """The state that nothing deployed needs any more."""
    needed = catalogue.needed()
    return [state for state in catalogue.states.values() if state.name not in needed]


def remove_state(conn: psycopg.Connection, state: State) -> None:
    """Drop the tables of one state."""
    for name in reversed(state.tables):
        conn.execute(f"DROP TABLE IF EXISTS {table(name)} CASCADE".encode())
        conn.execute("delete from millstream.node_stats where node = %s", [name])
    if isinstance(state, StoredTable):
        for statement in source_of(state).drop():
            conn.execute(statement.encode())
    conn.execute("delete from millstream.state where name = %s", [state.name])
    drop_composites(conn)
