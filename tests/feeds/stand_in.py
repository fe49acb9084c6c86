"""A server on loopback that speaks the Postgres protocol as RisingWave does and keeps subscriptions as documented.

It runs no SQL: it knows the statements of a watcher and fails every other one. The drivers are the real ones, and so are
the sockets that break. What a subscription cursor does is taken from https://docs.risingwave.com/serve/subscription, the
tests in e2e_test/subscription and the texts of the errors in RisingWave 2.8 and 3.0:

- SINCE includes its timestamp, which must be between now - retention and now; FULL gives the rows as of the declaration,
  without rw_timestamp, and then what changed;
- FETCH gives what is there; only with a timeout and nothing there it waits, and it may stop at any row when that is over;
- a cursor looks for its subscription by name, but reads the table for which it was declared: after a swap of names it
  goes on without rows;
- it dies when no new timestamp came within the retention, and with its session.
"""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SECOND = 0.05  # of a timeout: tests do not wait for nothing

TYPES = {
    "integer": 23,
    "bigint": 20,
    "varchar": 1043,
    "varchar[]": 1015,
    "boolean": 16,
    "double precision": 701,
    "numeric": 1700,
    "jsonb": 3802,
    "timestamptz": 1184,
    "date": 1082,
}

NAME = r'"([^"]+)"\."([^"]+)"'
DECLARE = re.compile(rf"declare (\w+) subscription cursor for {NAME} (?:(full)|since (\d+))$")
FETCH = re.compile(r"fetch (\d+) from (\w+)(?: with \(timeout = '(\d+)s'\))?$")

Row = tuple[str | None, ...]
"""Values as the server writes them."""


class ServerError(Exception):
    """An error of RisingWave, as its clients see it: a head and the causes."""

    def __init__(self, cause: str, code: str = "XX000") -> None:
        super().__init__(
            f"Failed to run the query\n\nCaused by these errors (recent errors listed first):\n  1: Catalog error\n  2: {cause}"
        )
        self.code = code


@dataclass
class Table:
    """A materialized view: its columns as (name, type), its rows, and what changed when."""

    columns: list[tuple[str, str]]
    rows: list[Row] = field(default_factory=list)
    log: list[tuple[int, list[tuple[str, Row]]]] = field(default_factory=list)


@dataclass
class Subscription:
    id: int
    table: Table
    created: int
    retention: int


@dataclass
class Cursor:
    subscription: Subscription
    name: tuple[str, str]
    queue: list[tuple[Row, str, int | None]]
    seek: int
    dies: int


class StandIn(socketserver.ThreadingTCPServer):
    """The server and its catalogue. `clock` is the time in milliseconds; a commit advances it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.changed = threading.Condition()
        self.clock = 1_772_359_200_000
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.relations: dict[tuple[str, str], str] = {}
        self.sent: list[str] = []
        self.errors: list[tuple[str, str]] = []
        self.accepting = True
        self.cut_at: int | None = None
        self.is_risingwave = True
        self._ids = 100
        self._sockets: set[Any] = set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def dsn(self) -> str:
        return f"postgresql://root@127.0.0.1:{self.port}/dev"

    # -- what happens in the database ----------------------------------------------------------------------------

    def deploy(self, model: str, columns: Sequence[tuple[str, str]], *rows: Row, days: float = 1) -> Table:
        """Make a view with rows and its subscription, or put new ones behind the names of old ones."""
        with self.changed:
            self.clock += 1000
            self._ids += 1
            table = Table(list(columns), list(rows))
            self.relations["public", model] = "materialized view"
            made = Subscription(self._ids, table, self.clock, round(days * 86_400_000))
            self.subscriptions["public", f"{model}_feed"] = made
            return table

    def commit(self, table: Table, *changes: tuple[str, Row]) -> int:
        """Change a view at the next checkpoint; returns its rw_timestamp."""
        with self.changed:
            self.clock += 1000
            table.log.append((self.clock, list(changes)))
            for op, row in changes:
                if op.endswith("Delete"):
                    table.rows.remove(row)
                else:
                    table.rows.append(row)
            self.changed.notify_all()
            return self.clock

    def pass_time(self, *, days: float) -> None:
        """Nothing is committed for so long; what is older than the retention goes."""
        with self.changed:
            self.clock += round(days * 86_400_000)
            for each in self.subscriptions.values():
                oldest = self.clock - each.retention
                each.table.log = [entry for entry in each.table.log if entry[0] >= oldest]
            self.changed.notify_all()

    def break_connections(self) -> None:
        """End every session in the middle of whatever it does."""
        with self.changed:
            for each in list(self._sockets):
                with suppress(OSError):  # it is closed already
                    each.shutdown(socket.SHUT_RDWR)

    def statements(self, start: str) -> list[str]:
        """What was sent that begins so."""
        with self.changed:
            return [text for text in self.sent if text.startswith(start)]

    # -- statements ----------------------------------------------------------------------------------------------

    def answer(self, session: Session, text: str) -> tuple[list[tuple[str, str]], list[Row]] | None:
        """Columns and rows, or None for a statement that has none."""
        with self.changed:
            self.sent.append(text)
            for number, (start, cause) in enumerate(self.errors):
                if text.startswith(start):
                    del self.errors[number]
                    raise ServerError(cause)
            if found := DECLARE.match(text):
                return self.declare(session, *found.groups())
            if found := FETCH.match(text):
                return self.fetch(session, *found.groups())
            return self.question(text)

    def question(self, text: str) -> tuple[list[tuple[str, str]], list[Row]] | None:
        lowered = " ".join(text.lower().split())
        if re.match(r"(begin|commit|rollback|set (timezone|datestyle) to .*)$", lowered):
            return None
        if lowered == "select current_schema()":
            return [("current_schema", "varchar")], [("public",)]
        if lowered == "select now()":
            return [("now", "timestamptz")], [(stamp(self.clock),)]
        if not self.is_risingwave and "rw_catalog" in lowered:
            raise ServerError('relation "rw_catalog.rw_subscriptions" does not exist', "42P01")
        if "from rw_catalog.rw_subscriptions" in lowered:
            names = [("schema_name", "varchar"), ("name", "varchar"), ("id", "integer")]
            return [*names, ("created_at", "timestamptz")], [
                (*name, str(each.id), stamp(each.created)) for name, each in self.subscriptions.items()
            ]
        if "from rw_catalog.rw_relations" in lowered:
            names = [("schema_name", "varchar"), ("name", "varchar"), ("relation_type", "varchar")]
            return names, [(*name, kind) for name, kind in self.relations.items()]
        raise ServerError(f"the stand-in does not know this statement: {text}", "42601")

    def declare(
        self, session: Session, cursor: str, schema: str, name: str, full: str | None, since: str | None
    ) -> None:
        key = schema, name
        if key not in self.subscriptions:
            raise ServerError(f"subscription not found: {name}", "42704")
        if cursor in session.cursors:
            raise ServerError(f"cursor `{cursor}` already exists")
        of = self.subscriptions[key]
        start = self.clock
        if since is not None:
            start = int(since)
            if start > self.clock:
                raise ServerError("rw_timestamp is too large, need to be less than the current unix_millis")
            if start < self.clock - of.retention:
                raise ServerError(
                    "rw_timestamp is too small, need to be large than the current unix_millis - "
                    "subscription's retention time"
                )
        rows = [(row, "Insert", None) for row in of.table.rows] if full else []
        seek = self.clock + 1 if full else start
        session.cursors[cursor] = Cursor(of, key, list(rows), seek, self.clock + of.retention)

    def fetch(
        self, session: Session, count: str, name: str, timeout: str | None
    ) -> tuple[list[tuple[str, str]], list[Row]]:
        cursor = session.cursors.get(name)
        if cursor is None:
            raise ServerError(f"Cannot find cursor `{name}`")
        if self.clock > cursor.dies:
            raise ServerError(
                "The cursor has exceeded its maximum lifetime, please recreate it (close then declare cursor)."
            )
        limit = int(count)
        until = time.monotonic() + int(timeout or 0) * SECOND
        self.fill(cursor, limit)
        while not cursor.queue and session.is_open and time.monotonic() < until:
            self.changed.wait(until - time.monotonic())
            self.fill(cursor, limit)
        if timeout is not None and self.cut_at is not None:
            limit, self.cut_at = self.cut_at, None  # the time ran out in the middle
        taken, cursor.queue = cursor.queue[:limit], cursor.queue[limit:]
        columns = [*cursor.subscription.table.columns, ("op", "varchar"), ("rw_timestamp", "bigint")]
        return columns, [(*row, op, None if at is None else str(at)) for row, op, at in taken]

    def fill(self, cursor: Cursor, limit: int) -> None:
        """Read on in the log while fewer rows are at hand than are asked for."""
        while len(cursor.queue) < limit:
            if cursor.name not in self.subscriptions:
                raise ServerError(f"Item not found: subscription {cursor.name[1]} not found")
            log = cursor.subscription.table.log
            following = next((entry for entry in log if entry[0] >= cursor.seek), None)
            if following is None:
                return
            at, changes = following
            cursor.queue += [(row, op, at) for op, row in changes]
            cursor.seek = at + 1
            cursor.dies = self.clock + cursor.subscription.retention


def stamp(milliseconds: int) -> str:
    """A timestamptz in UTC as RisingWave writes it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")


class Session(socketserver.BaseRequestHandler):
    """One connection: the startup, then simple queries, as psycopg2 sends them."""

    server: StandIn

    def setup(self) -> None:
        self.cursors: dict[str, Cursor] = {}
        self.is_open = True
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server._sockets.add(self.request)

    def finish(self) -> None:
        self.server._sockets.discard(self.request)

    def handle(self) -> None:
        try:
            if self.start():
                self.converse()
        except (OSError, EOFError):
            self.is_open = False

    def start(self) -> bool:
        while True:
            (length,) = struct.unpack("!i", self.read(4))
            body = self.read(length - 4)
            (code,) = struct.unpack("!i", body[:4])
            if code not in (80877103, 80877104):  # TLS, GSSAPI: neither is spoken here
                break
            self.request.sendall(b"N")
        if not self.server.accepting:
            self.send(b"E", error("The cluster is in recovery", "XX000"))
            return False
        self.send(b"R", struct.pack("!i", 0))
        settings = {"server_version": "13.14.0", "server_encoding": "UTF8", "client_encoding": "UTF8"}
        for name, value in (
            settings | {"standard_conforming_strings": "on", "DateStyle": "ISO, MDY"}
        ).items():
            self.send(b"S", text(name) + text(value))
        self.send(b"Z", b"I")
        return True

    def converse(self) -> None:
        while True:
            kind = self.read(1)
            (length,) = struct.unpack("!i", self.read(4))
            body = self.read(length - 4)
            if kind == b"X":
                return
            assert kind == b"Q", kind
            try:
                answer = self.server.answer(self, body.rstrip(b"\0").decode().strip())
            except ServerError as found:
                self.send(b"E", error(str(found), found.code))
            else:
                if answer is not None:
                    self.send_rows(*answer)
                self.send(b"C", text("OK"))
            self.send(b"Z", b"I")

    def send_rows(self, columns: list[tuple[str, str]], rows: list[Row]) -> None:
        described = [
            text(name) + struct.pack("!ihihih", 0, 0, TYPES[type_], -1, -1, 0) for name, type_ in columns
        ]
        self.send(b"T", struct.pack("!h", len(columns)) + b"".join(described))
        for row in rows:
            values = [
                struct.pack("!i", -1)
                if value is None
                else struct.pack("!i", len(value.encode())) + value.encode()
                for value in row
            ]
            self.send(b"D", struct.pack("!h", len(row)) + b"".join(values))

    def send(self, kind: bytes, body: bytes) -> None:
        self.request.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def read(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = self.request.recv(length - len(found))
            if not part:
                raise EOFError
            found += part
        return found


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def error(message: str, code: str) -> bytes:
    return b"SERROR\0C" + text(code) + b"M" + text(message) + b"\0"
