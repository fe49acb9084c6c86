"""The engine's clock: one reading per tick, never going back."""

from __future__ import annotations

from datetime import datetime

import psycopg

from millstream.catalog.store import setting


def enter(conn: psycopg.Connection) -> None:
    """Let now() mean the last tick's reading for the rest of the transaction; start a wall clock that never ran."""
    if setting(conn, "clock") == "wall":
        conn.execute("update millstream.clock set now = clock_timestamp() where now = '-infinity'")
    conn.execute(
        "select set_config('millstream.now', now::text, true), set_config('millstream.last_now', now::text, true)"
        " from millstream.clock"
    )


def advance(conn: psycopg.Connection, then: str, now: str) -> None:
    """Set both readings for a tick, as text that PostgreSQL reads."""
    conn.execute(
        "select set_config('millstream.last_now', %s, true), set_config('millstream.now', %s, true)",
        [then, now],
    )


def text(moment: datetime) -> str:
    """Write a moment exactly."""
    return moment.isoformat()
