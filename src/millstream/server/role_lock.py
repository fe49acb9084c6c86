"""Keeps writer and reader from changing themselves (decision 10).

A role may change its own settings and password for all sessions to come, and PostgreSQL has no right for that which could be
taken away. So a connection of the owner's keeps the two catalogues locked against changes. Who may make changes and waits
for them, such as an owner who makes a role, gets them at the next look.
"""

from __future__ import annotations

import psycopg

from millstream.server.home import ROLES

CATALOGUES = "'{pg_authid,pg_db_role_setting}'::regclass[]"
TAKE = "lock table pg_catalog.pg_authid, pg_catalog.pg_db_role_setting in share mode"
PATIENCE = "100ms"  # how long it waits for who changes them now; whoever comes meanwhile waits behind it
OTHERS_WAIT = f"""
select exists (
    select from pg_locks as l left join pg_stat_activity as a on a.pid = l.pid
    where l.locktype = 'relation' and l.relation = any ({CATALOGUES}) and not l.granted
        and coalesce(a.usename::text, '') <> all (%s)
)
"""


class RoleLock:
    """The lock on the roles of the server of `dsn`, whose user is a superuser."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(
            dsn,
            connect_timeout=10,
            application_name="millstream role lock",
            prepare_threshold=None,  # the portal of a prepared statement would keep a snapshot, and rows from being vacuumed
            options=f"-c lock_timeout={PATIENCE}",
        )
        self.held = False

    def look(self, connection: psycopg.Connection) -> None:
        """Take the lock; let go of it where somebody who may make changes waits for it. `connection` is another one."""
        if not self.held:
            self._take()
            return
        self._connection.execute("select")  # raises where the session, and the lock with it, is gone
        if connection.execute(OTHERS_WAIT, [[ROLES["reader"], ROLES["writer"]]]).fetchone() == (True,):
            self.release()

    def _take(self) -> None:
        try:
            self._connection.execute(TAKE)
        except psycopg.errors.LockNotAvailable:
            self._connection.rollback()
        else:
            self.held = True

    def release(self) -> None:
        """Let go of it until the next look."""
        self._connection.rollback()
        self.held = False

    def close(self) -> None:
        """Let go of it for good."""
        self._connection.close()
        self.held = False
