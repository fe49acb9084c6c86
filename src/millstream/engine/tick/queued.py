"""What waits for a tick: rows in the sources' queues, a deployment, a clock that was set, a person to forget."""

from __future__ import annotations

from typing import Any

import psycopg

from millstream.compiler.postgres.names import SEQUENCE, queue
from millstream.engine.tick.program import Program


def has_work(conn: psycopg.Connection, program: Program, epoch: int) -> bool:
    """Tell whether a tick would find something to do; `epoch` is that of the deployment which the program is of."""
    looks = " or ".join(
        [
            "c.epoch <> %s",
            "c.set_to is not null",
            "exists (select from millstream.erasure as e where e.done_at is null)",
            *(f"exists (select from {queue(relation.name)})" for relation in program.sources),
        ]
    )
    return bool(one(conn.execute(f"select {looks} from millstream.clock as c".encode(), [epoch]))[0])


def is_queued(conn: psycopg.Connection, program: Program, last: int) -> bool:
    """Tell whether a row is queued whose number is at most `last`."""
    queues = [f"select 1 from {queue(r.name)} where {SEQUENCE} <= {last}" for r in program.sources]
    found = conn.execute(f"{' union all '.join(queues)} limit 1".encode()).fetchone() if queues else None
    return found is not None


def one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The only row of an answer."""
    row = cursor.fetchone()
    assert row is not None
    return row
