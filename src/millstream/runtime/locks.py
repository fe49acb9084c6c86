"""Advisory locks of one database."""

from __future__ import annotations

import psycopg

WORKER_LOCK = 0x776F726B  # held by a worker as long as it lives: 'work'
TICK_LOCK = 0x7469636B  # held by every tick and every deploy until it commits: 'tick'


def enter_turn(conn: psycopg.Connection) -> None:
    """Wait for the turn of ticks and deploys; the caller's transaction keeps it."""
    conn.execute("select pg_advisory_xact_lock(%s)", [TICK_LOCK])
