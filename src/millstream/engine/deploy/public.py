"""The view that readers see: it stands over a stored version, or over a plain view's text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg

from millstream.compiler.binder.plain import in_postgres_words
from millstream.compiler.binder.scope import Context
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.names import quote, table
from millstream.compiler.syntax.declarations.declared import TableDeclaration
from millstream.diagnostics import refuse
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.project_settings import read_project_settings
from millstream.engine.catalog.records import Column
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.state.rights import barrier, grant

CLOCK_CALL = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|(\bnow\s*\(\s*\)|\bcurrent_timestamp\b)", re.I)


def columns_of(conn: psycopg.Connection, state: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name, type) of stored columns, in the order asked for."""
    rows = conn.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        [table(state)],
    ).fetchall()
    types = {row[0]: row[1] for row in rows}
    return [(name, types[name]) for name in names]


def declared_columns(conn: psycopg.Connection, state: str, declared: TableDeclaration) -> tuple[Column, ...]:
    """The stored columns that a source table declares."""
    solid = {column.name for column in declared.columns if not column.nullable}
    typed = columns_of(conn, state, [column.name for column in declared.columns])
    return tuple((name, type_, name not in solid) for name, type_ in typed)


def visible_columns(conn: psycopg.Connection, top: Node) -> tuple[Column, ...]:
    """The stored columns of a view's last node that its readers see."""
    nullable = {stored: attribute.nullable for stored, attribute in top.outputs}
    return tuple((name, type_, nullable[name]) for name, type_ in columns_of(conn, top.name, top.visible))


def show_version(conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, top: Node) -> None:
    """Point the public view to the table of a view's last node; views that stand on it are kept, or made again where
    columns changed.
    """
    relation = top.relation
    listed = ", ".join(quote(column) for column in top.visible)
    guard = f" WHERE {quote(relation.guard)}" if relation.guard else ""
    select = f"SELECT {listed} FROM {table(relation.name)}{guard}"
    conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
    replace_view(conn, catalogue, schema, name, select)
    grant(conn, schema, name, "materialized_view")


def is_shown(conn: psycopg.Connection, schema: str, name: str) -> bool:
    """Tell whether the public view of a relation is there; somebody may have dropped it by hand."""
    row = conn.execute("select to_regclass(%s) is not null", [f"{quote(schema)}.{quote(name)}"]).fetchone()
    return bool(row and row[0])


def shown_text(catalogue: Catalogue, sql: str, path: str | None) -> str:
    """A plain view as PostgreSQL keeps it."""
    return on_the_clock(in_postgres_words(sql, Context(Resolver(catalogue), path=path)))


def on_the_clock(sql: str) -> str:
    """Let now() in a plain view read the engine's clock, as in a materialized one: once for a query, as a subquery is."""
    return CLOCK_CALL.sub(lambda found: "(select millstream.read_now())" if found[1] else found[0], sql)


def replace_view(conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, select: str) -> None:
    """CREATE OR REPLACE VIEW, and where PostgreSQL cannot replace, drop and make again with what stands on it."""
    view = f"{quote(schema)}.{quote(name)}"
    settings = read_project_settings(conn)
    made = f"VIEW {view}{barrier(name, settings)} AS {select}"
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
                text = shown_text(catalogue, found.text, found.path)
                view = f"{quote(found.schema)}.{quote(found.name)}"
                conn.execute(f"CREATE VIEW {view}{barrier(found.name, settings)} AS {text}".encode())
            except psycopg.Error as error:
                raise refuse(
                    "MS045",
                    None,
                    path=found.path,
                    name=name,
                    reader=found.name,
                    message=error.diag.message_primary or str(error),
                ) from error
            grant(conn, found.schema, found.name, "view")
