"""Drop what nothing needs any more."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from millstream.engine.catalog import store
from millstream.engine.deploy.transaction import begin
from millstream.engine.deploy.unused import idle, remove
from millstream.engine.state.locks import only_a_moment


def collect(conn: psycopg.Connection) -> None:
    """Drop old versions; one that somebody still reads is left to the next deploy.

    Where one is being read, each goes in a transaction of its own: a reader of two views may hold one old version and
    ask for another.
    """
    if not idle(store.load(conn)):
        return
    with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
        begin(conn)
        only_a_moment(conn)
        for state in idle(store.load(conn)):
            remove(conn, state)
    for state in idle(store.load(conn)):
        with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
            conn.execute("set local lock_timeout = '2s'")
            begin(conn)
            only_a_moment(conn)
            if state in idle(store.load(conn)):
                remove(conn, state)
