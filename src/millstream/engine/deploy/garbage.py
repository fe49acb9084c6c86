"""Drop what nothing needs any more."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from millstream.engine.catalog import store
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.deploy.unused import remove_state, unused_states
from millstream.engine.state.locks import only_a_moment


def drop_unused(conn: psycopg.Connection) -> None:
    """Drop old versions; one that somebody still reads is left to the next deploy.

    Where one is being read, each goes in a transaction of its own: a reader of two views may hold one old version and
    ask for another.
    """
    if not unused_states(store.load(conn)):
        return
    with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
        begin_change(conn)
        only_a_moment(conn)
        for state in unused_states(store.load(conn)):
            remove_state(conn, state)
    for state in unused_states(store.load(conn)):
        with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
            conn.execute("set local lock_timeout = '2s'")
            begin_change(conn)
            only_a_moment(conn)
            if state in unused_states(store.load(conn)):
                remove_state(conn, state)
