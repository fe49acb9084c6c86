"""What a source relation holds, in plain Python: each statement takes effect at once, a plain INSERT by the declared rule.

    do nothing               the stored row of a key stays
    do update full           the new row replaces it (also without a clause)
    do update if not null    likewise, with the stored values for the new row's NULLs
    version columns          a row whose versions are older than the stored one's is left out; NULL is older than any

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
    """One source relation: its rows by identity."""

    table: Table
    rows: dict[Identity, Row] = field(default_factory=dict)
    _row_ids: count[int] = field(default_factory=count)

    def insert(self, rows: Iterable[Row]) -> None:
        for row in rows:
            identity = self._key(row) if self.table.key else (next(self._row_ids),)
            stored = self.rows.get(identity)
            if stored is None:
                self.rows[identity] = row
            elif self.table.conflict != "do nothing" and not self._is_older(row, stored):
                del self.rows[identity]  # the new row comes last, as where it is inserted anew
                self.rows[identity] = self._filled(row, stored)

    def delete(self, column: str | None, value: Value) -> None:
        """Delete the rows whose `column` equals `value` (all rows without a column)."""
        for identity, _ in self._selected(column, value):
            del self.rows[identity]

    def update(self, column: str | None, value: Value, target: str, new: Value) -> None:
        """Set `target` to `new` in the rows whose `column` equals `value`."""
        position = self.table.position(target)
        for identity, row in self._selected(column, value):
            self.rows[identity] = (*row[:position], new, *row[position + 1 :])

    def _key(self, row: Row) -> Identity:
        return tuple(row[self.table.position(name)] for name in self.table.key)

    def _is_older(self, row: Row, stored: Row) -> bool:
        for name in self.table.versions:
            new, old = row[self.table.position(name)], stored[self.table.position(name)]
            if _same(new, old):
                continue
            return old is not None and (new is None or not _greater(new, old))
        return False

    def _filled(self, row: Row, stored: Row) -> Row:
        if self.table.conflict != "do update if not null":
            return row
        return tuple(old if new is None else new for new, old in zip(row, stored, strict=True))

    def _selected(self, column: str | None, value: Value) -> list[tuple[Identity, Row]]:
        if column is None:
            return list(self.rows.items())
        position = self.table.position(column)
        return [(identity, row) for identity, row in self.rows.items() if _same(row[position], value)]


def _greater(one: Value, other: Value) -> bool:
    """PostgreSQL's order, in which NaN is greater than every other number."""
    if isinstance(one, float) and isnan(one):
        return True
    if isinstance(other, float) and isnan(other):
        return False
    return one > other  # type: ignore[operator]


def _same(stored: Value, wanted: Value) -> bool:
    """`is not distinct from`, under which PostgreSQL holds NaN equal to itself."""
    if isinstance(stored, float) and isinstance(wanted, float) and isnan(stored) and isnan(wanted):
        return True
    return stored == wanted
