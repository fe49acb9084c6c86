"""Emitted Δ = new − old: in every tick, of every relation, hidden columns included.

Readers of a node trust its changes, not its rows: a retraction of a row that is not there leaves the rows right and
makes every sum above them wrong. So the changes are compared themselves, before the tick forgets them.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.postgres.names import changes, table
from millstream.engine.tick.program import TickRelation
from millstream.engine.tick.worker import Worker

Rows = Counter[tuple[Any, ...]]


class DeltaWatch:
    """Stands in for a worker's connection and looks at each tick's tables at its start and before its end.

    `errors` gathers what did not add up.
    """

    def __init__(self, worker: Worker) -> None:
        self.errors: list[str] = []
        self._worker = worker
        self._connection = worker.conn
        self._before: dict[str, Rows] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: Any, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if text.startswith("select") and "millstream_take(" in text:
            self._before = {relation.name: self._stored(relation) for relation in self._relations()}
        elif text.startswith("select") and "millstream_finish(" in text:
            self._compare()
        return self._connection.execute(query, *arguments, **options)

    def _relations(self) -> list[TickRelation]:
        assert self._worker.program is not None
        return self._worker.program.relations

    def _compare(self) -> None:
        for relation in self._relations():
            expected = self._before[relation.name].copy()
            for *row, weight in self._rows(relation, changes(relation.name), f", {WEIGHT}"):
                expected[_canonical(row)] += weight
            actual = self._stored(relation)
            if any(count < 0 for count in expected.values()):
                self.errors.append(f"{relation.name} retracts rows that it does not hold: {-expected}")
            if +expected != actual:
                self.errors.append(f"{relation.name}: old + Δ is {+expected}, new is {actual}")

    def _stored(self, relation: TickRelation) -> Rows:
        return Counter(_canonical(row) for row in self._rows(relation, table(relation.name)))

    def _rows(self, relation: TickRelation, name: str, more: str = "") -> list[tuple[Any, ...]]:
        owner = relation.sql.all_columns() if relation.sql is not None else relation.source.all_columns  # type: ignore[union-attr]
        return self._connection.execute(f"select {', '.join(owner)}{more} from {name}".encode()).fetchall()


def _canonical(row: Any) -> Any:
    """A value that is equal and hashes equal where PostgreSQL holds the originals equal."""
    if isinstance(row, dict):
        return tuple(sorted((key, _canonical(value)) for key, value in row.items()))
    if isinstance(row, list | tuple):
        return tuple(map(_canonical, row))
    if isinstance(row, float) and math.isnan(row):
        return "NaN"
    return row
