"""Sinks into tables: what a tick has kept for a source is inserted there as a client would, after the tick.

So the table's rule, its keys and its locks hold for sinks as for everybody, and a client that keeps a row locked keeps
the sink's rows of that key waiting, not the tick. Rows leave the pending table in the transaction that inserts them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import psycopg

from millstream.compiler.postgres.names import NUMBER, beside_values, pending
from millstream.engine.state.source import Source
from millstream.engine.tick.program import Program

BATCH = 5_000  # rows that one transaction inserts
PATIENCE = "50ms"  # how long an insertion waits for a client
# What the values of a row can cause; such a row is set aside.
ROW_ERRORS = (
    psycopg.errors.DataError,
    psycopg.errors.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)
WAITS = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

log = logging.getLogger("millstream.sinks")


class Sinks:
    """The worker's deliveries. `due` says that something may be pending."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self.conn = conn
        self.sources: list[Source] = []
        self.places: list[int] = []  # of the relations that sinks read, in the order of a tick
        self.due = False

    def follow(self, program: Program) -> None:
        """Serve the sinks of a program; an earlier worker may have left something to deliver."""
        fed = {name for relation in program.relations for name in relation.targets}
        self.sources = [r.source for r in program.sources if r.source is not None and r.name in fed]
        self.places = [program.places[r.name] for r in program.relations if r.targets]
        self.due = bool(self.sources)

    def note(self, changes: Sequence[int]) -> None:
        """See whether a tick has changed what sinks read; `changes` are counted by the place of a relation."""
        self.due = self.due or any(changes[place] for place in self.places)

    def deliver(self) -> bool:
        """Insert what is pending; return whether the sources have got rows, which a tick must take.

        Rows of keys that clients keep locked stay due.
        """
        if not self.due:
            return False
        delivered = [self.deliver_to(source) for source in self.sources]
        self.due = any(self.is_pending(source) for source in self.sources)
        return any(delivered)

    def deliver_to(self, source: Source) -> bool:
        """Insert what is pending for one source, in batches."""
        delivered, count = False, BATCH
        while count == BATCH and self.is_pending(source):
            try:
                with self.conn.transaction():
                    count = self.insert(
                        source,
                        f"(SELECT {NUMBER} FROM {pending(source.name)} ORDER BY {NUMBER} LIMIT {BATCH})",
                    )
            except (*WAITS, *ROW_ERRORS):
                return self.one_by_one(source) or delivered
            delivered = True
        return delivered

    def is_pending(self, source: Source) -> bool:
        """Tell whether a source has rows to come."""
        return bool(self.conn.execute(f"SELECT FROM {pending(source.name)} LIMIT 1".encode()).fetchall())

    def insert(self, source: Source, numbers: str) -> int:
        """Insert the pending rows of these numbers; return how many they were."""
        columns = ", ".join(source.clients.given)
        self.conn.execute("select set_config('lock_timeout', %s, true)", [PATIENCE])
        row = self.conn.execute(
            f"WITH p AS (DELETE FROM {pending(source.name)} WHERE {NUMBER} = ANY (ARRAY{numbers}) RETURNING *), "
            f"i AS (INSERT INTO {source.view} ({columns}) SELECT {columns} FROM p ORDER BY {NUMBER}) "
            "SELECT count(*) FROM p".encode()
        ).fetchone()
        assert row is not None
        return int(row[0])

    def one_by_one(self, source: Source) -> bool:
        """Insert each row by itself: one that is refused is set aside, one that must wait is left."""
        rows = self.conn.execute(
            f"SELECT {NUMBER} FROM {pending(source.name)} ORDER BY {NUMBER} LIMIT {BATCH}".encode()
        ).fetchall()
        delivered = False
        for (number,) in rows:
            try:
                with self.conn.transaction():
                    self.insert(source, f"[{int(number)}::bigint]")
                    delivered = True
            except ROW_ERRORS as error:
                self.bury(source, int(number), error)
            except WAITS:
                continue
        return delivered

    def bury(self, source: Source, number: int, error: psycopg.Error) -> None:
        """Set a row aside that the table refuses."""
        log.error("a sink's row for %s was set aside: %s", source.name, str(error).splitlines()[0])
        self.conn.execute(
            f"WITH p AS (DELETE FROM {beside_values(pending(source.name))} WHERE {NUMBER} = %s RETURNING *) "
            "INSERT INTO millstream.dead_row (relation, tick, error, payload) "
            "SELECT %s, (SELECT tick FROM millstream.clock), %s, "
            f"millstream.as_payload(p) - '{NUMBER}' FROM p".encode(),
            [number, source.name, str(error)],
        )
