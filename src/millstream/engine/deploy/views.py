"""The public side of deploying: names, views over state tables, grants, dropping, and what nobody reads any more."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import psycopg

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.ddl import parse_table
from millstream.compiler.binder.parse import parse
from millstream.compiler.binder.plain import in_postgres_words
from millstream.compiler.binder.reads import relations, tables
from millstream.compiler.binder.scope import Context
from millstream.compiler.postgres.names import pending, quote, table
from millstream.diagnostics import refuse
from millstream.engine.catalog import store
from millstream.engine.catalog.store import Catalogue, State
from millstream.engine.state.functions import forget
from millstream.engine.state.source import source_of
from millstream.engine.state.types import drop_composites
from millstream.errors import Diagnostic, MillstreamError, Refused, StillRead

READER, WRITER = "millstream_reader", "millstream_writer"
NAME_IN_USE = (
    "choose another name, or remove the other from the project and drop it (dbt run-operation drop_removed)"
)


def columns_of(conn: psycopg.Connection, state: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name, type) of stored columns, in the order asked for."""
    rows = conn.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        [table(state)],
    ).fetchall()
    types = {row[0]: row[1] for row in rows}
    return [(name, types[name]) for name in names]


def show(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    schema: str,
    name: str,
    relation: Relation,
    columns: list[str],
) -> None:
    """Point the public view to a state table; views that stand on it are kept, or made again where columns changed."""
    listed = ", ".join(quote(c) for c in columns)
    guard = f" WHERE {quote(relation.guard)}" if relation.guard else ""
    select = f"SELECT {listed} FROM {table(relation.name)}{guard}"
    conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
    replace_view(conn, catalogue, schema, name, select)
    grant(conn, schema, name, "materialized_view")


def is_shown(conn: psycopg.Connection, schema: str, name: str) -> bool:
    """Tell whether the public view of a relation is there; somebody may have dropped it by hand."""
    row = conn.execute("select to_regclass(%s) is not null", [f"{quote(schema)}.{quote(name)}"]).fetchone()
    return bool(row and row[0])


CLOCK_CALL = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|(\bnow\s*\(\s*\)|\bcurrent_timestamp\b)", re.I)


def shown_text(catalogue: Catalogue, sql: str, path: str | None) -> str:
    """A plain view as PostgreSQL keeps it."""
    return on_the_clock(in_postgres_words(sql, Context(catalogue, path=path)))


def on_the_clock(sql: str) -> str:
    """Let now() in a plain view read the engine's clock, as in a materialized one: once for a query, as a subquery is."""
    return CLOCK_CALL.sub(lambda found: "(select millstream.read_now())" if found[1] else found[0], sql)


def replace_view(conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, select: str) -> None:
    """CREATE OR REPLACE VIEW, and where PostgreSQL cannot replace, drop and make again with what stands on it."""
    view = f"{quote(schema)}.{quote(name)}"
    made = f"VIEW {view}{barrier(name)} AS {select}"
    try:
        with conn.transaction():
            conn.execute(f"CREATE OR REPLACE {made}".encode())
        return
    except psycopg.errors.InvalidTableDefinition:
        pass
    conn.execute(f"DROP VIEW {view} CASCADE".encode())
    conn.execute(f"CREATE {made}".encode())
    for found in catalogue.relations.values():
        if found.kind != "view":
            continue
        row = conn.execute(
            "select to_regclass(%s)", [f"{quote(found.schema)}.{quote(found.name)}"]
        ).fetchone()
        if row is None or row[0] is None:
            try:
                text = shown_text(catalogue, found.definition, found.path)
                view = f"{quote(found.schema)}.{quote(found.name)}"
                conn.execute(f"CREATE VIEW {view}{barrier(found.name)} AS {text}".encode())
            except psycopg.Error as error:
                raise MillstreamError(
                    f"{name} changed its columns, and the view {found.name} needs the old ones: {error}\n"
                    f"  hint: let {found.name} do without them first (dbt run --select {found.name}), then run {name}"
                ) from error
            grant(conn, found.schema, found.name, "view")


def free_name(
    conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, kind: str, path: str | None
) -> None:
    """Refuse to deploy a thing under the name of a thing of another kind."""
    found = catalogue.named(schema, name)
    if found is not None and found.kind != kind:
        why = f"a {found.kind} of that name is deployed"
        raise Refused(Diagnostic("MS032", name, why, NAME_IN_USE, path))
    row = conn.execute(
        "select c.relkind::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = %s",
        [schema, name],
    ).fetchone()
    if found is None and row is not None:
        why = f"{schema}.{name} exists in the database and was not deployed by Millstream"
        raise Refused(Diagnostic("MS032", name, why, "drop or rename it, or choose another name", path))


def grant(conn: psycopg.Connection, schema: str, name: str, kind: str, *, private: bool = False) -> None:
    """Sources are the writer's unless they are private, serve_* views the reader's, load_* views are for the writer to read,
    and nothing else is anybody's."""
    relation = f"{quote(schema)}.{quote(name)}"
    if kind == "table":
        role, rights = WRITER, "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"
    elif is_served(name):
        role, rights = READER, "SELECT"
    elif is_loaded_from(name):
        role, rights = WRITER, "SELECT"
    else:
        return
    if conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is None:
        return
    conn.execute(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {role}".encode())
    if private:
        conn.execute(f"REVOKE ALL ON {relation} FROM {role}".encode())
    else:
        conn.execute(f"GRANT {rights} ON {relation} TO {role}".encode())


def is_served(name: str) -> bool:
    """Tell whether the reader may read a view."""
    return name.startswith("serve_")


def is_loaded_from(name: str) -> bool:
    """Tell whether the writer may read a view."""
    return name.startswith("load_")


def has_barrier(name: str) -> bool:
    """Tell whether anybody but the owner may read a view."""
    return is_served(name) or is_loaded_from(name)


def barrier(name: str) -> str:
    """The option of a view that lets conditions of its reader's own see only the rows that it shows: one that fails on a
    value, or is slow on it, would tell of the others.
    """
    return " WITH (security_barrier)" if has_barrier(name) else ""


def readers_of(catalogue: Catalogue, schema: str, name: str) -> list[store.Deployed]:
    """Return what directly reads a name now: materialized views, sinks and plain views."""
    key = f"{schema}.{name}"
    found = []
    for deployed in catalogue.relations.values():
        state = catalogue.states.get(deployed.state or "")
        if deployed.kind == "materialized_view" and state is not None and key in state.reads:
            found.append(deployed)
        elif deployed.kind == "sink":
            definition = json.loads(deployed.definition)
            target = catalogue.states.get(definition["target"])
            source = catalogue.states.get(deployed.state or "")
            if any(s is not None and (s.schema, s.relation) == (schema, name) for s in (target, source)):
                found.append(deployed)
        elif deployed.kind == "view" and (schema, name) in relations(parse(deployed.definition)):
            found.append(deployed)
    return found


def drop(conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, cascade: bool) -> None:
    """Forget a name and remove its public view."""
    found = catalogue.named(schema, name)
    if found is None:
        raise MillstreamError(
            f"nothing is deployed as {schema}.{name}\n  hint: `millstream status` lists what is"
        )
    readers = readers_of(catalogue, schema, name)
    if readers and not cascade:
        raise StillRead(name, [reader.name for reader in readers])
    for reader in readers:
        current = store.load(conn)
        if current.named(reader.schema, reader.name) is not None:
            drop(conn, current, reader.schema, reader.name, cascade)
    view = f"{quote(schema)}.{quote(name)}"
    if found.kind == "function":
        conn.execute(f"DROP FUNCTION IF EXISTS {view}".encode())
        for statement in forget(schema, name, found.definition):
            conn.execute(statement.encode())
    elif found.kind != "sink":
        what = "TABLE" if found.kind == "table" else "VIEW"
        conn.execute(f"DROP {what} IF EXISTS {view} CASCADE".encode())
    conn.execute("delete from millstream.relation where schema_name = %s and name = %s", [schema, name])


def idle(catalogue: Catalogue) -> list[State]:
    """The state that nothing deployed needs any more."""
    needed = catalogue.needed()
    return [state for state in catalogue.states.values() if state.name not in needed]


def remove(conn: psycopg.Connection, state: State) -> None:
    """Drop the tables of one state."""
    for name in reversed(state.tables):
        conn.execute(f"DROP TABLE IF EXISTS {table(name)} CASCADE".encode())
        conn.execute("delete from millstream.node_stats where node = %s", [name])
    if state.kind == "table":
        for statement in source_of(state).drop():
            conn.execute(statement.encode())
        drop_composites(conn, parse_table(state.definition, state.path))
    conn.execute("delete from millstream.state where name = %s", [state.name])


def sink_origin(catalogue: Catalogue, query: str, path: str | None) -> State:
    """Return the stored relation that a sink reads: FROM a materialized view or source table."""
    read = list(tables(parse(query, path)))
    found = catalogue.named(read[0].db or None, read[0].name) if len(read) == 1 else None
    if len(read) == 1 and found is None:
        name = f"{read[0].db}.{read[0].name}" if read[0].db else read[0].name
        raise refuse("MS002", None, name, path)
    if found is None or found.state is None or not query.lower().startswith("select * from"):
        raise Refused(
            Diagnostic(
                "MS034", "sink", "a sink reads one materialized view", "write  from view  in the sink", path
            )
        )
    return catalogue.states[found.state]


def written_columns(target: State) -> list[str]:
    """The columns of a source table that its writers give, without the generated ones."""
    return [c.name for c in parse_table(target.definition, target.path).columns if c.is_given]


def backfill_sink(conn: psycopg.Connection, catalogue: Catalogue, origin: State, target: State) -> None:
    """Keep the rows that are there already for the table."""
    columns = ", ".join(quote(name) for name in written_columns(target))
    guard = f" WHERE {quote(origin.detail['guard'])}" if origin.detail.get("guard") else ""
    conn.execute(
        f"INSERT INTO {pending(target.name)} ({columns}) SELECT {columns} FROM {table(origin.name)}{guard} "
        f"ORDER BY {columns}".encode()
    )


def repoint_sinks(conn: psycopg.Connection) -> None:
    """Let sinks read the newest version of their view, and send its rows: the table's key drops what it knows."""
    catalogue = store.load(conn)
    for deployed in catalogue.relations.values():
        if deployed.kind != "sink":
            continue
        definition = json.loads(deployed.definition)
        origin = sink_origin(catalogue, definition["query"], deployed.path)
        if origin.name != deployed.state:
            conn.execute(
                "update millstream.relation set state = %s where schema_name = %s and name = %s",
                [origin.name, deployed.schema, deployed.name],
            )
            backfill_sink(conn, catalogue, origin, catalogue.states[definition["target"]])
