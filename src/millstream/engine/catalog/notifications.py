"""Notifications: hints that anybody who may connect can send, as many as they like."""

from __future__ import annotations

import psycopg


def take_notifications(conn: psycopg.Connection, seconds: float) -> bool:
    """Wait that many seconds for a notification, and take all that have come; say whether there was one."""
    came = list(conn.notifies(timeout=seconds, stop_after=1))
    if came:
        list(conn.notifies(timeout=0))
    return bool(came)
