"""Add columns to a source table that holds rows. What reads the table goes on with the columns that it knew."""

from __future__ import annotations

import json

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.compiler.syntax.ddl import Table
from millstream.diagnostics import refuse
from millstream.engine.catalog import store
from millstream.engine.catalog.store import Catalogue, State
from millstream.engine.deploy.public import columns_of
from millstream.engine.state.source import Source
from millstream.engine.state.types import check_expressions, create_composites


def extend_table(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    existing: store.Deployed,
    before: Table,
    declared: Table,
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
    state = catalogue.states[existing.state or ""]
    source = Source(state.name, f"{quote(existing.schema)}.{quote(existing.name)}", declared)
    create_composites(conn, declared)
    check_expressions(conn, declared, source.clients.generated, path)
    for statement in source.add(added):
        conn.execute(statement.encode())
    columns = columns_of(conn, state.name, [c.name for c in declared.columns])
    solid = {c.name for c in declared.columns if not c.nullable}
    detail = {
        **state.detail,
        "columns": [[n, t, n not in solid] for n, t in columns],
        "triggers": source.clients.triggers_mark,
    }
    conn.execute(
        "update millstream.state set definition = %s, path = %s, detail = %s where name = %s",
        [ddl, path, json.dumps(detail), state.name],
    )
    for reader in catalogue.states.values():
        keep_columns(conn, reader, state)
    store.put_relation(conn, store.Deployed(existing.schema, existing.name, "table", state.name, ddl, path))
    store.raise_epoch(conn)
    return len(added)


def keep_columns(conn: psycopg.Connection, reader: State, source: State) -> None:
    """Let a version mean the columns that a table had when it was compiled; the next deployment compiles it anew."""
    known = str(len(source.detail["columns"]))
    reads = {
        name: {"columns": known, **pin} if pin.get("state") == source.name else pin
        for name, pin in reader.reads.items()
    }
    if reads != reader.reads:
        conn.execute(
            "update millstream.state set reads = %s, detail = detail - 'fingerprint' where name = %s",
            [json.dumps(reads), reader.name],
        )
