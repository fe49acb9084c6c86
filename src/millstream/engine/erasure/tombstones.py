"""Keyed hashes of ids, as the project's macro keyed_hash makes them, and the key, which stands in tombstone_keys alone."""

from __future__ import annotations

import hashlib
import os
import secrets

import psycopg
from psycopg import sql

KEY = "MILLSTREAM_TOMBSTONE_KEY"
KEYS = "tombstone_keys"
BUCKETS = 100  # as the macro hash_bucket has them


def keyed_hash(key: str, text: str) -> str:
    """The hash of the project's macro of that name: 64 hexadecimal digits."""
    inner = hashlib.sha256(f"{key}:{text}".encode()).hexdigest()
    return hashlib.sha256(f"{key}:{inner}".encode()).hexdigest()


def keep_key(conn: psycopg.Connection) -> str:
    """Return the key; the first time it is made: the one of the environment (MILLSTREAM_TOMBSTONE_KEY), else 256 random bits.

    It never changes afterwards, whatever the environment says: with another key old hashes would say nothing.
    """
    row = conn.execute("select key from tombstone_keys order by bucket limit 1").fetchone()
    if row is not None:
        return str(row[0])
    key = os.environ.get(KEY) or secrets.token_hex(32)
    rows = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(bucket), sql.Literal(key)) for bucket in range(BUCKETS)
    )  # of two who make one at the same time, the second waits for the first, and its rows are left out
    conn.execute(sql.SQL("insert into tombstone_keys (bucket, key) values {}").format(rows))
    return key
