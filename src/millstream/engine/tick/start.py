"""What a worker does before its first tick: be the only one of its database, and choose the clock."""

from __future__ import annotations

import psycopg

from millstream.engine.catalog.store import setting
from millstream.engine.state.locks import WORKER_LOCK
from millstream.errors import MillstreamError

PREDECESSOR_SECONDS = 3  # how long a worker waits for the session of one that was killed to end


def become_the_worker(conn: psycopg.Connection) -> None:
    """Refuse to run beside another worker. One that was killed holds its lock until its last statement has ended."""
    try:
        with conn.transaction():
            conn.execute("select set_config('lock_timeout', %s, true)", [f"{PREDECESSOR_SECONDS}s"])
            conn.execute("select pg_advisory_lock(%s)", [WORKER_LOCK])
    except psycopg.errors.LockNotAvailable:
        raise MillstreamError(
            "another worker keeps this database already\n  hint: `millstream status` shows it, `millstream down` stops it"
        ) from None


def choose_clock(conn: psycopg.Connection, clock: str) -> None:
    """Choose the clock, as long as nothing was computed on the other one."""
    if clock not in ("wall", "event"):
        raise MillstreamError(f"unknown clock {clock!r}\n  hint: use wall or event")
    before = setting(conn, "clock")
    if before == clock:
        return
    used = conn.execute(
        "select (select tick from millstream.clock) > 0"
        " or exists (select 1 from millstream.relation where kind = 'materialized_view')"
    ).fetchone()
    if used is not None and used[0]:
        raise MillstreamError(
            f"the views of this database were computed on the {before} clock\n"
            f"  hint: start with --clock {before}, or with a new home directory"
        )
    with conn.transaction():
        conn.execute("update millstream.setting set value = %s where name = 'clock'", [clock])
        conn.execute("update millstream.clock set now = '-infinity'")
