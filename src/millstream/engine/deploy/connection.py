"""The session that deploys."""

from __future__ import annotations

import psycopg

from millstream.engine.catalog.install import install
from millstream.engine.earlier.convert_sources import convert_sources
from millstream.engine.earlier.rename_columns import rename_columns

GONE_SECONDS = 2  # how often the server looks, within a statement, whether who asked for it is still there


def connect(dsn: str) -> psycopg.Connection:
    """Connect for deploying; installs the catalogue in a database that has none."""
    conn = psycopg.connect(dsn, autocommit=True)
    try:
        conn.execute("set timezone = 'UTC'")
        conn.execute(f"set client_connection_check_interval = '{GONE_SECONDS}s'")
        install(conn)
        rename_columns(conn)
        convert_sources(conn)
    except BaseException:
        conn.close()
        raise
    return conn
