"""Types of columns: PostgreSQL knows them, and their values can be compared, hashed and ordered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import psycopg

from millstream.compiler.binder.ddl import Table
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.names import quote, table
from millstream.errors import Diagnostic, Refused

# The types of nearly all columns, which need no question.
KNOWN = re.compile(
    r"(smallint|int|integer|bigint|real|double precision|decimal|numeric|boolean|text|varchar|character varying|date|"
    r"timestamp|timestamptz|timestamp with(out)? time zone|interval|jsonb|bytea|uuid)(\(\d+(, *\d+)?\))?(\[\])*",
    re.I,
)


def create_composites(conn: psycopg.Connection, declared: Table) -> None:
    """Create the composite types of a source table's structs that are not there yet."""
    for name, fields in declared.composites:
        row = conn.execute("select to_regtype(%s)", [name]).fetchone()
        if row is None or row[0] is None:
            conn.execute(f"CREATE TYPE {name} AS ({fields})".encode())


def drop_composites(conn: psycopg.Connection, declared: Table) -> None:
    """Drop the composite types of a source table that nothing else has columns of."""
    for name, _ in reversed(declared.composites):
        with suppress(psycopg.errors.DependentObjectsStillExist), conn.transaction():
            conn.execute(f"DROP TYPE IF EXISTS {name}".encode())


def check_types(conn: psycopg.Connection, declared: Table, path: str | None) -> None:
    """Refuse columns of a source table whose type PostgreSQL does not know, or cannot compare."""
    with conn.transaction(force_rollback=True):
        create_composites(conn, declared)
        for column in declared.columns:
            written = column.struct or column.type.lower()
            check_type(
                conn,
                column.type,
                Diagnostic("MS036", f"column {column.name}: {written}", "", "", path, *column.place),
            )


def check_expressions(
    conn: psycopg.Connection, declared: Table, generated: Mapping[str, str], path: str | None
) -> None:
    """Refuse defaults and generated columns that PostgreSQL cannot compute; these would fail at every INSERT.

    `generated` has the expressions of the generated columns, by their quoted names.
    """
    values = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in declared.columns)
    for column in declared.columns:
        expression = generated.get(quote(column.name), column.default)
        if expression is None:
            continue
        try:
            with conn.transaction(force_rollback=True):
                conn.execute(
                    f"EXPLAIN SELECT CAST(({expression}) AS {column.type}) FROM (SELECT {values}) AS s".encode()
                )
        except (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError) as error:
            construct = f"column {column.name}: {error.diag.message_primary}"
            why = "PostgreSQL, which computes its values here, does not accept that"
            hint = error.diag.message_hint or "correct the expression, or compute the value in staging"
            raise Refused(Diagnostic("MS028", construct, why, hint, path, *column.place)) from error


def check_stored_types(conn: psycopg.Connection, nodes: Sequence[Node], path: str | None) -> None:
    """Refuse a model that has to store values which PostgreSQL cannot compare."""
    for node in nodes:
        rows = conn.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            [table(node.name)],
        ).fetchall()
        shown = {stored: attribute.name for stored, attribute in node.outputs}
        for name, type_ in rows:
            label = re.sub(r"_\d+$", "", name) if shown.get(name) == name else name
            check_type(conn, type_, Diagnostic("MS036", f"column {label}: {type_}", "", "", path))


def check_type(conn: psycopg.Connection, type_: str, column: Diagnostic) -> None:
    """Refuse a type that PostgreSQL does not know, or of which it cannot hash, compare and order values."""
    if KNOWN.fullmatch(type_):
        return
    if not accepts(conn, f"SELECT NULL::{type_}"):
        why = "PostgreSQL has no type of that name"
        raise Refused(replace(column, why=why, hint="declare a type that both engines have"))
    row = f"ROW(NULL::{type_})"
    if not accepts(conn, f"SELECT hash_record_extended({row}, 0), {row} = {row}, {row} < {row}"):
        raise Refused(incomparable(column))


def accepts(conn: psycopg.Connection, statement: str) -> bool:
    """Tell whether PostgreSQL knows the types and the comparisons in a statement."""
    try:
        with conn.transaction():
            conn.execute(statement.encode())
    except (psycopg.errors.UndefinedObject, psycopg.errors.UndefinedFunction, psycopg.errors.SyntaxError):
        return False
    return True


def incomparable(column: Diagnostic) -> Diagnostic:
    """What is said of a column whose values are neither equal nor different."""
    why = "values of the type cannot be compared, so a change of them could not be seen"
    hint = "use jsonb for documents, text for what is only passed on, or take out the parts that matter"
    return replace(column, why=why, hint=hint)
