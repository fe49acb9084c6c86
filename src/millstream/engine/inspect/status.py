"""What runs and how far behind it is, read from the catalogue; works with the worker dead."""

from __future__ import annotations

from typing import Any

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.postgres.names import short, table
from millstream.compiler.syntax.from_items import display_name
from millstream.engine.catalog.store import setting
from millstream.engine.state.locks import worker_connected

RECENT_TICKS = 500
WAITING = f"greatest(count(*) filter (where {WEIGHT} > 0), count(*) filter (where {WEIGHT} < 0))"  # changed rows of a queue


def read(conn: psycopg.Connection) -> dict[str, Any]:
    """Return the state of the engine: ages and lags in seconds, tick times in milliseconds, queued rows by source."""
    installed = conn.execute("select to_regclass('millstream.setting') is not null").fetchone()
    if installed is None or not installed[0]:
        return {"tick": 0, "now": None, "tick_age_seconds": None, "queued": {}, "views": [], "clock": None}
    clock = conn.execute("select tick, now::text from millstream.clock").fetchone()
    assert clock is not None
    ticks = conn.execute(
        "select extract(epoch from clock_timestamp() - max(committed_at))::float8,"
        " percentile_cont(0.5) within group (order by milliseconds),"
        " percentile_cont(0.99) within group (order by milliseconds)"
        " from (select * from millstream.tick_log order by tick desc limit %s) as t",
        [RECENT_TICKS],
    ).fetchone()
    assert ticks is not None
    return {
        "tick": clock[0],
        "now": None if clock[1] == "-infinity" else clock[1],
        "clock": setting(conn, "clock"),
        "worker_connected": worker_connected(conn),
        "tick_age_seconds": ticks[0],
        "tick_ms_p50": ticks[1],
        "tick_ms_p99": ticks[2],
        "queued": queued(conn),
        "kafka": kafka(conn),
        "views": views(conn),
        "building": building(conn),
        "suspended": suspended(conn),
        "dead_keys": dead_keys(conn),
        "dead_rows": scalar(conn, "select count(*) from millstream.dead_row"),
        "evaluation_errors": scalar(
            conn, "select coalesce(sum(count), 0)::bigint from millstream.evaluation_errors"
        ),
        "connections": connections(conn),
        "oldest_reader_seconds": scalar(
            conn,
            "select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 from pg_stat_activity"
            " where usename = 'millstream_reader' and xact_start is not null",
        ),
    }


def connections(conn: psycopg.Connection) -> dict[str, Any]:
    """How many connections each role has, and may have (None: no limit but the server's); and those not logged in yet."""
    rows = conn.execute(
        "select r.rolname, count(a.pid), nullif(r.rolconnlimit, -1) from pg_roles as r"
        " left join pg_stat_activity as a on a.usesysid = r.oid and a.backend_type = 'client backend'"
        " where r.rolname in (current_user, 'millstream_reader', 'millstream_writer') group by r.rolname, r.rolconnlimit"
        " order by r.rolname"
    ).fetchall()
    return {
        "roles": {row[0]: {"used": row[1], "limit": row[2]} for row in rows},
        "logins": scalar(conn, "select count(*) from pg_stat_activity where state = 'starting'"),
        "used": scalar(conn, "select count(*) from pg_stat_activity where backend_type = 'client backend'"),
        "limit": scalar(conn, "select current_setting('max_connections')::int"),
    }


def dead_keys(conn: psycopg.Connection) -> dict[str, int]:
    """How many keys each view has set aside."""
    if not scalar(conn, "select to_regclass('millstream.dead_keys') is not null"):
        return {}
    rows = conn.execute("select model, count(*) from millstream.dead_keys group by 1 order by 1").fetchall()
    return {str(row[0]): int(row[1]) for row in rows}


def building(conn: psycopg.Connection) -> dict[str, Any] | None:
    """What is being built beside what runs, and how far it is."""
    if not scalar(conn, "select to_regclass('millstream.build') is not null"):
        return None
    row = conn.execute(
        "select views, doing, step, steps, extract(epoch from clock_timestamp() - started_at)::float8"
        " from millstream.build"
    ).fetchone()
    return dict(zip(("views", "doing", "step", "steps", "seconds"), row, strict=True)) if row else None


def suspended(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """The views that stand still, each with its error and with the views that do so because they read it."""
    if not scalar(conn, "select to_regclass('millstream.suspended') is not null"):
        return []
    rows = conn.execute(
        """
        with recursive still as (
            select s.state as cause, s.state from millstream.suspended as s
            union
            select f.cause, r.name from still as f
            join millstream.state as r on exists (
                select 1 from jsonb_each(r.reads) as pin where pin.value ->> 'state' = f.state
            )
        )
        select
            v.relation_name, s.error, s.since::text,
            coalesce(array_agg(distinct r.name order by r.name) filter (where f.state <> f.cause), '{}')
        from millstream.suspended as s
        join millstream.state as v on v.name = s.state
        join still as f on f.cause = s.state
        left join millstream.relation as r on r.state = f.state and r.kind = 'materialized_view'
        group by v.relation_name, s.error, s.since
        order by s.since
        """
    ).fetchall()
    return [
        {"name": row[0], "error": row[1], "since": row[2], "readers": [n for n in row[3] if n]}
        for row in rows
    ]


def scalar(conn: psycopg.Connection, query: str) -> Any:
    """Run a query of one value."""
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row is not None else None


def queued(conn: psycopg.Connection) -> dict[str, int]:
    """Changed rows that wait for a tick, by source; one that was updated waits as it was and as it is."""
    found = {}
    for schema, name, queue in conn.execute(
        "select schema_name, relation_name, detail ->> 'queue' from millstream.state where kind = 'table' order by ordinal"
    ).fetchall():
        row = conn.execute(f"select {WAITING} from {queue}".encode()).fetchone()
        found[display_name(schema, name)] = int(row[0]) if row else 0
    return found


def kafka(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """How far each partition is read: messages ever, and those behind the end of its log when a consumer last looked."""
    made = scalar(conn, "select to_regclass('millstream.kafka_partition') is not null")
    if not made:
        return []
    rows = conn.execute(
        "select relation_name, topic, partition, messages, greatest(log_end - next_offset, 0)"
        " from millstream.kafka_partition order by topic, partition, relation_name"
    ).fetchall()
    return [
        {"relation": row[0], "topic": row[1], "partition": row[2], "messages": row[3], "lag": row[4]}
        for row in rows
    ]


def stored_rows(conn: psycopg.Connection, relation: str, estimate: int) -> int:
    """How many rows a relation has: the planner's estimate, or a count where it has none, or is of the empty table."""
    return estimate if estimate > 0 else int(scalar(conn, f"select count(*) from {table(relation)}"))


def views(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """Every materialized view: rows stored, bytes, and milliseconds a tick on average, the costliest first."""
    rows = conn.execute(
        "select r.schema_name, r.name, s.tables, s.detail ->> 'summary' from millstream.relation as r"
        " join millstream.state as s on s.name = r.state where r.kind = 'materialized_view'"
    ).fetchall()
    figures = {
        row[0]: row[1:]
        for row in conn.execute(
            "select node, ticks, rows, milliseconds from millstream.node_stats"
        ).fetchall()
    }
    sizes = {
        row[0]: (int(row[1]), int(row[2]))
        for row in conn.execute(
            "select relname, reltuples, pg_total_relation_size(oid) from pg_class"
            " where relkind = 'r' and relnamespace = 'millstream_data'::regnamespace"
        ).fetchall()
    }
    found = []
    for schema, name, tables, summary in rows:
        spent = [figures[t] for t in tables if t in figures]
        ticks = max((f[0] for f in spent), default=0)
        found.append(
            {
                "name": display_name(schema, name),
                "kind": "materialized_view",
                "rows": stored_rows(conn, tables[-1], sizes.get(short(tables[-1]), (0, 0))[0]),
                "bytes": sum(sizes.get(short(t), (0, 0))[1] for t in tables),
                "ms_mean": round(sum(f[2] for f in spent) / ticks, 3) if ticks else None,
                "ms_total": sum(f[2] for f in spent),
                "changes": sum(int(f[1]) for f in spent),
                "kept": summary,
            }
        )
    return sorted(found, key=lambda view: -(view["ms_mean"] or 0.0))
