"""How much a change reads: where it is little, ticks can wait for it."""

from __future__ import annotations

import psycopg

from millstream.compiler.postgres.names import table
from millstream.engine.deploy.draft import Draft

AT_ONCE = 10_000  # rows that a change may read to be carried out in the place of one tick
CALL_ROWS = 50  # for how many of them a row counts where Python is called


def reads_little(draft: Draft) -> bool:
    """Tell whether the new versions read so few rows that ticks can wait for them."""
    left = AT_ONCE // (CALL_ROWS if any(sql.node.udf is not None for sql in draft.nodes) else 1)
    for relation in draft.outside:
        left -= rows_up_to(draft.conn, relation, left + 1)
        if left < 0:
            return False
    return True


def is_little(conn: psycopg.Connection, relation: str) -> bool:
    """Tell whether a relation has so few rows."""
    return rows_up_to(conn, relation, AT_ONCE + 1) <= AT_ONCE


def rows_up_to(conn: psycopg.Connection, relation: str, most: int) -> int:
    """How many rows a relation has, or `most`."""
    counted = f"select count(*) from (select from {table(relation)} limit {max(most, 0)}) as t"
    row = conn.execute(counted.encode()).fetchone()
    assert row is not None
    return int(row[0])
