"""Read and write the catalogue's rows."""

from __future__ import annotations

import json
from typing import Literal

import psycopg

from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.json_form import (
    detail_of,
    read_entry,
    read_state,
    table_detail,
    write_definition,
    write_pins,
)
from millstream.engine.catalog.records import Entry, Pins, State, StoredTable, StoredView

FEED_CHANNEL = "millstream_feed"  # notified when a change feed has something new


def load(conn: psycopg.Connection) -> Catalogue:
    """Read the whole catalogue."""
    relations = {
        (row[0], row[1]): read_entry(*row)
        for row in conn.execute(
            "select schema_name, name, kind, state, definition, path from millstream.relation"
        )
    }
    states = {
        row[0]: read_state(*row)
        for row in conn.execute(
            "select name, schema_name, relation_name, kind, definition, path, reads, tables, detail"
            " from millstream.state order by ordinal"
        )
    }
    return Catalogue(relations, states)


def list_relations(conn: psycopg.Connection, schema: str = "public") -> list[tuple[str, str]]:
    """Return (name, kind) of everything deployed in a schema."""
    rows = conn.execute(
        "select name, kind from millstream.relation where schema_name = %s order by name", [schema]
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def put_entry(conn: psycopg.Connection, new: Entry) -> None:
    """Let a name stand for something new."""
    conn.execute(
        "insert into millstream.relation (schema_name, name, kind, state, definition, path)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (schema_name, name) do update set kind = excluded.kind,"
        " state = excluded.state, definition = excluded.definition, path = excluded.path,"
        " deployed_at = clock_timestamp()",
        [new.schema, new.name, new.kind, new.state, write_definition(new.definition), new.path],
    )


def put_state(conn: psycopg.Connection, new: State) -> None:
    """Remember a stored relation."""
    kind, reads = ("materialized_view", new.reads) if isinstance(new, StoredView) else ("table", {})
    conn.execute(
        "insert into millstream.state (name, schema_name, relation_name, kind, definition, path, reads, tables, detail)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            new.name,
            new.schema,
            new.relation,
            kind,
            new.definition,
            new.path,
            json.dumps(write_pins(reads)),
            list(new.tables),
            json.dumps(detail_of(new)),
        ],
    )


def change_table(conn: psycopg.Connection, new: StoredTable) -> None:
    """Remember what has changed of a source table's declaration, its columns, its key or its triggers."""
    conn.execute(
        "update millstream.state set definition = %s, path = %s, detail = detail || %s where name = %s",
        [new.definition, new.path, json.dumps(table_detail(new)), new.name],
    )


def change_reads(conn: psycopg.Connection, view: StoredView, reads: Pins) -> None:
    """Let the names in a version mean something else; the next deployment compiles it anew."""
    conn.execute(
        "update millstream.state set reads = %s, detail = detail - 'fingerprint' where name = %s",
        [json.dumps(write_pins(reads)), view.name],
    )


def note(
    conn: psycopg.Connection, state: str, part: Literal["summary", "mark", "triggers", "pending"], text: str
) -> None:
    """Note one thing about a stored relation, beside what is known of it."""
    conn.execute(
        "update millstream.state set detail = detail || jsonb_build_object(%s::text, %s::text) where name = %s",
        [part, text, state],
    )


def raise_epoch(conn: psycopg.Connection) -> None:
    """Tell the worker that what it runs has changed."""
    conn.execute("update millstream.clock set epoch = epoch + 1")
    conn.execute("select pg_notify('millstream_queue', 'deploy')")


def setting(conn: psycopg.Connection, name: str) -> str:
    """Read one setting."""
    row = conn.execute("select value from millstream.setting where name = %s", [name]).fetchone()
    if row is None:
        raise KeyError(name)
    return str(row[0])
