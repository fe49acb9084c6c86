"""Add columns to a source table that holds rows. What reads the table goes on with the columns that it knew."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.compiler.syntax.declarations.declared import TableDeclaration
from millstream.diagnostics import refuse
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import Entry, StoredPin, StoredTable, StoredView
from millstream.engine.deploy.public import declared_columns
from millstream.engine.state.source import Source
from millstream.engine.state.types import check_expressions, create_composites


def extend_table(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    existing: Entry,
    before: TableDeclaration,
    declared: TableDeclaration,
    ddl: str,
    path: str | None,
) -> int:
    """Add nullable columns at the end; anything else would lose or invent data and is refused. Returns how many.

    Versions that read the table keep their columns, so that they can be built again afterwards, while ticks go on.
    """
    added = declared.columns[len(before.columns) :]
    kept = declared.columns[: len(before.columns)]
    same = [(c.name, c.type, c.nullable, c.generated, c.identity) for c in kept] == [
        (c.name, c.type, c.nullable, c.generated, c.identity) for c in before.columns
    ]
    rules = (declared.key, declared.conflict, declared.versions) == (
        before.key,
        before.conflict,
        before.versions,
    )
    if not same or not rules or any(not c.nullable for c in added):
        raise refuse("MS035", None, path=path, name=existing.name)
    state = catalogue.table(existing.state)
    source = Source(state.name, f"{quote(existing.schema)}.{quote(existing.name)}", declared)
    create_composites(conn, declared.composites)
    check_expressions(conn, declared, source.clients.generated, path)
    for statement in source.add(added):
        conn.execute(statement.encode())
    extended = replace(
        state,
        definition=ddl,
        path=path,
        columns=declared_columns(conn, state.name, declared),
        triggers=source.clients.triggers_mark,
    )
    store.change_table(conn, extended)
    for view in catalogue.views:
        keep_columns(conn, view, state)
    store.put_entry(conn, Entry(existing.schema, existing.name, "table", state.name, ddl, path))
    store.raise_epoch(conn)
    return len(added)


def keep_columns(conn: psycopg.Connection, view: StoredView, source: StoredTable) -> None:
    """Let a version mean the columns that a table had when it was compiled; the next deployment compiles it anew."""
    before = StoredPin(source.name, len(source.columns))
    reads = {name: before if pin == StoredPin(source.name) else pin for name, pin in view.reads.items()}
    if reads != view.reads:
        store.change_reads(conn, view, reads)
