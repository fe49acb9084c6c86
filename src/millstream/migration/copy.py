"""Copy one source table so that doing it again, from whatever state, ends with the same rows.

There is no marker of how far a copy came: the rows that are there say it. RisingWave has no transaction over a batch and
its marker, so a marker could be ahead of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg

from millstream.errors import MillstreamError
from millstream.migration.compare import digest, same
from millstream.migration.source import Snapshot, SourceTable, identifier
from millstream.migration.target import RisingWaveTarget

BATCH = 1000  # rows in one INSERT
Row = tuple[Any, ...]
Progress = Callable[[int], None]  # takes the number of rows that are settled since the last call


@dataclass(frozen=True)
class Copied:
    """Rows here, of those the ones that were there already, and the ones that were sent."""

    rows: int
    there: int
    sent: int


def copy_table(
    snapshot: Snapshot, target: RisingWaveTarget, table: SourceTable, progress: Progress, batch: int = BATCH
) -> Copied:
    """Send the rows that the target lacks or has otherwise. Raises MillstreamError where it refuses a row."""
    columns = [name for name, _ in table.columns]
    is_empty = target.count(relation(table.key)) == 0
    found = Copied(0, 0, 0)
    rows = snapshot.rows(table.key, columns)
    lacking = _lacking_bag(target, table) if not table.key_columns else None
    for some in batched(rows, batch):
        if is_empty:
            missing = some
        elif lacking is not None:
            missing = lacking(some)
        else:
            missing = _lacking(target, table, some)
        if missing:
            insert(target, table, missing)
        found = Copied(
            found.rows + len(some), found.there + len(some) - len(missing), found.sent + len(missing)
        )
        progress(len(some))
    target.flush()
    return found


def surplus(snapshot: Snapshot, target: RisingWaveTarget, table: SourceTable) -> int:
    """How many rows the target has under keys that are not here: it was not filled by a copy of this engine alone."""
    if not table.key_columns:
        names = [name for name, _ in table.columns]
        balance = Counter(map(digest, target.rows(relation(table.key), names)))
        balance.subtract(Counter(map(digest, snapshot.rows(table.key, names))))
        return sum(number for number in balance.values() if number > 0)
    key = [name for name, _ in table.key_columns]
    there = {digest(row) for row in target.rows(relation(table.key), key)}
    if there:
        for row in snapshot.rows(table.key, key):
            there.discard(digest(row))
    return len(there)


def insert(target: RisingWaveTarget, table: SourceTable, rows: Sequence[Row]) -> None:
    """Insert rows; where the statement is refused, find the row that is, and say which and why."""
    try:
        target.insert(relation(table.key), table.columns, rows)
    except psycopg.OperationalError:
        raise  # the connection broke; who called says how to go on
    except psycopg.Error as error:
        if len(rows) > 1:  # halves that pass are copied, which the next attempt finds
            middle = len(rows) // 2
            insert(target, table, rows[:middle])
            insert(target, table, rows[middle:])
            return
        shown = dict(zip((name for name, _ in table.columns), rows[0], strict=True))
        key = {name: shown[name] for name, _ in table.key_columns} or shown
        raise MillstreamError(
            f"RisingWave refuses a row of {table.key}, {key}: {str(error).strip()}\n"
            "  hint: correct or delete the row here and run `millstream migrate` again: it goes on where it stopped"
        ) from error


def relation(key: str) -> str:
    """The quoted name of `schema.name`."""
    return identifier(key).as_string()


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Lists of at most that many rows."""
    iterator = iter(rows)
    while some := list(islice(iterator, size)):
        yield some


def _lacking(target: RisingWaveTarget, table: SourceTable, rows: Sequence[Row]) -> list[Row]:
    """The rows that are not there as they are here. Where the first of a key wins, the other one is deleted first."""
    columns = [name for name, _ in table.columns]
    places = [columns.index(name) for name in table.declared.key]
    first = table.key_columns[0]
    there = {
        tuple(row[place] for place in places): row
        for row in target.of_keys(relation(table.key), columns, first, (row[places[0]] for row in rows))
    }
    lacking, other = [], []
    for row in rows:
        key = tuple(row[place] for place in places)
        if key not in there:
            lacking.append(row)
        elif not all(map(same, row, there[key])):
            lacking.append(row)
            other.append(key)
    if other and (table.declared.conflict != "overwrite" or table.declared.versions):
        target.delete(relation(table.key), table.key_columns, other)
        target.flush()
    return lacking


def _lacking_bag(target: RisingWaveTarget, table: SourceTable) -> Callable[[Sequence[Row]], list[Row]]:
    """Of a table without a key: a function that takes from what is there, row by row, and returns what is left."""
    names = [name for name, _ in table.columns]
    there = Counter(map(digest, target.rows(relation(table.key), names)))

    def lacking(rows: Sequence[Row]) -> list[Row]:
        left = []
        for row in rows:
            spelling = digest(row)
            if there[spelling] > 0:
                there[spelling] -= 1
            else:
                left.append(row)
        return left

    return lacking
