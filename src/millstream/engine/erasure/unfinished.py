"""Erasures after which files were not cleaned: nobody knows their ids any more, so every table is rewritten."""

from __future__ import annotations

import time

import psycopg

from millstream.engine.erasure.files import PATIENCE
from millstream.engine.erasure.rewriting import rewrite_all

UNCLEANED = (
    "select number from millstream.erasure where done_at is not null and cleaned_at is null order by number"
)
CLEANED = "update millstream.erasure set cleaned_at = clock_timestamp() where number = any(%s) and cleaned_at is null"


def uncleaned(conn: psycopg.Connection) -> list[int]:
    """The erasures whose rows are gone and perhaps still in the bytes of files."""
    return [row[0] for row in conn.execute(UNCLEANED)]


def clean_after(
    conn: psycopg.Connection, numbers: list[int], seconds: float = 60.0
) -> tuple[list[str], list[str]]:
    """Rewrite every table; returns the names of those rewritten and those that could not be.

    `conn` is the owner's, in autocommit. Transactions of before are waited for, for `seconds` at most. If no table is
    left, the erasures have no bytes in the files of the database any more, and are marked so.
    """
    conn.execute("select set_config('lock_timeout', %s, false)", [PATIENCE])
    done, left = rewrite_all(conn, time.monotonic() + seconds)
    conn.execute("checkpoint")
    if not left:
        conn.execute(CLEANED.encode(), [numbers])
    return done, left
