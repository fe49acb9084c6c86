"""The engine's clock: one reading per tick, never going back."""

from __future__ import annotations

import psycopg

from millstream.engine.catalog.store import setting


def set_to_last_tick(conn: psycopg.Connection) -> None:
    """Let now() mean the last tick's reading for the rest of the transaction; start a wall clock that never ran."""
    if setting(conn, "clock") == "wall":
        conn.execute("update millstream.clock set now = clock_timestamp() where now = '-infinity'")
    conn.execute(
        "select set_config('millstream.now', now::text, true), set_config('millstream.last_now', now::text, true)"
        " from millstream.clock"
    )
