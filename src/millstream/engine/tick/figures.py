"""What ticks cost and move, by relation: figures for status and explain, tables to vacuum and to analyze."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from millstream.compiler.postgres.names import table
from millstream.engine.tick.program import TickRelation

DEAD_ROWS = 2_000  # how many emptied rows a relation's session tables may have: every tick reads past them
ANALYZE_ROWS = 1000  # below that many new rows the plans made for a table are good enough


class Figures:
    """Adds up the figures of ticks until they are stored."""

    def __init__(self) -> None:
        self.passed: dict[str, int] = {}  # rows through a relation's session tables since they were vacuumed
        self.grown: dict[str, int] = {}  # rows that changed in a relation since it was analyzed
        self.costs: dict[
            str, tuple[int, int, float]
        ] = {}  # ticks, rows and milliseconds since they were stored

    def add(
        self,
        relations: Sequence[TickRelation],
        changes: Sequence[int],
        addends: Sequence[int],
        spent: Sequence[float],
    ) -> None:
        """Add one tick: of each relation the changed rows, the rows handed to it, and the milliseconds spent on it."""
        for relation, rows, added, milliseconds in zip(relations, changes, addends, spent, strict=True):
            ticks, all_rows, all_milliseconds = self.costs.get(relation.name, (0, 0, 0.0))
            self.costs[relation.name] = (ticks + 1, all_rows + rows, all_milliseconds + milliseconds)
            if rows or added:
                self.passed[relation.name] = self.passed.get(relation.name, 0) + max(rows, added)
            if rows:
                self.grown[relation.name] = self.grown.get(relation.name, 0) + rows

    def vacuum(self, conn: psycopg.Connection, relations: Sequence[TickRelation]) -> None:
        """Keep the session tables small: every tick fills and empties them."""
        full = [relation for relation in relations if self.passed.get(relation.name, 0) > DEAD_ROWS]
        if full:
            tables = [name for relation in full for name in relation.session_tables]
            conn.execute(f"vacuum (skip_locked) {', '.join(tables)}".encode())
            for relation in full:
                del self.passed[relation.name]

    def analyze(self, conn: psycopg.Connection) -> None:
        """Analyze what has grown, so that plans made for small tables are made again."""
        for name, rows in list(self.grown.items()):
            row = conn.execute(
                "select reltuples from pg_class where oid = to_regclass(%s)", [table(name)]
            ).fetchone()
            if row is None:
                del self.grown[name]
            elif rows > ANALYZE_ROWS and rows > max(row[0], 0):
                conn.execute(f"analyze (skip_locked) {table(name)}".encode())
                self.grown[name] = 0

    def store(self, cursor: psycopg.Cursor) -> None:
        """Write the costs beside those of before."""
        cursor.executemany(
            "insert into millstream.node_stats (node, ticks, rows, milliseconds) values (%s, %s, %s, %s)"
            " on conflict (node) do update set ticks = node_stats.ticks + excluded.ticks,"
            " rows = node_stats.rows + excluded.rows, milliseconds = node_stats.milliseconds + excluded.milliseconds",
            [(name, *figures) for name, figures in self.costs.items()],
        )
