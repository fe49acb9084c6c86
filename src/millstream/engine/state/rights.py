"""Who may read and write what is deployed, by its kind and its name."""

from __future__ import annotations

import psycopg

from millstream.compiler.postgres.names import quote

READER, WRITER = "millstream_reader", "millstream_writer"


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
