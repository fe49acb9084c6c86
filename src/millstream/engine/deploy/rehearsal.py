"""Let PostgreSQL plan the statements of a tick before a view is deployed: what it would refuse then, it refuses now."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import scans
from millstream.compiler.postgres.in_place import PLACE
from millstream.compiler.postgres.names import changes, table
from millstream.compiler.postgres.statements import NodeSql


def rehearse(conn: psycopg.Connection, written: Sequence[NodeSql]) -> None:
    """Plan every statement that keeps these nodes, which are built already; nothing remains of it."""
    mine = [sql.node.name for sql in written]
    read = {scan.relation.name for sql in written for scan in scans(sql.node.plan)} - set(mine)
    places = {name: place for place, name in enumerate([*sorted(read), *mine])}
    changed = [
        f"CREATE TEMPORARY TABLE {changes(name)} AS SELECT *, NULL::tid AS {PLACE}, 0 AS {WEIGHT} "
        f"FROM {table(name)} LIMIT 0"
        for name in sorted(read)
    ]
    own = [statement for sql in written for statement in sql.temporary()]
    planned = [f"EXPLAIN {text}" for sql in written for text in texts(sql, places)]
    with conn.transaction(force_rollback=True):
        conn.execute(";\n".join([*changed, *own, *planned]).encode())


def texts(sql: NodeSql, places: dict[str, int]) -> list[str]:
    """The statements of a tick for one node."""
    statements = sql.statements(places.__getitem__)
    prepare = [statements.prepare] if statements.prepare is not None else []
    return [*(term.sql for term in statements.terms), *prepare, statements.derive, statements.apply]
