"""Register Python functions and declare them to PostgreSQL, so that models can call them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import psycopg
import sqlglot
from sqlglot import exp

from millstream.compiler.dialect import DIALECT
from millstream.compiler.postgres.names import quote
from millstream.compiler.syntax.aggregate_calls import is_aggregate
from millstream.compiler.syntax.signatures import signatures
from millstream.diagnostics import refuse
from millstream.engine.catalog import store
from millstream.engine.catalog.records import Entry, PythonFunction
from millstream.engine.deploy.faults import refusing_faults
from millstream.engine.deploy.naming import check_name
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state import functions as function_types
from millstream.engine.state.types import create_composites


def deploy_function(
    conn: psycopg.Connection,
    name: str,
    arguments: Sequence[tuple[str, str]],
    returns: str,
    *,
    schema: str = "public",
    module: str,
    entry: str,
) -> Deployed:
    """Register a Python function and declare it to PostgreSQL, so that models can call it.

    The code is read again when the file changes; another signature needs another name (blend_v2), as on RisingWave.
    """
    file = Path(module).resolve()
    if not file.exists():
        raise refuse("MS041", None, path=module, name=name)
    if is_built_in(conn, name):
        raise refuse("MS032/built in", None, path=str(module), name=name)
    check_name(schema, name, str(module))
    code = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    definition = PythonFunction(tuple((n, t) for n, t in arguments), returns, str(file), entry, code)
    with refusing_faults(name, str(module)), conn.transaction():
        catalogue = begin_change(conn)
        existing = catalogue.named(schema, name)
        if existing is not None:
            if existing.kind != "function":
                raise refuse("MS032/function", None, path=str(module), name=name, kind=existing.kind)
            before = existing.definition
            if before == definition:
                return Deployed(name, "unchanged", "python function")
            if not isinstance(before, PythonFunction) or before.signature != definition.signature:
                raise refuse("MS033", None, path=str(module), name=name)
        else:
            conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            listed, result, made = function_types.signature(arguments, returns)
            create_composites(conn, made.items())
            conn.execute(function_types.declare_function(schema, name, listed, result).encode())
        store.put_entry(conn, Entry(schema, name, "function", None, definition, str(file)))
        store.raise_epoch(conn)
    return Deployed(name, "replaced" if existing is not None else "created", "python function")


def is_built_in(conn: psycopg.Connection, name: str) -> bool:
    """Tell whether a name is that of a function of SQL, which a call would mean instead."""
    call = sqlglot.parse_one(f"select {name}(1)", dialect=DIALECT).expressions[0]
    known = "select from pg_proc where proname = %s and pronamespace = 'pg_catalog'::regnamespace"
    return (
        not isinstance(call, exp.Anonymous)
        or is_aggregate(call)
        or name.lower() in signatures()
        or conn.execute(known, [name.lower()]).fetchone() is not None
    )
