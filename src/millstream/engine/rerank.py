"""Compute the lists of Python views again, so that changed weights or embeddings show before anybody acts.

An on-act view is recomputed for a key when that key's driver row changes and at no other time. `rerank` acts for the
keys: it evaluates their rows against the inputs of now and replaces those that differ. Keys go in batches, each in the
place of a tick (one transaction under the tick's lock), so readers never see a gap and ticks run in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from millstream.compiler.algebra.expression import OWN, WEIGHT
from millstream.compiler.algebra.operators import Scan
from millstream.compiler.compile import compile_view
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.layout import listing
from millstream.compiler.postgres.names import beside_values, changes, quote, table
from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import NodeSql, NodeStatements
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import StoredView
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.catalog.store import load
from millstream.engine.deploy import deploy_again
from millstream.engine.deploy.readers import readers_of
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state.describe import describer
from millstream.engine.state.feed import record_between_ticks
from millstream.engine.state.python_rows import call
from millstream.engine.state.settings import plan_as_a_tick
from millstream.engine.state.udf import Functions
from millstream.errors import MillstreamError

BATCH = 200  # keys that one transaction computes: it bounds how long a tick waits
NUMBER = f"n{OWN}"  # the place of a key among them
KEYS = 'pg_temp."millstream_rerank_keys"'
BATCH_KEYS = 'pg_temp."millstream_rerank_batch"'
TIMESTAMP = "timestamp with time zone"
Progress = Callable[[str, int, int], None]  # (view, keys done, keys in all)


@dataclass(frozen=True)
class Reranked:
    """What happened to one view: keys evaluated, rows that came out different, Python calls that failed.

    `rebuilt` names the view and its readers where it could not be changed in place, because stored results stand on it.
    """

    name: str
    keys: int
    changed: int
    failed: int
    rebuilt: tuple[str, ...]
    milliseconds: float


def rerank(
    conn: psycopg.Connection,
    *,
    active: timedelta | None = None,
    schema: str = "public",
    batch: int = BATCH,
    progress: Progress | None = None,
) -> list[Reranked]:
    """Compute every deployed view that calls Python again, and replace the rows that differ.

    With `active`, only keys whose driver row (the row whose change makes the list) is at most that much older than the
    newest one; the driver must then have exactly one timestamptz column. `conn` is the owner's, in autocommit.

    Raises MillstreamError where `active` has no column to go by, or where a view is deployed again meanwhile.
    """
    with conn.transaction():
        catalogue = begin_change(conn)
        found = [
            (state, node)
            for state in current_views(catalogue, schema)
            for node in python_nodes(catalogue, state)
        ]
    done = []
    for state, node in found:
        started = time.perf_counter()
        if node.name == state.name and node.computes_keys and not stored_readers(catalogue, state):
            result = rerank_in_place(conn, state, active, batch, progress)
        else:
            result = build_anew(conn, state)
        keys, changed, failed, rebuilt = result
        milliseconds = (time.perf_counter() - started) * 1000
        done.append(Reranked(state.relation, keys, changed, failed, rebuilt, milliseconds))
    return done


def current_views(catalogue: Catalogue, schema: str) -> list[StoredView]:
    """The versions that the names of a schema stand for now."""
    named = {deployed.state for deployed in catalogue.relations.values() if deployed.schema == schema}
    return [view for view in catalogue.views if view.name in named]


def python_nodes(catalogue: Catalogue, state: StoredView) -> list[Node]:
    """The nodes of a view that call Python."""
    compiled = compile_view(Resolver(catalogue, state.reads), state.name, state.definition, state.path)
    return [node for node in compiled.nodes if node.udf is not None]


def stored_readers(catalogue: Catalogue, state: StoredView) -> list[str]:
    """What keeps results of its own on top of a view: materialized views, and sinks."""
    direct = {d.name for d in readers_of(catalogue, state.schema, state.relation) if d.kind != "view"}
    pinned = {view.relation for view in catalogue.views if state.name in view.below}
    return sorted(direct | pinned)


def build_anew(conn: psycopg.Connection, state: StoredView) -> tuple[int, int, int, tuple[str, ...]]:
    """Build a view beside itself and swap it, with everything that reads it."""
    deployed = deploy_again(conn, state)
    fresh = load(conn).named(state.schema, state.relation)
    assert fresh is not None and fresh.state is not None
    row = conn.execute(f"select count(*) from {table(fresh.state)}".encode()).fetchone()
    rows = int(row[0]) if row else 0
    return rows, rows, 0, (state.relation, *deployed.rebuilt)


def rerank_in_place(
    conn: psycopg.Connection,
    state: StoredView,
    active: timedelta | None,
    batch: int,
    progress: Progress | None,
) -> tuple[int, int, int, tuple[str, ...]]:
    """Evaluate a view's keys in batches and replace the rows that differ."""
    total = changed = failed = start = 0
    while start == 0 or start < total:
        with conn.transaction():
            plan_as_a_tick(conn)
            catalogue = begin_change(conn)
            deployed = catalogue.named(state.schema, state.relation)
            if deployed is None or deployed.state != state.name:
                raise MillstreamError(
                    f"{state.relation} was deployed again while its lists were computed; the new version is computed "
                    "with the inputs of that moment.\n  hint: run `millstream rerank` again to be sure"
                )
            (node,) = python_nodes(catalogue, state)
            sql = node_sql(node, describer(conn))
            python = Functions(catalogue.python())
            if start == 0:
                total = collect_keys(conn, sql, active)
            changed += run_batch(conn, sql, python, start, start + batch)
            failed += sum(python.errors.values())
        start += batch
        if progress is not None:
            progress(state.relation, min(start, total), total)
    conn.execute(f"drop table {KEYS}".encode())
    return total, changed, failed, ()


def collect_keys(conn: psycopg.Connection, sql: NodeSql, active: timedelta | None) -> int:
    """Number the keys of the driver's rows; return how many there are."""
    driver = sql.differentiated
    assert isinstance(driver, Scan)
    keys = listing(
        [
            f"s.{quote(stored)} AS {quote(key)}"
            for key, stored in zip(sql.node.keys, driver.relation.key, strict=True)
        ]
    )
    stored = table(driver.relation.name)
    conditions = [f"s.{quote(driver.relation.guard)}"] if driver.relation.guard else []
    values: list[object] = []
    if active is not None:
        moment = beside_values(quote(moment_of(driver)))
        conditions.append(f"s.{moment} >= (SELECT max({moment}) FROM {beside_values(stored)}) - %s")
        values.append(active)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    conn.execute(f"DROP TABLE IF EXISTS {KEYS}".encode())
    conn.execute(
        f"CREATE TEMPORARY TABLE {KEYS.removeprefix('pg_temp.')} AS SELECT row_number() OVER () AS {NUMBER}, k.* FROM "
        f"(SELECT DISTINCT {keys} FROM {stored} AS s LIMIT 0) AS k".encode()
    )
    cursor = conn.execute(
        f"INSERT INTO {KEYS} SELECT row_number() OVER () AS {NUMBER}, k.* FROM "
        f"(SELECT DISTINCT {beside_values(keys)} FROM {beside_values(stored)} AS s {where}) AS k".encode(),
        values,
    )
    return cursor.rowcount


def moment_of(driver: Scan) -> str:
    """The column that says when a driver's row last changed: its only timestamptz column."""
    moments = [name for name, type_, _ in driver.relation.columns if type_ in (TIMESTAMP, "timestamptz")]
    if len(moments) != 1:
        raise MillstreamError(
            f"{driver.relation.name} has {len(moments)} timestamptz columns, so which of its rows are active is not "
            "known\n  hint: rerank all of them, without --active"
        )
    return moments[0]


def run_batch(conn: psycopg.Connection, sql: NodeSql, python: Functions, first: int, end: int) -> int:
    """Evaluate the keys numbered first + 1 to end and replace the rows that differ; return how many differed."""
    node = sql.node
    statements = statements_for(sql)
    assert statements.prepare is not None
    for name in (*sql.session_tables(), BATCH_KEYS):
        conn.execute(f"DROP TABLE IF EXISTS {name}".encode())
    for statement in sql.temporary():
        conn.execute(statement.encode())
    conn.execute(
        f"CREATE TEMPORARY TABLE {BATCH_KEYS.removeprefix('pg_temp.')} AS SELECT * FROM {KEYS} "
        f"WHERE {NUMBER} > {first:d} AND {NUMBER} <= {end:d}".encode()
    )
    conn.execute(statements.prepare.encode())
    call(conn, node.name, statements.call, python)
    conn.execute(statements.derive.encode())
    row = conn.execute(f"SELECT count(*) FROM {changes(node.name)} WHERE {WEIGHT} > 0".encode()).fetchone()
    record_between_ticks(conn, node.name)
    conn.execute(statements.apply.encode())
    for name in (*sql.session_tables(), BATCH_KEYS):
        conn.execute(f"DROP TABLE {name}".encode())
    return int(row[0]) if row else 0


def statements_for(sql: NodeSql) -> NodeStatements:
    """A tick's statements of a node, with the batch's keys in place of changed ones and all inputs as they are now."""
    source = f"SELECT {listing([f'b.{quote(key)}' for key in sql.node.keys])} FROM {BATCH_KEYS} AS b"
    return sql.for_keys(source)
