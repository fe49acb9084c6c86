"""Deploy: compare a definition with what runs, build what is new beside it, and swap; one transaction a call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import sqlglot
from sqlglot import exp

from millstream.catalog import store
from millstream.catalog.install import install
from millstream.catalog.store import Catalogue, State
from millstream.delta.node import HASH
from millstream.dialect import DIALECT
from millstream.emit.indexes import Index, needed
from millstream.emit.names import pending, queue, quote
from millstream.emit.statements import NodeSql
from millstream.errors import Diagnostic, MillstreamError, Refused
from millstream.front.aggregates import is_aggregate
from millstream.front.ddl import Table, parse_sink, parse_table
from millstream.front.portable import refuse_unportable
from millstream.front.signatures import signatures
from millstream.runtime import feed, views
from millstream.runtime import functions as function_types
from millstream.runtime.build import build
from millstream.runtime.clock import enter
from millstream.runtime.compile import compile_view, describer, fingerprint
from millstream.runtime.convert_sources import convert_sources
from millstream.runtime.faults import told
from millstream.runtime.indexes import check_columns, make_index
from millstream.runtime.locks import enter_turn
from millstream.runtime.naming import check_name, next_version, table_state
from millstream.runtime.outcome import Deployed
from millstream.runtime.rehearsal import rehearse
from millstream.runtime.rename_columns import rename_columns
from millstream.runtime.source import Source, source_of
from millstream.runtime.types import check_expressions, check_stored_types, check_types, create_composites
from millstream.runtime.udf import Functions
from millstream.runtime.upgrade import signature


def connect(dsn: str) -> psycopg.Connection:
    """Connect for deploying; installs the catalogue in a database that has none."""
    conn = psycopg.connect(dsn, autocommit=True)
    try:
        conn.execute("set timezone = 'UTC'")
        install(conn)
        rename_columns(conn)
        convert_sources(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def begin(conn: psycopg.Connection) -> Catalogue:
    """Take the place of the tick and read the catalogue; the caller's transaction holds the lock."""
    conn.execute("set local client_min_messages = warning")
    conn.execute("set local search_path = public, pg_catalog")
    conn.execute("set local millstream.recording = 'on'")
    enter_turn(conn)
    enter(conn)
    return store.load(conn)


def deploy_table(
    conn: psycopg.Connection, name: str, ddl: str, *, schema: str = "public", path: str | None = None
) -> Deployed:
    """Deploy a source table from RisingWave's CREATE TABLE. New nullable columns may be added at the end later."""
    check_name(schema, name, path)
    declared = parse_table(ddl, path, new=True)
    with told(name, path, ddl), conn.transaction():
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
        extended = views.extend_table(conn, catalogue, existing, before, declared, ddl, path, rebuild)
    collect(conn)
    return extended


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
    }
    store.put_state(conn, State(state, schema, name, "table", ddl, path, {}, (state,), detail))
    store.put_relation(conn, store.Deployed(schema, name, "table", state, ddl, path))
    views.grant(conn, schema, name, "table")
    store.raise_epoch(conn)


def deploy_view(
    conn: psycopg.Connection,
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
) -> Deployed:
    """Deploy a view. An unchanged one is left alone unless `force` asks; a changed one is built beside and swapped.

    Dependants are rebuilt in the same transaction, but for those (schema, name) that the caller deploys `later` in any
    case: they read the old version until then. So does one that cannot be rebuilt; the detail says so. A materialized
    view that must be `portable` is refused where RisingWave would refuse it.
    """
    check_name(schema, name, path)
    rebuild_others = partial(rebuild, later=later)
    with told(name, path, sql, partial(store.load, conn)), conn.transaction():
        catalogue = begin(conn)
        if portable and materialized:
            refuse_unportable(sql, catalogue, path, catalogue.indexes)
        swaps: views.Swaps = []
        if not materialized:
            deployed = views.deploy_plain(conn, catalogue, schema, name, sql, path, rebuild_others)
        else:
            deployed = materialize(conn, catalogue, schema, name, sql, path, swaps, indexes, force=force)
        if materialized and deployed.action != "unchanged":
            rebuilt = rebuild_others(conn, schema, name, swaps)
            views.swap(conn, swaps)
            store.raise_epoch(conn)
            deployed = replace(deployed, rebuilt=rebuilt)
    if deployed.action != "unchanged":
        collect(conn)
    return deployed


def collect(conn: psycopg.Connection) -> None:
    """Drop old versions; one that somebody still reads is left to the next deploy.

    Each goes in a transaction of its own: a reader of two views may hold one old version and ask for another.
    """
    for state in views.idle(store.load(conn)):
        with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
            conn.execute("set local lock_timeout = '2s'")
            begin(conn)
            conn.execute("set local lock_timeout = '100ms'")
            if state in views.idle(store.load(conn)):
                views.remove(conn, state)


def materialize(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    schema: str,
    name: str,
    sql: str,
    path: str | None,
    swaps: views.Swaps,
    indexes: Sequence[Sequence[str]] = (),
    *,
    force: bool = False,
) -> Deployed:
    """Compile and build one materialized view, without its dependants.

    What makes readers see it is added to `swaps`, to be done when everything is built: they must not wait for that.
    """
    existing = catalogue.named(schema, name)
    if existing is None:
        views.free_name(conn, catalogue, schema, name, "materialized_view", path)
    current = catalogue.states.get(existing.state or "") if existing is not None else None
    state = next_version(catalogue, schema, name)
    compiled = compile_view(catalogue, state, sql, path)
    nodes = signature(compiled.nodes, state)
    print_ = fingerprint(sql + repr(list(indexes)) + nodes, compiled.reads)
    if (
        not force
        and current is not None
        and current.kind == "materialized_view"
        and current.detail.get("fingerprint") == print_
        and views.is_shown(conn, schema, name)
    ):
        return Deployed(name, "unchanged", str(current.detail.get("summary", "")))
    describe = describer(conn)
    asked = check_columns(indexes, compiled.nodes[-1].visible, name, path)
    python = Functions(catalogue.python())
    written: list[NodeSql] = []
    for node in compiled.nodes:
        node_sql = NodeSql(node, describe, indexes=asked if node is compiled.nodes[-1] else ())
        for index in needed(node):  # first: a lookup of the nearest row needs them for the first rows too
            make_index(conn, index)
        rows = build(conn, node, node_sql, python, node_sql.asked)
        written.append(node_sql)
    top = written[-1]
    check_stored_types(conn, compiled.nodes, path)
    rehearse(conn, written)
    for asked_columns in asked:
        make_index(conn, Index(top.node.name, tuple(map(quote, asked_columns))), whole=True)
    columns = views.columns_of(conn, state, list(top.node.visible))
    nullable = {stored: a.nullable for stored, a in top.node.outputs}
    relation = top.node.relation
    summary = describe_nodes(written, rows)
    detail = {
        "columns": [[n, t, nullable[n]] for n, t in columns],
        "key": list(relation.key),
        "guard": relation.guard,
        "single": relation.single,
        "fingerprint": print_,
        "nodes": nodes,
        "summary": summary,
        "indexes": [list(c) for c in indexes],
    }
    new = State(
        state,
        schema,
        name,
        "materialized_view",
        sql,
        path,
        compiled.reads,
        tuple(n.name for n in compiled.nodes),
        detail,
    )
    store.put_state(conn, new)
    conn.execute("select millstream.settle_evaluation_errors()")
    if existing is not None and existing.kind not in ("materialized_view", "view"):
        raise Refused(
            Diagnostic(
                "MS032",
                name,
                f"a {existing.kind} of that name is deployed",
                "drop it or choose another name",
                path,
            )
        )
    shown = [column for column, _ in columns]
    swaps.append(lambda: views.show(conn, catalogue, schema, name, relation, shown))
    store.put_relation(conn, store.Deployed(schema, name, "materialized_view", state, sql, path))
    return Deployed(name, "replaced" if existing is not None else "created", summary)


def describe_nodes(nodes: list[NodeSql], rows: int) -> str:
    """One line about how a view is kept."""
    rules = [n.node.rule.value if not n.node.on_act else "on act" for n in nodes]
    if any(n.node.udf is not None for n in nodes):
        rules[-1] += ", python"
    return f"incremental ({' + '.join(dict.fromkeys(rules))}; {rows:,} rows)"


def rebuild(
    conn: psycopg.Connection,
    schema: str,
    name: str,
    swaps: views.Swaps,
    later: Collection[tuple[str, str]] = (),
) -> tuple[str, ...]:
    """Deploy again, in order, every materialized view that read the old version of this one, directly or not.

    Those that are deployed `later` in any case, and what reads only them, are left to that.
    """
    done: list[str] = []
    changed = {f"{schema}.{name}"}
    while True:
        catalogue = store.load(conn)
        waiting = [
            state
            for state in catalogue.states.values()
            if state.kind == "materialized_view"
            and set(state.reads) & changed
            and f"{state.schema}.{state.relation}" not in changed
            and (state.schema, state.relation) not in later
            and catalogue.relations[(state.schema, state.relation)].state == state.name
        ]
        if not waiting:
            break
        state = waiting[0]
        changed.add(f"{state.schema}.{state.relation}")
        try:
            reads = partial(store.load, conn)
            with told(state.relation, state.path, state.definition, reads), conn.transaction():
                indexes = [list(c) for c in state.detail.get("indexes", [])]
                result = materialize(
                    conn,
                    catalogue,
                    state.schema,
                    state.relation,
                    state.definition,
                    state.path,
                    swaps,
                    indexes,
                )
            if result.action != "unchanged":
                done.append(state.relation)
        except Refused:
            done.append(f"{state.relation} (stays on the old version until it is deployed again)")
    views.repoint_sinks(conn)
    feed.follow(conn)
    return tuple(done)


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
                    "deploy it first",
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
    with conn.transaction():
        catalogue = begin(conn)
        views.drop(conn, catalogue, schema, name, cascade)
        feed.follow(conn)
        store.raise_epoch(conn)
    collect(conn)


def list_relations(conn: psycopg.Connection, schema: str = "public") -> list[tuple[str, str]]:
    """Return (name, kind) of everything deployed in a schema."""
    rows = conn.execute(
        "select name, kind from millstream.relation where schema_name = %s order by name", [schema]
    ).fetchall()
    return [(row[0], row[1]) for row in rows]
