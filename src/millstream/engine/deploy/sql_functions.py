"""Deploy SQL functions: models have their body put in, and PostgreSQL gets the function for queries and plain views."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import sqlglot

from millstream.compiler.binder.scope import SqlFunction
from millstream.compiler.binder.sql_functions import parse_function
from millstream.compiler.dialect import DIALECT, explicit, respell, write
from millstream.compiler.postgres.names import dollars, quote
from millstream.compiler.syntax.structs import Composites, spelled
from millstream.diagnostics import refuse
from millstream.engine.catalog.records import Entry
from millstream.engine.deploy.change import carry_out
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.faults import refusing_faults
from millstream.engine.deploy.naming import check_name
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.state.functions import read_type
from millstream.engine.state.locks import Tell


def deploy_sql_function(
    conn: psycopg.Connection,
    ddl: str,
    *,
    schema: str = "public",
    path: str | None = None,
    tell: Tell | None = None,
) -> Deployed:
    """Deploy CREATE FUNCTION … LANGUAGE sql. A changed body rebuilds the models that call it.

    RisingWave replaces no function: there, and where the signature changes, a changed function needs a new name.
    """
    function = parse_function(ddl, path)
    schema, name = function.schema or schema, function.name
    check_name(schema, name, path)
    function = replace(function, schema=schema)

    def prepare(draft: Draft) -> Deployed:
        existing = draft.catalogue.named(schema, name)
        if existing is not None and existing.definition == function:
            return Deployed(name, "unchanged", "sql function")
        if existing is not None:
            refuse_replacing(existing, function, path)
        draft.name(Entry(schema, name, "function", None, function, path))

        def declare() -> None:
            conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            conn.execute(declaration(function, schema).encode())

        draft.swaps.append(declare)
        draft.add_readers(schema, name)
        return Deployed(name, "replaced" if existing is not None else "created", "sql function")

    with refusing_faults(name, path, ddl):
        return carry_out(conn, prepare, tell)


def refuse_replacing(existing: Entry, function: SqlFunction, path: str | None) -> None:
    """Refuse to put a function in the place of something else, or of a function with another signature."""
    if existing.kind != "function":
        raise refuse("MS032/function", None, path=path, name=function.name, kind=existing.kind)
    before = existing.definition
    if not isinstance(before, SqlFunction) or (before.parameters, before.returns) != (
        function.parameters,
        function.returns,
    ):
        raise refuse("MS033", None, path=path, name=function.name)


def translated(type_: str, function: str) -> str:
    """PostgreSQL's type for a parameter or result of a SQL function."""
    made: Composites = {}
    text = spelled(read_type(type_), made)
    if made:
        raise refuse("MS059", None, f"{function} with a struct", None)
    return text


def declaration(function: SqlFunction, schema: str) -> str:
    """The function as PostgreSQL's."""
    listed = ", ".join(
        f"{quote(name)} {translated(type_, function.name)}" if name else translated(type_, function.name)
        for name, type_ in function.parameters
    )
    body = write(respell(explicit(sqlglot.parse_one(function.body, dialect=DIALECT))))
    returns = translated(function.returns, function.name)
    target = f"{quote(schema)}.{quote(function.name)}"
    text = dollars(f" SELECT {body} ")
    return f"CREATE OR REPLACE FUNCTION {target}({listed}) RETURNS {returns} LANGUAGE sql AS {text}"
