"""A transaction of a deployment: nobody else changes what is deployed, and no tick runs."""

from __future__ import annotations

import psycopg

from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.deploy import change_log
from millstream.engine.state.clock import set_to_last_tick
from millstream.engine.state.locks import Tell, enter_place, enter_turn


def begin_change(conn: psycopg.Connection, tell: Tell | None = None) -> Catalogue:
    """Take the place of deployments and of the tick, and read the catalogue; the caller's transaction holds the locks."""
    settle_in(conn)
    enter_place(conn, tell)
    enter_turn(conn)
    change_log.clear_away_build(conn)
    set_to_last_tick(conn)
    return store.load(conn)


def settle_in(conn: psycopg.Connection) -> None:
    """The settings of a transaction that computes views."""
    conn.execute("set local client_min_messages = warning")
    conn.execute("set local search_path = public, pg_catalog")
    conn.execute("set local millstream.recording = 'on'")
