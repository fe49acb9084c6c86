"""Holds writer and reader to their limits, whatever their sessions have set for themselves (decision 10).

A role may change most of its settings for a session, and its settings and password for all sessions to come. So somebody
else looks, twice a second: sessions that are over a limit are ended, logins too that take slots and never come to their end,
and a role that is not as it must be is mended.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from millstream.server import roles
from millstream.server.connections import end_half_open
from millstream.server.errors import ServerError
from millstream.server.home import ROLES
from millstream.server.rights import GUIDE, is_superuser
from millstream.server.role_lock import RoleLock
from millstream.server.server import Server

log = logging.getLogger("millstream.watchdog")

LOOK_SECONDS = 0.5
SLACK_SECONDS = 1.0  # PostgreSQL is first to end what is over a limit that it knows of
RETRY_SECONDS = 1.0  # until the next look where one failed
MEMORY = {
    "reader": 512 * 2**20,
    "writer": 2 * 2**30,
}  # bytes of a session's own, its parallel workers' included
LOCKS = 1000  # locks that a session may hold: the server has room for so many of all sessions together
TEMPORARY = (
    256 * 2**20
)  # bytes of temporary files of all readers together; each session has a limit of its own
FULL_QUEUE = 0.1  # the part of the notification queue that is left alone

KINDS = {name: kind for kind, name in ROLES.items() if kind in roles.LIMITS}

SESSIONS = """
select
    a.pid, coalesce(a.leader_pid, a.pid), a.backend_start, a.usename::text, a.application_name, a.state,
    coalesce(a.wait_event, ''), a.query ilike '%%notify%%',
    extract(epoch from clock_timestamp() - a.query_start)::float8,
    extract(epoch from clock_timestamp() - a.xact_start)::float8,
    extract(epoch from clock_timestamp() - a.state_change)::float8,
    (select count(*) from pg_locks as l where l.pid = a.pid),
    exists (
        select from pg_locks as l where l.pid = a.pid and l.locktype = 'relation' and (
            l.relation = any ('{pg_authid,pg_db_role_setting}'::regclass[]) and l.mode <> 'AccessShareLock'
            or l.relation < 16384 and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        )
    )
from pg_stat_activity as a
where a.usename = any (%s) and a.backend_type in ('client backend', 'parallel worker')
"""


TEMPORARY_FILES = """
select substring(name from '^pgsql_tmp([0-9]+)[.]')::integer, sum(size)::bigint from pg_ls_tmpdir()
where name ~ '^pgsql_tmp[0-9]+[.]' group by 1
"""


@dataclass(frozen=True)
class WatchedSession:
    """A session of a role that has limits. Ages are in seconds, None where there is nothing of that kind."""

    pid: int
    leader: int
    started: datetime
    role: str
    application: str
    state: str | None
    waits_for: str
    notifies: bool
    statement: float | None
    transaction: float | None
    since: float | None  # that it has been in its state
    locks: int
    meddles: bool  # it changes a role, or keeps others from a catalogue

    @property
    def kind(self) -> str:
        """The kind of its role."""
        return KINDS[self.role]


def overstepped(session: WatchedSession, memory: int, queue: float) -> str | None:
    """Say which limit a session is over, with how to stay within it, or None. `memory` is in bytes; `queue` is the used
    part of the notification queue, which can be full because somebody listens and never comes to the end of a transaction.
    """
    limits = roles.settings_of(session.kind)
    state = session.state or ""
    ages = {
        "statement_timeout": session.statement if state in ("active", "fastpath function call") else None,
        "transaction_timeout": session.transaction,
        "idle_in_transaction_session_timeout": session.since if state.startswith("idle in trans") else None,
        "idle_session_timeout": session.since if state == "idle" else None,
    }
    for setting, age in ages.items():
        limit = limits.get(setting)
        if limit is not None and age is not None and age > seconds(limit) + SLACK_SECONDS:
            return f"{setting} is {limit}; it set its own away, and was at {age:.0f} s"
    if session.meddles:
        return (
            "it changed its role, or locked a catalogue of the server; settings of a session are set with SET"
        )
    if memory > MEMORY[session.kind]:
        return f"it used {memory / 2**20:.0f} MB of memory, and {MEMORY[session.kind] / 2**20:.0f} MB are allowed; ask for less at once"
    if session.locks > LOCKS:
        return f"it held {session.locks} locks, and {LOCKS} are allowed; commit more often"
    holds = (session.transaction or 0) > SLACK_SECONDS or session.waits_for == "ClientWrite"
    if queue > FULL_QUEUE and (holds or session.notifies):
        return f"the queue of notifications is {queue:.0%} full, and it fills it or keeps it from being emptied; read what you listen for"
    return None


def _password(server: Server, kind: str) -> str:
    return str(conninfo_to_dict(server.dsn(kind))["password"])


UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(interval: str) -> float:
    """Read a time as a setting gives it, such as 5s or 1min."""
    number = interval.rstrip("smindh")
    return float(number) * UNITS[interval[len(number) :]]


def own_memory(pid: int) -> int:
    """The bytes of memory that are a process's own; 0 where that cannot be read (another machine, another system)."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Watchdog:
    """Looks after the sessions and roles of the server that `find` returns (None: there is none at this moment)."""

    def __init__(self, find: Callable[[], Server | None]) -> None:
        self.find = find
        self.ended = 0  # sessions, since it was made
        self._server: Server | None = None
        self._connection: psycopg.Connection | None = None
        self._passwords: dict[str, str] = {}
        self._role_lock: RoleLock | None = None  # on an embedded server
        self._verifiers: dict[str, str] = {}  # of the passwords, as they were last seen
        self._told: set[tuple[int, datetime]] = set()  # sessions that were ended and may not have gone yet
        self._failure = ""

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop. Whatever goes wrong with the server, it tries again."""
        while not stop.wait(LOOK_SECONDS):
            try:
                self.look()
                self._failure = ""
            except (psycopg.Error, OSError, ServerError) as error:
                self.close()
                if stop.is_set():
                    break
                text = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
                if text != self._failure:
                    log.warning("nobody holds writer and reader to their limits at this moment: %s", text)
                self._failure = text
                stop.wait(RETRY_SECONDS if self.find() is self._server else 0)
        self.close()

    def close(self) -> None:
        """Let go of the server."""
        if self._role_lock is not None:
            self._role_lock.close()
        self._role_lock = None
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def look(self) -> None:
        """Look once at sessions and roles; sessions first, since one may be in the way of mending its role."""
        server = self.find()
        if server is None:
            return
        if self._connection is None or server is not self._server:
            self.close()
            self._connect(server)
        assert self._connection is not None
        self._keep_slots_free(server)
        self._end_sessions()
        self._mend_roles()
        if not server.external:
            self._role_lock = self._role_lock or RoleLock(server.dsn("owner"))
            self._role_lock.look(self._connection)

    def _connect(self, server: Server) -> None:
        self._connection = psycopg.connect(
            server.dsn("owner"), autocommit=True, connect_timeout=10, application_name="millstream watchdog"
        )
        # it reads the same few statistics for ever, and must not wait for locks that others hold
        self._connection.execute("select set_config('lock_timeout', '200ms', false)")
        self._server = server
        self._passwords = {kind: _password(server, kind) for kind in roles.LIMITS}
        self._verifiers = {}

    def _keep_slots_free(self, server: Server) -> None:
        """End logins that stopped in the middle; the connection is kept, since it is too late to make one when slots are short."""
        assert self._connection is not None
        if server.pid is not None and (ended := end_half_open(self._connection, server.pid)):
            log.warning(
                "%s logins that stopped in the middle were ended, as they took the last free slots", ended
            )

    def _mend_roles(self) -> None:
        assert self._connection is not None
        assert self._server is not None
        superuser = is_superuser(self._connection)
        for kind, password in self._passwords.items():
            connections = self._server.options.connections(kind)
            wrong, verifier = roles.deviations(
                self._connection, kind, self._verifiers, connections, superuser=superuser
            )
            if verifier is not None and "password" in wrong and roles.fits(verifier, password):
                self._verifiers[kind] = verifier
                wrong.remove("password")
            if wrong:
                if self._role_lock is not None:
                    self._role_lock.release()
                try:
                    roles.make_role(
                        self._connection, kind, password, self._connection.info.dbname, connections
                    )
                except (psycopg.errors.LockNotAvailable, psycopg.errors.InternalError_) as error:
                    # a session that changes it at this moment is ended at the next look
                    log.warning("the role %s is being changed: %s", ROLES[kind], str(error).splitlines()[0])
                    continue
                log.warning(
                    "somebody changed %s of the role %s; it is set back (%s)",
                    ", ".join(wrong),
                    ROLES[kind],
                    GUIDE,
                )

    def _end_sessions(self) -> None:
        assert self._connection is not None
        assert self._server is not None
        found = [WatchedSession(*row) for row in self._connection.execute(SESSIONS, [list(KINDS)])]
        (queue,) = self._connection.execute("select pg_notification_queue_usage()").fetchone() or (0.0,)
        local = self._server.pid is not None
        memory: Counter[int] = Counter()
        for session in found if local else ():
            memory[session.leader] += own_memory(session.pid)
        for session in found:
            if session.pid != session.leader:
                continue
            why = overstepped(session, memory[session.pid], float(queue))
            if why is not None:
                self._end(session, why)
        if is_superuser(self._connection):
            self._make_room(found)
        self._told &= {(session.pid, session.started) for session in found}

    def _make_room(self, found: list[WatchedSession]) -> None:
        """End readers that have most in temporary files, as long as all together have too much."""
        assert self._connection is not None
        sizes: dict[int, int] = dict(self._connection.execute(TEMPORARY_FILES).fetchall())
        readers = [session for session in found if session.kind == "reader"]  # a writer's COPY may be large
        held = sorted(
            ((sizes.get(session.pid, 0), session) for session in readers), key=lambda pair: -pair[0]
        )
        left = sum(size for size, _ in held)
        for size, session in held:
            if left <= TEMPORARY:
                return
            why = f"readers had {left / 2**20:.0f} MB in temporary files, {TEMPORARY / 2**20:.0f} MB are allowed, and it had most"
            self._end(session, f"{why}; ask for less at once")
            left -= size

    def _end(self, session: WatchedSession, why: str) -> None:
        assert self._connection is not None
        self._connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid = %s and backend_start = %s",
            [session.pid, session.started],
        )
        if (session.pid, session.started) in self._told:
            return
        self._told.add((session.pid, session.started))
        self.ended += 1
        log.warning(
            "ended session %s of %s (%s): %s (%s)",
            session.pid,
            session.role,
            session.application or "no application_name",
            why,
            GUIDE,
        )
