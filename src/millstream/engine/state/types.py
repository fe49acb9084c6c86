"""Types of columns: PostgreSQL knows them, and their values can be compared, hashed and ordered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import psycopg

from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.names import DATA, quote, table
from millstream.compiler.syntax.declarations.declared import TableDeclaration
from millstream.diagnostics import Place, refuse

# The types of nearly all columns, which need no question.
KNOWN = re.compile(
    r"(smallint|int|integer|bigint|real|double precision|decimal|numeric|boolean|text|varchar|character varying|date|"
    r"timestamp|timestamptz|timestamp with(out)? time zone|interval|jsonb|bytea|uuid)(\(\d+(, *\d+)?\))?(\[\])*",
    re.I,
)


def create_composites(conn: psycopg.Connection, composites: Iterable[tuple[str, str]]) -> None:
    """Create the composite types of structs that are not there yet: name and fields, inner ones first."""
    for name, fields in composites:
        row = conn.execute("select to_regtype(%s)", [name]).fetchone()
        if row is None or row[0] is None:
            conn.execute(f"CREATE TYPE {name} AS ({fields})".encode())


def drop_composites(conn: psycopg.Connection) -> None:
    """Drop the composite types of structs that nothing has columns or parameters of.

    None while a view casts to some struct: PostgreSQL knows of no type that stands in a tick's expression alone.
    """
    rows = conn.execute(
        "select oid::regtype::text from pg_type where typtype = 'c' and typname like 'struct<%%'"
        " and typnamespace = %s::regnamespace and not exists ("
        " select from millstream.state where kind = 'materialized_view' and definition ~* 'struct\\s*<')"
        " order by oid desc",
        [DATA],
    ).fetchall()
    for (name,) in rows:
        with suppress(psycopg.errors.DependentObjectsStillExist), conn.transaction():
            conn.execute(f"DROP TYPE {name}".encode())


def check_types(conn: psycopg.Connection, declared: TableDeclaration, path: str | None) -> None:
    """Refuse columns of a source table whose type PostgreSQL does not know, or cannot compare."""
    with conn.transaction(force_rollback=True):
        create_composites(conn, declared.composites)
        for column in declared.columns:
            written = column.struct or column.type.lower()
            check_type(conn, column.type, column.name, written, path, column.place)


def check_expressions(
    conn: psycopg.Connection, declared: TableDeclaration, generated: Mapping[str, str], path: str | None
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
            raise refuse(
                "MS028/value of a column",
                column.place,
                path=path,
                instead=error.diag.message_hint or "",
                column=column.name,
                message=str(error.diag.message_primary),
            ) from error


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
            check_type(conn, type_, label, type_, path, (None, None))


def check_type(
    conn: psycopg.Connection, type_: str, column: str, written: str, path: str | None, at: Place
) -> None:
    """Refuse a type that PostgreSQL does not know, or of which it cannot hash, compare and order values.

    The refusal names the column and its type as it is `written`.
    """
    if KNOWN.fullmatch(type_):
        return
    if not accepts(conn, f"SELECT NULL::{type_}"):
        raise refuse("MS036/unknown", at, path=path, column=column, type=written)
    row = f"ROW(NULL::{type_})"
    if not accepts(conn, f"SELECT hash_record_extended({row}, 0), {row} = {row}, {row} < {row}"):
        raise refuse("MS036/incomparable", at, path=path, column=column, type=written)


def accepts(conn: psycopg.Connection, statement: str) -> bool:
    """Tell whether PostgreSQL knows the types and the comparisons in a statement."""
    try:
        with conn.transaction():
            conn.execute(statement.encode())
    except (psycopg.errors.UndefinedObject, psycopg.errors.UndefinedFunction, psycopg.errors.SyntaxError):
        return False
    return True
