"""Advisory locks of one database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg

from millstream.errors import MillstreamError

WORKER_LOCK = 0x776F726B  # held by a worker as long as it lives: 'work'
TICK_LOCK = 0x7469636B  # held by every tick and every deploy until it commits: 'tick'
BUILD_LOCK = 0x62756C64  # held by whoever changes what is deployed, also while ticks go on: 'buld'
LOOK_SECONDS = 0.05  # how often a deployment looks whether the one before it has ended
PATIENCE_SECONDS = 60.0  # how long a deployment waits for readers where the session sets no lock_timeout
MOMENT = "100ms"  # how long it keeps ticks and other readers waiting meanwhile, before it gives way

Tell = Callable[[str], None]  # is told lines of progress
Result = TypeVar("Result")


def enter_turn(conn: psycopg.Connection) -> None:
    """Wait for the turn of ticks and deploys; the caller's transaction keeps it."""
    conn.execute("select pg_advisory_xact_lock(%s)", [TICK_LOCK])


def enter_place(conn: psycopg.Connection, tell: Tell | None = None) -> None:
    """Wait for the place of deployments; the caller's transaction keeps it."""
    wait_for_place(conn, "select pg_try_advisory_xact_lock(%s)", tell)


@contextmanager
def place_of_deployments(conn: psycopg.Connection, tell: Tell | None = None) -> Iterator[None]:
    """Have the place of deployments for the length of the block, in as many transactions as it takes."""
    wait_for_place(conn, "select pg_try_advisory_lock(%s)", tell)
    try:
        yield
    finally:
        with suppress(psycopg.OperationalError):  # a lost connection has let go of it
            conn.execute("select pg_advisory_unlock(%s)", [BUILD_LOCK])


def wait_for_place(conn: psycopg.Connection, attempt: str, tell: Tell | None) -> None:
    """Try again and again, for as long as the session's lock_timeout says.

    A session that waited inside one statement would keep its snapshot, and what is deployed before it may have to wait for
    the end of all old snapshots (CREATE INDEX CONCURRENTLY does).
    """
    began, told = time.monotonic(), False
    while not one(conn, attempt, [BUILD_LOCK]):
        if not told and tell is not None:
            tell(f"waiting for {who_deploys(conn)}")
        told = True
        limit = lock_timeout(conn)
        if limit and time.monotonic() > began + limit:
            raise MillstreamError(
                f"{who_deploys(conn)} has been at work for longer than the {limit:g} s of lock_timeout\n"
                "  hint: `millstream status` shows how far it is; run again when it has ended"
            )
        time.sleep(LOOK_SECONDS)


def who_deploys(conn: psycopg.Connection) -> str:
    """The deployment that has the place, as far as others can see."""
    row = conn.execute("select backend, views[1], doing from millstream.build").fetchone()
    return f"the deployment of {row[1]} ({row[2]}; server process {row[0]})" if row else "another deployment"


def lock_timeout(conn: psycopg.Connection) -> float:
    """The session's lock_timeout in seconds, 0 where there is none."""
    setting = one(conn, "select setting::integer from pg_settings where name = 'lock_timeout'")
    return float(setting) / 1000  # type: ignore[arg-type]


def patiently(conn: psycopg.Connection, work: Callable[[], Result]) -> Result:
    """Do what needs readers' locks, in transactions of its own, and again from the start where they are not to be had.

    A reader of two views may hold one and wait for the other. So it is the deployment that gives way, long before
    PostgreSQL would end one of the two, and lets ticks run; it gives up after the session's lock_timeout, if that is set.
    """
    deadline = time.monotonic() + (lock_timeout(conn) or PATIENCE_SECONDS)
    while True:
        try:
            return work()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - two deploys should not keep step


def only_a_moment(conn: psycopg.Connection) -> None:
    """Let nothing wait for this transaction, which waits for a reader's lock, longer than a moment."""
    conn.execute("select set_config('lock_timeout', %s, true)", [MOMENT])


def one(conn: psycopg.Connection, query: str, values: list[object] | None = None) -> object:
    """The one value of a query."""
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def worker_connected(conn: psycopg.Connection) -> bool:
    """Tell whether a worker holds its lock."""
    row = conn.execute(
        "select exists (select 1 from pg_locks where locktype = 'advisory' and objid = %s and granted"
        " and database = (select oid from pg_database where datname = current_database()))",
        [WORKER_LOCK],
    ).fetchone()
    return bool(row and row[0])
