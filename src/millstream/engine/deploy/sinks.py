"""Deploy sinks: new rows of a view enter a source table in the tick that makes them."""

from __future__ import annotations

import psycopg

from millstream.compiler.postgres.names import pending, quote, table
from millstream.compiler.syntax.declarations.sinks import parse_sink
from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import tables
from millstream.diagnostics import refuse
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import Entry, Sink, State, StoredTable
from millstream.engine.deploy.faults import refusing_faults
from millstream.engine.deploy.naming import check_name, free_name
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state.source import source_of


def deploy_sink(
    conn: psycopg.Connection, name: str, ddl: str, *, schema: str = "public", path: str | None = None
) -> Deployed:
    """Deploy CREATE SINK … INTO table FROM view: new rows of the view enter the table in the same tick."""
    check_name(schema, name, path)
    sink = parse_sink(ddl, path)
    with refusing_faults(name, path, ddl), conn.transaction():
        catalogue = begin_change(conn)
        existing = catalogue.named(schema, name)
        if existing is None or existing.kind != "sink":
            free_name(conn, catalogue, schema, name, "sink", path)
        target = catalogue.named(*sink.target)
        if target is None or target.kind != "table":
            raise refuse("MS034/no target", None, path=path, target=sink.target[1], sink=name)
        origin = sink_origin(catalogue, sink.query, path)
        into = catalogue.table(target.state)
        columns = set(written_columns(into))
        missing = [name for name in origin.column_names if name not in columns]
        lacking = [name for name in columns if name not in origin.column_names]
        if missing or lacking:
            columns_apart = ", ".join(sorted(missing + lacking))
            raise refuse("MS034/columns", None, path=path, target=target.name, columns=columns_apart)
        definition = Sink(" ".join(ddl.split()), into.name, sink.query)
        if existing is not None and existing.definition == definition and existing.state == origin.name:
            return Deployed(name, "unchanged", f"into {target.name}")
        store.put_entry(conn, Entry(schema, name, "sink", origin.name, definition, path))
        conn.execute(source_of(into).create_pending().encode())
        backfill_sink(conn, origin, into)
        store.raise_epoch(conn)
    return Deployed(name, "replaced" if existing is not None else "created", f"into {target.name}")


def sink_origin(catalogue: Catalogue, query: str, path: str | None) -> State:
    """Return the stored relation that a sink reads: FROM a materialized view or source table."""
    read = list(tables(parse(query, path)))
    found = catalogue.named(read[0].db or None, read[0].name) if len(read) == 1 else None
    if len(read) == 1 and found is None:
        name = f"{read[0].db}.{read[0].name}" if read[0].db else read[0].name
        raise refuse("MS002", None, name, path)
    if found is None or found.state is None or not query.lower().startswith("select * from"):
        raise refuse("MS034/source", None, path=path)
    return catalogue.states[found.state]


def written_columns(target: StoredTable) -> list[str]:
    """The columns of a source table that its writers give, without the generated ones."""
    return [c.name for c in parse_table(target.definition, target.path).columns if c.is_given]


def backfill_sink(conn: psycopg.Connection, origin: State, target: StoredTable) -> None:
    """Keep the rows that are there already for the table."""
    columns = ", ".join(quote(name) for name in written_columns(target))
    hidden = origin.as_relation().guard
    guard = f" WHERE {quote(hidden)}" if hidden else ""
    conn.execute(
        f"INSERT INTO {pending(target.name)} ({columns}) SELECT {columns} FROM {table(origin.name)}{guard} "
        f"ORDER BY {columns}".encode()
    )


def repoint_sinks(conn: psycopg.Connection) -> None:
    """Let sinks read the newest version of their view, and send its rows: the table's key drops what it knows."""
    catalogue = store.load(conn)
    for entry, sink in catalogue.sinks():
        origin = sink_origin(catalogue, sink.query, entry.path)
        if origin.name != entry.state:
            conn.execute(
                "update millstream.relation set state = %s where schema_name = %s and name = %s",
                [origin.name, entry.schema, entry.name],
            )
            backfill_sink(conn, origin, catalogue.table(sink.target))
