"""Back-pressure: how many messages wait for a tick, so that reading stops before the queue grows without bound."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psycopg

from millstream.compiler.postgres.names import beside_values
from millstream.ingest.routes import Route

LOOK_SECONDS = 0.2
GO_ON = 0.8  # share of the limit below which reading goes on


class Backlog:
    """Counts what waits in the queues of some routes, at most `limit` rows far and a few times a second."""

    def __init__(self, routes: Iterable[Route], limit: int) -> None:
        self.limit = limit
        self.rows = 0
        self.is_full = False
        self._queues = sorted({route.queue for route in routes})
        self._looked = float("-inf")

    def look(self, conn: psycopg.Connection) -> bool:
        """Return whether reading must wait."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.rows = sum(self._count(conn, queue) for queue in self._queues)
            self.is_full = self.rows >= (self.limit * GO_ON if self.is_full else self.limit)
            self._looked = time.monotonic()
        return self.is_full

    def add(self, rows: int) -> None:
        """Count rows that were queued since the last look."""
        self.rows += rows
        self.is_full = self.is_full or self.rows >= self.limit

    def _count(self, conn: psycopg.Connection, queue: str) -> int:
        row = conn.execute(
            f"select count(*) from (select from {beside_values(queue)} limit %s) as q".encode(), [self.limit]
        ).fetchone()
        return int(row[0]) if row else 0
