"""A transaction of a deployment: nobody else changes what is deployed, and no tick runs."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from millstream.engine.catalog import store
from millstream.engine.catalog.store import Catalogue
from millstream.engine.deploy import change_log, views
from millstream.engine.state.clock import enter
from millstream.engine.state.locks import Tell, enter_place, enter_turn, only_a_moment


def begin(conn: psycopg.Connection, tell: Tell | None = None) -> Catalogue:
    """Take the place of deployments and of the tick, and read the catalogue; the caller's transaction holds the locks."""
    settle_in(conn)
    enter_place(conn, tell)
    enter_turn(conn)
    change_log.clear_away(conn)
    enter(conn)
    return store.load(conn)


def settle_in(conn: psycopg.Connection) -> None:
    """The settings of a transaction that computes views."""
    conn.execute("set local client_min_messages = warning")
    conn.execute("set local search_path = public, pg_catalog")
    conn.execute("set local millstream.recording = 'on'")


def collect(conn: psycopg.Connection) -> None:
    """Drop old versions; one that somebody still reads is left to the next deploy.

    Where one is being read, each goes in a transaction of its own: a reader of two views may hold one old version and
    ask for another.
    """
    if not views.idle(store.load(conn)):
        return
    with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
        begin(conn)
        only_a_moment(conn)
        for state in views.idle(store.load(conn)):
            views.remove(conn, state)
    for state in views.idle(store.load(conn)):
        with suppress(psycopg.errors.LockNotAvailable), conn.transaction():
            conn.execute("set local lock_timeout = '2s'")
            begin(conn)
            only_a_moment(conn)
            if state in views.idle(store.load(conn)):
                views.remove(conn, state)
