"""Bring what an earlier release has made in the database to what this one makes: sources' triggers, served views."""

from __future__ import annotations

import logging

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.engine.catalog import store
from millstream.engine.catalog.project_settings import read_project_settings
from millstream.engine.state.locks import enter_turn, only_a_moment, patiently
from millstream.engine.state.rights import role_that_reads
from millstream.engine.state.source import source_of

log = logging.getLogger("millstream.worker")

BARE = """
select r.schema_name, r.name
from millstream.relation as r
join pg_class as c on c.oid = to_regclass(format('%I.%I', r.schema_name, r.name))
where r.kind in ('view', 'materialized_view') and c.relkind = 'v'
    and not coalesce(c.reloptions && array['security_barrier=true'], false)
"""


def renew(conn: psycopg.Connection) -> None:
    """Do what is left to do; readers and writers are waited for, and not kept waiting.

    Where one of them stays, that is for the next start: what an earlier release has made works with this one.
    """
    try:
        patiently(conn, lambda: renew_at_once(conn))
    except psycopg.errors.LockNotAvailable:
        log.warning(
            "a client keeps a table or view locked; what this release makes otherwise is made at the next start"
        )


def renew_at_once(conn: psycopg.Connection) -> None:
    """The same in one transaction. Raises LockNotAvailable where a client holds what has to change."""
    with conn.transaction():
        enter_turn(conn)
        only_a_moment(conn)
        settings = read_project_settings(conn)
        for schema, name in conn.execute(BARE).fetchall():
            if role_that_reads(name, settings) is not None:
                conn.execute(f"ALTER VIEW {quote(schema)}.{quote(name)} SET (security_barrier)".encode())
        renew_triggers(conn)


def renew_triggers(conn: psycopg.Connection) -> None:
    """Make the triggers of every source again, if they are others than those that were made the last time."""
    for state in store.load(conn).tables:
        clients = source_of(state).clients
        if state.triggers == clients.triggers_mark:
            continue
        for statement in clients.triggers():
            conn.execute(statement.encode())
        store.note(conn, state.name, "triggers", clients.triggers_mark)
