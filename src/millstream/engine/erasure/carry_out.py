"""Carry out the erasures that were asked for: the worker does it between ticks, so that only one does it at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import psycopg

from millstream.engine.erasure.people import People, follow
from millstream.engine.erasure.remove import remove
from millstream.engine.erasure.tombstones import KEYS, keep_key
from millstream.engine.erasure.traces import remove_traces, renew_statistics
from millstream.engine.state.locks import enter_turn
from millstream.errors import MillstreamError

PATIENCE = (
    "1s"  # how long it waits for a client that keeps a row locked, before it lets ticks run and tries again
)
PENDING = "select number, ids, visitors, follow_visitors from millstream.erasure where ids is not null order by number"
PROGRESS = "update millstream.erasure set ids = %s, visitors = %s, id_hashes = %s where number = %s"
DONE = (
    "update millstream.erasure set ids = null, visitors = '{}', error = null, done_at = clock_timestamp()"
    " where number = %s"
)

log = logging.getLogger("millstream.erasure")


def carry_out(conn: psycopg.Connection, catch_up: Callable[[], None]) -> bool:
    """Do what is asked for; `catch_up` runs ticks until all that is queued is taken. Returns whether anything was done.

    What fails (a client keeps a row locked, say) stays asked for, with the reason, and is tried again.
    """
    done = False
    for number, ids, visitors, follow_visitors in conn.execute(PENDING.encode()).fetchall():
        try:
            erase(conn, number, People(set(ids), set(visitors), follow_visitors), catch_up)
            done = True
        except (psycopg.Error, MillstreamError) as error:
            if conn.closed:
                raise
            reason = str(error).splitlines()[0]
            log.warning("erasure %s waits: %s", number, reason)
            conn.execute("update millstream.erasure set error = %s where number = %s", [reason, number])
    return done


def erase(conn: psycopg.Connection, number: int, people: People, catch_up: Callable[[], None]) -> None:
    """Remove people until nothing of them comes any more, then what the engine remembers of them.

    Every step may be repeated: whoever goes on after a crash finds in the request all ids that were found so far.
    """
    rows = -1
    while rows != 0:
        with conn.transaction():
            enter(conn)
            follow(conn, people)
            removed = remove(conn, people)
            hashes = sorted(people.hashes | people.visitor_hashes)
            conn.execute(PROGRESS.encode(), [sorted(people.ids), sorted(people.visitors), hashes, number])
            note(conn, number, removed)
        rows = removed.total()
        catch_up()
    with conn.transaction():
        enter_turn(conn)
        note(conn, number, remove_traces(conn, people.everything))
    renew_statistics(conn, people.everything)
    conn.execute(DONE.encode(), [number])
    log.info("erasure %s is done", number)


def count(conn: psycopg.Connection, people: People) -> Counter[str]:
    """Say what would be removed, and leave everything as it is; `people` gets all that the links lead to."""
    with conn.transaction(force_rollback=True):
        enter(conn)
        follow(conn, people)
        return remove(conn, people)


def enter(conn: psycopg.Connection) -> None:
    """Begin: wait for nobody for long, and find the project's sources by their names."""
    conn.execute("select set_config('lock_timeout', %s, true)", [PATIENCE])
    if not find_project(conn):
        raise MillstreamError("the project's source tombstones is not deployed\n  hint: dbt run")


def find_project(conn: psycopg.Connection) -> bool:
    """Let names mean the schema in which the project's sources are, for this transaction; say whether there is one."""
    row = conn.execute(
        "select schema_name from millstream.relation where name = %s order by schema_name limit 1", [KEYS]
    ).fetchone()
    if row is not None:
        conn.execute(
            "select set_config('search_path', quote_ident(%s) || ', ' || current_setting('search_path'), true)",
            [row[0]],
        )
    return row is not None


def prepare(conn: psycopg.Connection) -> None:
    """Make the key of the hashes, and let links be remembered, as soon as there is a place for them."""
    with conn.transaction():
        if not find_project(conn):
            return
        keep_key(conn)
        row = conn.execute(
            "select to_regclass('identities') is not null and exists (select from pg_attribute where attname = 'visitor_hash'"
            " and not attisdropped and attrelid = to_regclass('past_identities')) and not exists ("
            "select from pg_trigger where tgrelid = to_regclass('identities') and tgname = 'millstream_remember_insert')"
        ).fetchone()
        if row is not None and row[0]:
            for event in ("insert", "update"):
                conn.execute(
                    f"create or replace trigger millstream_remember_{event} after {event} on identities referencing"
                    " new table as added for each statement execute function millstream.remember_links()".encode()
                )


def note(conn: psycopg.Connection, number: int, removed: Counter[str]) -> None:
    """Add up what was removed."""
    for relation, rows in removed.items():
        conn.execute(
            "update millstream.erasure set removed = removed || jsonb_build_object("
            "%(r)s::text, coalesce((removed ->> %(r)s)::bigint, 0) + %(n)s) where number = %(number)s",
            {"r": relation, "n": rows, "number": number},
        )
