"""The public side of deploying: names, views over state tables, grants, dropping, and what nobody reads any more."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Sequence

import psycopg
from sqlglot import exp

from millstream.catalog import store
from millstream.catalog.store import Catalogue, State
from millstream.emit.names import pending, quote, table
from millstream.errors import Diagnostic, MillstreamError, Refused
from millstream.front.ddl import Table, parse_table
from millstream.front.parse import parse
from millstream.front.plain import in_postgres_words
from millstream.front.reads import relations, tables
from millstream.front.scope import Context
from millstream.plan.nodes import Relation
from millstream.runtime.functions import forget
from millstream.runtime.outcome import Deployed
from millstream.runtime.source import Source, source_of
from millstream.runtime.types import check_expressions, create_composites, drop_composites

READER, WRITER = "millstream_reader", "millstream_writer"
SWAP_SECONDS = 60.0  # how long a deploy waits for readers where the session sets no lock_timeout
Swaps = list[Callable[[], None]]  # what lets readers see new versions, done last
Rebuild = Callable[[psycopg.Connection, str, str, Swaps], tuple[str, ...]]


def swap(conn: psycopg.Connection, swaps: Swaps) -> None:
    """Let readers see everything that was built, all at once.

    A reader of two views may hold one and wait for the other. So it is the deploy that gives way, long before
    PostgreSQL would end one of the two, and tries again; it gives up after the session's lock_timeout, if that is set.
    """
    row = conn.execute(
        "select setting::int / 1000.0, current_setting('lock_timeout') from pg_settings"
        " where name = 'lock_timeout'"
    ).fetchone()
    patience, before = (
        (float(row[0]) or SWAP_SECONDS, str(row[1])) if row is not None else (SWAP_SECONDS, "0")
    )
    deadline = time.monotonic() + patience
    while True:
        try:
            with conn.transaction():
                conn.execute("set local lock_timeout = '100ms'")
                for show_one in swaps:
                    show_one()
                conn.execute("select set_config('lock_timeout', %s, true)", [before])
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - two deploys should not keep step


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
    try:
        with conn.transaction():
            conn.execute(f"CREATE OR REPLACE VIEW {view} AS {select}".encode())
        return
    except psycopg.errors.InvalidTableDefinition:
        pass
    conn.execute(f"DROP VIEW {view} CASCADE".encode())
    conn.execute(f"CREATE VIEW {view} AS {select}".encode())
    for found in catalogue.relations.values():
        if found.kind != "view":
            continue
        row = conn.execute(
            "select to_regclass(%s)", [f"{quote(found.schema)}.{quote(found.name)}"]
        ).fetchone()
        if row is None or row[0] is None:
            try:
                conn.execute(
                    f"CREATE VIEW {quote(found.schema)}.{quote(found.name)} AS {shown_text(catalogue, found.definition, found.path)}".encode()
                )
            except psycopg.Error as error:
                raise MillstreamError(
                    f"{name} changed its columns, and the view {found.name} needs the old ones: {error}\n"
                    f"  hint: drop {found.name} first, or deploy both in one run with {found.name} changed"
                ) from error
            grant(conn, found.schema, found.name, "view")


def free_name(
    conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, kind: str, path: str | None
) -> None:
    """Refuse to deploy a thing under the name of a thing of another kind."""
    found = catalogue.named(schema, name)
    if found is not None and found.kind != kind:
        why = f"a {found.kind} of that name is deployed"
        raise Refused(Diagnostic("MS032", name, why, "drop it or choose another name", path))
    row = conn.execute(
        "select c.relkind::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = %s",
        [schema, name],
    ).fetchone()
    if found is None and row is not None:
        why = f"{schema}.{name} exists in the database and was not deployed by Millstream"
        raise Refused(Diagnostic("MS032", name, why, "drop or rename it, or choose another name", path))


def deploy_plain(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    schema: str,
    name: str,
    sql: str,
    path: str | None,
    rebuild: Rebuild,
) -> Deployed:
    """Deploy a plain view: PostgreSQL keeps it for readers, the catalogue for views that read it."""
    tree = parse(sql, path)
    for node in tree.find_all(exp.Table):
        if node.args.get("version") is not None:
            raise Refused(
                Diagnostic(
                    "MS016",
                    "FOR SYSTEM_TIME AS OF PROCTIME() in a plain view",
                    "a process-time join remembers what it met, and a plain view has no memory",
                    "materialize the model as materialized_view or ephemeral",
                    path,
                )
            )
    existing = catalogue.named(schema, name)
    if (
        existing is not None
        and existing.kind == "view"
        and " ".join(existing.definition.split()) == " ".join(sql.split())
        and is_shown(conn, schema, name)
    ):
        return Deployed(name, "unchanged", "view")
    if existing is not None and existing.kind == "materialized_view":
        pass
    elif existing is None or existing.kind != "view":
        free_name(conn, catalogue, schema, name, "view", path)
    conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
    store.put_relation(conn, store.Deployed(schema, name, "view", None, sql, path))
    swaps: Swaps = []
    rebuilt = rebuild(conn, schema, name, swaps) if existing is not None else ()

    def show_plain() -> None:
        replace_view(conn, catalogue, schema, name, shown_text(catalogue, sql, path))
        grant(conn, schema, name, "view")

    swap(conn, [show_plain, *swaps])
    store.raise_epoch(conn)
    return Deployed(name, "replaced" if existing is not None else "created", "view", rebuilt)


def extend_table(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    existing: store.Deployed,
    before: Table,
    declared: Table,
    ddl: str,
    path: str | None,
    rebuild: Rebuild,
) -> Deployed:
    """Add nullable columns at the end of a source table; anything else would lose or invent data and is refused."""
    added = declared.columns[len(before.columns) :]
    kept = declared.columns[: len(before.columns)]
    same = [(c.name, c.type, c.nullable, c.generated, c.identity) for c in kept] == [
        (c.name, c.type, c.nullable, c.generated, c.identity) for c in before.columns
    ]
    rules = (declared.key, declared.conflict, declared.versions) == (
        before.key,
        before.conflict,
        before.versions,
    )
    if not same or not rules or any(not c.nullable for c in added):
        raise Refused(
            Diagnostic(
                "MS035",
                f"source table {existing.name}",
                "only new nullable columns at the end can be added to a table that holds rows",
                "load into a table of a new name, or rebuild with --full-refresh, which empties it",
                path,
            )
        )
    state = catalogue.states[existing.state or ""]
    source = Source(state.name, f"{quote(existing.schema)}.{quote(existing.name)}", declared)
    create_composites(conn, declared)
    check_expressions(conn, declared, source.clients.generated, path)
    for statement in source.add(added):
        conn.execute(statement.encode())
    columns = columns_of(conn, state.name, [c.name for c in declared.columns])
    solid = {c.name for c in declared.columns if not c.nullable}
    detail = {**state.detail, "columns": [[n, t, n not in solid] for n, t in columns]}
    conn.execute(
        "update millstream.state set definition = %s, path = %s, detail = %s where name = %s",
        [ddl, path, json.dumps(detail), state.name],
    )
    store.put_relation(conn, store.Deployed(existing.schema, existing.name, "table", state.name, ddl, path))
    grant(conn, existing.schema, existing.name, "table")
    conn.execute(
        "update millstream.state set detail = detail - 'fingerprint' where reads ? %s",
        [f"{existing.schema}.{existing.name}"],
    )
    swaps: Swaps = []
    rebuilt = rebuild(conn, existing.schema, existing.name, swaps)
    swap(conn, swaps)
    store.raise_epoch(conn)
    return Deployed(existing.name, "replaced", f"source table, {len(added)} columns added", rebuilt)


def grant(conn: psycopg.Connection, schema: str, name: str, kind: str) -> None:
    """Sources are the writer's, serve_* views the reader's, and nothing else is anybody's."""
    role, rights = (
        (WRITER, "SELECT, INSERT, UPDATE, DELETE, TRUNCATE") if kind == "table" else (READER, "SELECT")
    )
    if kind != "table" and not name.startswith("serve_"):
        return
    if conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is not None:
        conn.execute(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {role}".encode())
        conn.execute(f"GRANT {rights} ON {quote(schema)}.{quote(name)} TO {role}".encode())


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
        raise MillstreamError(
            f"{name} is read by {', '.join(sorted(r.name for r in readers))}\n  hint: drop them first, or use cascade"
        )
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
