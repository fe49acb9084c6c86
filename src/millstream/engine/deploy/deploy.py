"""Deploy: compare a definition with what runs, build what is new beside it, and swap."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import sqlglot
from sqlglot import exp

from millstream.compiler.binder.aggregates import is_aggregate
from millstream.compiler.binder.ddl import Table, parse_sink, parse_table
from millstream.compiler.binder.signatures import signatures
from millstream.compiler.dialect import DIALECT
from millstream.compiler.incremental.node import HASH
from millstream.compiler.portable.rules import refuse_unportable
from millstream.compiler.postgres.names import pending, queue, quote
from millstream.engine.catalog import store
from millstream.engine.catalog.install import install
from millstream.engine.catalog.store import Catalogue, State
from millstream.engine.deploy import views
from millstream.engine.deploy.beside import Prepare, Steps, carry_out, carrying_out
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.extend import extend_table
from millstream.engine.deploy.faults import told
from millstream.engine.deploy.naming import check_name, table_state
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.plain import add_plain
from millstream.engine.deploy.transaction import begin, collect
from millstream.engine.deploy.unchanged import as_deployed, remember
from millstream.engine.earlier.convert_sources import convert_sources
from millstream.engine.earlier.rename_columns import rename_columns
from millstream.engine.state import feed
from millstream.engine.state import functions as function_types
from millstream.engine.state.locks import Tell, only_a_moment, patiently, place_of_deployments
from millstream.engine.state.source import Source, source_of
from millstream.engine.state.types import check_expressions, check_types, create_composites
from millstream.errors import Diagnostic, MillstreamError, Refused

GONE_SECONDS = 2  # how often the server looks, within a statement, whether who asked for it is still there


def connect(dsn: str) -> psycopg.Connection:
    """Connect for deploying; installs the catalogue in a database that has none."""
    conn = psycopg.connect(dsn, autocommit=True)
    try:
        conn.execute("set timezone = 'UTC'")
        conn.execute(f"set client_connection_check_interval = '{GONE_SECONDS}s'")
        install(conn)
        rename_columns(conn)
        convert_sources(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def deploy_table(
    conn: psycopg.Connection,
    name: str,
    ddl: str,
    *,
    schema: str = "public",
    path: str | None = None,
    private: bool = False,
    tell: Tell | None = None,
) -> Deployed:
    """Deploy a source table from RisingWave's CREATE TABLE. New nullable columns may be added at the end later.

    A `private` one is the owner's alone: the writer's role may neither read nor write it.
    """
    check_name(schema, name, path)
    declared = parse_table(ddl, path, new=True)

    def declare() -> Deployed:
        catalogue = begin(conn)
        check_types(conn, declared, path)
        existing = catalogue.named(schema, name)
        if existing is None or existing.kind != "table" or existing.state is None:
            views.free_name(conn, catalogue, schema, name, "table", path)
            create_table(conn, catalogue, schema, name, declared, ddl, path)
            return Deployed(name, "created", "source table")
        before = parse_table(existing.definition, existing.path)
        if before == declared:
            return Deployed(name, "unchanged", "source table")
        only_a_moment(conn)
        added = extend_table(conn, catalogue, existing, before, declared, ddl, path)
        return Deployed(name, "replaced", f"source table, {added} columns added")

    def declare_and_grant() -> Deployed:
        with conn.transaction():
            deployed = declare()
            views.grant(conn, schema, name, "table", private=private)
            return deployed

    with told(name, path, ddl), place_of_deployments(conn, tell):
        deployed = patiently(conn, declare_and_grant)
        if deployed.action != "replaced":
            return deployed

        def build_readers(draft: Draft) -> Deployed:
            draft.add_readers(schema, name)
            return deployed

        return carry_out(conn, build_readers, tell)


def create_table(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    schema: str,
    name: str,
    declared: Table,
    ddl: str,
    path: str | None,
) -> None:
    """Create a source table: the one that clients write to, its queue, and the engine's copy."""
    state = table_state(catalogue, schema, name)
    conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
    create_composites(conn, declared)
    source = Source(state, f"{quote(schema)}.{quote(name)}", declared)
    check_expressions(conn, declared, source.clients.generated, path)
    for statement in source.create():
        conn.execute(statement.encode())
    columns = views.columns_of(conn, state, [c.name for c in declared.columns])
    solid = {c.name for c in declared.columns if not c.nullable}
    detail = {
        "columns": [[n, t, n not in solid] for n, t in columns],
        "key": list(declared.key) or [HASH],
        "queue": queue(state),
        "pending": pending(state),
        "append_only": declared.append_only,
        "triggers": source.clients.triggers_mark,
    }
    store.put_state(conn, State(state, schema, name, "table", ddl, path, {}, (state,), detail))
    store.put_relation(conn, store.Deployed(schema, name, "table", state, ddl, path))
    store.raise_epoch(conn)


def deploy_view(
    conn: psycopg.Connection, name: str, sql: str, *, tell: Tell | None = None, **options: Any
) -> Deployed:
    """Deploy a view, as `prepare_view` says. `tell` hears lines of progress where it takes long."""
    with told(name, options.get("path"), sql, partial(store.load, conn)):
        return carry_out(conn, prepare_view(name, sql, **options), tell)


def deploy_again(
    conn: psycopg.Connection, state: State, *, later: Collection[tuple[str, str]] = ()
) -> Deployed:
    """Build what a version of a view says anew, beside it, with everything that reads it."""
    return deploy_view(
        conn,
        state.relation,
        state.definition,
        schema=state.schema,
        path=state.path,
        indexes=state.indexes,
        force=True,
        later=later,
    )


def deploying_view(conn: psycopg.Connection, name: str, sql: str, **options: Any) -> Steps:
    """Deploy a view step by step."""
    with told(name, options.get("path"), sql, partial(store.load, conn)):
        return (yield from carrying_out(conn, prepare_view(name, sql, **options)))


def prepare_view(
    name: str,
    sql: str,
    *,
    schema: str = "public",
    path: str | None = None,
    materialized: bool = True,
    indexes: Sequence[Sequence[str]] = (),
    force: bool = False,
    later: Collection[tuple[str, str]] = (),
    portable: bool = False,
) -> Prepare:
    """Say what deploying a view means. An unchanged one is left alone unless `force` asks; a changed one is built beside.

    Dependants are rebuilt and swapped with it, but for those (schema, name) that the caller deploys `later` in any
    case: they read the old version until then. So does one that cannot be rebuilt; the outcome says so. A materialized
    view that must be `portable` is refused where RisingWave would refuse it.
    """
    check_name(schema, name, path)

    def prepare(draft: Draft) -> Deployed:
        if not materialized:
            return add_plain(draft, schema, name, sql, path, later)
        if not force and (found := as_deployed(draft, schema, name, sql, indexes, portable)) is not None:
            return found
        if portable:
            refuse_unportable(sql, draft.catalogue, path, draft.catalogue.indexes)
        deployed = draft.add(schema, name, sql, path, indexes, force=force)
        remember(draft, schema, name, sql, indexes, portable)
        if deployed.action != "unchanged":
            draft.add_readers(schema, name, later)
        return deployed

    return prepare


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
        raise MillstreamError(
            f"there is no file {module} for the Python function {name}\n  hint: create it in udfs/"
        )
    if is_built_in(conn, name):
        raise MillstreamError(
            f"{name} is the name of a built-in function\n  hint: choose another, such as {name}_v1"
        )
    check_name(schema, name, str(module))
    signature = {"arguments": [list(a) for a in arguments], "returns": returns}
    definition = {
        "language": "python",
        **signature,
        "module": str(file),
        "entry": entry,
        "code": hashlib.sha256(file.read_bytes()).hexdigest()[:16],
    }
    with told(name, str(module)), conn.transaction():
        catalogue = begin(conn)
        existing = catalogue.named(schema, name)
        if existing is not None:
            if existing.kind != "function":
                raise MillstreamError(f"{name} is deployed as a {existing.kind}\n  hint: choose another name")
            before = json.loads(existing.definition)
            if before == definition:
                return Deployed(name, "unchanged", "python function")
            if {key: before[key] for key in signature} != signature:
                raise Refused(
                    Diagnostic(
                        "MS033",
                        f"function {name}",
                        "its signature changed, and RisingWave never replaces a function",
                        "give it a new name with a higher version and change the models that call it",
                        str(module),
                    )
                )
        else:
            conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            for statement in function_types.declare(schema, name, arguments, returns):
                conn.execute(statement.encode())
        store.put_relation(
            conn, store.Deployed(schema, name, "function", None, json.dumps(definition), str(file))
        )
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


def deploy_sink(
    conn: psycopg.Connection, name: str, ddl: str, *, schema: str = "public", path: str | None = None
) -> Deployed:
    """Deploy CREATE SINK … INTO table FROM view: new rows of the view enter the table in the same tick."""
    check_name(schema, name, path)
    sink = parse_sink(ddl, path)
    with told(name, path, ddl), conn.transaction():
        catalogue = begin(conn)
        existing = catalogue.named(schema, name)
        if existing is None or existing.kind != "sink":
            views.free_name(conn, catalogue, schema, name, "sink", path)
        target = catalogue.named(*sink.target)
        if target is None or target.kind != "table":
            raise Refused(
                Diagnostic(
                    "MS034",
                    f"sink into {sink.target[1]}",
                    "there is no such source table",
                    f"deploy it first (dbt run --select +{name}), or correct the name",
                    path,
                )
            )
        origin = views.sink_origin(catalogue, sink.query, path)
        columns = set(views.written_columns(catalogue.states[target.state or ""]))
        missing = [c[0] for c in origin.detail["columns"] if c[0] not in columns]
        lacking = [c for c in columns if c not in {o[0] for o in origin.detail["columns"]}]
        if missing or lacking:
            raise Refused(
                Diagnostic(
                    "MS034",
                    f"sink into {target.name}",
                    f"columns differ: {', '.join(sorted(missing + lacking))}",
                    "select exactly the columns of the table",
                    path,
                )
            )
        definition = json.dumps({"ddl": " ".join(ddl.split()), "target": target.state, "query": sink.query})
        if existing is not None and existing.definition == definition and existing.state == origin.name:
            return Deployed(name, "unchanged", f"into {target.name}")
        store.put_relation(conn, store.Deployed(schema, name, "sink", origin.name, definition, path))
        conn.execute(source_of(catalogue.states[target.state or ""]).create_pending().encode())
        views.backfill_sink(conn, catalogue, origin, catalogue.states[target.state or ""])
        store.raise_epoch(conn)
    return Deployed(name, "replaced" if existing is not None else "created", f"into {target.name}")


def drop(conn: psycopg.Connection, name: str, *, schema: str = "public", cascade: bool = False) -> None:
    """Drop what is deployed under a name; with `cascade` also everything that reads it, else refuse."""

    def forget() -> None:
        with conn.transaction():
            catalogue = begin(conn)
            only_a_moment(conn)
            views.drop(conn, catalogue, schema, name, cascade)
            feed.follow(conn)
            store.raise_epoch(conn)

    patiently(conn, forget)
    collect(conn)


def list_relations(conn: psycopg.Connection, schema: str = "public") -> list[tuple[str, str]]:
    """Return (name, kind) of everything deployed in a schema."""
    rows = conn.execute(
        "select name, kind from millstream.relation where schema_name = %s order by name", [schema]
    ).fetchall()
    return [(row[0], row[1]) for row in rows]
