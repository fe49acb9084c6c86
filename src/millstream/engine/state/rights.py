"""Who may read and write what is deployed, by its kind and its name."""

from __future__ import annotations

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.engine.catalog.project_settings import ProjectSettings, read_project_settings

READER, WRITER = "millstream_reader", "millstream_writer"


def grant(conn: psycopg.Connection, schema: str, name: str, kind: str, *, private: bool = False) -> None:
    """Sources are the writer's unless they are private; of the views, those with the reader's prefix are the reader's, those
    with the writer's are for the writer to read, and nothing else is anybody's."""
    relation = f"{quote(schema)}.{quote(name)}"
    is_source = kind == "table"
    role = WRITER if is_source else role_that_reads(name, read_project_settings(conn))
    rights = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE" if is_source else "SELECT"
    if role is None or not is_there(conn, role):
        return
    conn.execute(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {role}".encode())
    if private:
        conn.execute(f"REVOKE ALL ON {relation} FROM {role}".encode())
    else:
        conn.execute(f"GRANT {rights} ON {relation} TO {role}".encode())


def is_there(conn: psycopg.Connection, role: str) -> bool:
    """Tell whether the server has a role; one that Millstream did not start may lack it."""
    return conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is not None


def role_that_reads(name: str, settings: ProjectSettings) -> str | None:
    """The role that may read a view of that name; None where only the owner may."""
    if name.startswith(settings.reader_prefix):
        return READER
    return WRITER if name.startswith(settings.writer_prefix) else None


def change_rights(
    conn: psycopg.Connection, schema: str, name: str, before: ProjectSettings, after: ProjectSettings
) -> None:
    """Take a view from the role that it was for, and give it to the one that it is for now."""
    old, new = role_that_reads(name, before), role_that_reads(name, after)
    if old == new:
        return
    view = f"{quote(schema)}.{quote(name)}"
    if old is not None and is_there(conn, old):
        conn.execute(f"REVOKE SELECT ON {view} FROM {old}".encode())
    change = "SET (security_barrier)" if new is not None else "RESET (security_barrier)"
    conn.execute(f"ALTER VIEW {view} {change}".encode())
    grant(conn, schema, name, "view")


def barrier(name: str, settings: ProjectSettings) -> str:
    """The option of a view that others than the owner may read: conditions of its reader's own see only the rows that it
    shows. One that fails on a value, or is slow on it, would tell of the others.
    """
    return " WITH (security_barrier)" if role_that_reads(name, settings) is not None else ""
