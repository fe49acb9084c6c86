"""What a source relation holds, in plain Python: the declared conflict rule applied to a queue, in order of arrival.

A statement reads the relation as of the last tick (nothing queued is visible) and queues one change per row. The tick
applies the queue in order:

    insert   key absent → added; key present → kept (`on conflict do nothing`) or replaced (the default, `do update full`)
    update   the row is replaced; a row that was deleted earlier in the same tick comes back, as in RisingWave, where an
             update is a retraction of the old row and an insertion of the new one
    delete   removed if present

Without a primary key every inserted row has an identity of its own, and rows are a bag.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from math import isnan
from typing import TypeAlias

from tests.equivalence.schema import Table
from tests.equivalence.values import Value

Row: TypeAlias = tuple[Value, ...]
Identity: TypeAlias = tuple[Value, ...]


@dataclass
class SourceModel:
    """One source relation: its rows by identity as of the last tick, and what is queued for the next."""

    table: Table
    rows: dict[Identity, Row] = field(default_factory=dict)
    queue: list[tuple[str, Identity, Row]] = field(default_factory=list)
    _row_ids: count[int] = field(default_factory=count)

    def insert(self, rows: Iterable[Row]) -> None:
        for row in rows:
            identity = self._key(row) if self.table.key else (next(self._row_ids),)
            self.queue.append(("i", identity, row))

    def delete(self, column: str | None, value: Value) -> None:
        """Queue the deletion of the visible rows whose `column` equals `value` (of all rows without a column)."""
        for identity, row in self._visible(column, value):
            self.queue.append(("d", identity, row))

    def update(self, column: str | None, value: Value, target: str, new: Value) -> None:
        """Queue `set target = new` for the visible rows whose `column` equals `value`."""
        position = self.table.position(target)
        for identity, row in self._visible(column, value):
            self.queue.append(("u", identity, (*row[:position], new, *row[position + 1 :])))

    def tick(self) -> None:
        """Apply the queue."""
        for operation, identity, row in self.queue:
            if operation == "d":
                self.rows.pop(identity, None)
            elif operation == "u" or self.table.conflict != "do nothing" or identity not in self.rows:
                self.rows[identity] = row
        self.queue.clear()

    def _key(self, row: Row) -> Identity:
        return tuple(row[self.table.position(name)] for name in self.table.key)

    def _visible(self, column: str | None, value: Value) -> list[tuple[Identity, Row]]:
        if column is None:
            return list(self.rows.items())
        position = self.table.position(column)
        return [(identity, row) for identity, row in self.rows.items() if _selects(row[position], value)]


def _selects(stored: Value, wanted: Value) -> bool:
    """`is not distinct from`, under which PostgreSQL holds NaN equal to itself."""
    if isinstance(stored, float) and isinstance(wanted, float) and isnan(stored) and isnan(wanted):
        return True
    return stored == wanted
