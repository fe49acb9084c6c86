"""What a subscription's cursor fetches, as changes and batches: the rows of one rw_timestamp belong together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from millstream.errors import MillstreamError
from millstream.feeds.change import Batch, Change
from millstream.feeds.connection import FetchedRows, as_value

SIGNS: dict[str, Literal["+", "-"]] = {
    "Insert": "+",
    "UpdateInsert": "+",
    "Delete": "-",
    "UpdateDelete": "-",
}


class Cutter:
    """Cuts fetched rows into batches: those of one rw_timestamp belong together and are delivered once."""

    def __init__(self, model: str, position: int | None, *, anew: bool = False) -> None:
        self.model = model
        self.position = position
        self.in_snapshot = position is None
        self.anew = anew
        self.pending: list[Change] = []

    def cut(self, answer: FetchedRows, *, whole: bool) -> list[Batch]:
        """The batches that some rows complete; with `whole`, nothing that was committed is yet to be fetched."""
        found: list[Batch] = []
        names = [column.removeprefix(f"{self.model}.") for column in answer.columns[:-2]]
        for stamp, rows in groupby(answer.rows, key=lambda row: row[-1]):
            if stamp is None:
                changes = tuple(change(names, row) for row in rows)
                found.append(self.part(changes, complete=False))
                continue
            found += self.end_snapshot()
            if self.pending and self.pending[0].tick != stamp:
                found += self.end_tick()
            if self.position is None or stamp > self.position:
                self.pending += [change(names, row) for row in rows]
        if whole:
            found += [*self.end_snapshot(), *self.end_tick()]
        return found

    def part(self, changes: tuple[Change, ...], *, complete: bool) -> Batch:
        """A part of the snapshot."""
        anew, self.anew = self.anew, False
        return Batch(None, changes, complete, anew)

    def end_snapshot(self) -> list[Batch]:
        """The snapshot's last part, if it is due."""
        due, self.in_snapshot = self.in_snapshot, False
        return [self.part((), complete=True)] if due else []

    def end_tick(self) -> list[Batch]:
        """The rows of the rw_timestamp that is complete, if there are some."""
        if not self.pending:
            return []
        changes, self.pending = tuple(self.pending), []
        self.position = changes[0].tick
        return [Batch(self.position, changes)]


def change(names: Sequence[str], row: Sequence[Any]) -> Change:
    """A fetched row: the columns of the view, then op and rw_timestamp. Raises MillstreamError for an op that is not known."""
    *values, op, stamp = row
    if op not in SIGNS:
        raise MillstreamError(
            f"RisingWave reports a change of kind {op!r}, which is none of {', '.join(SIGNS)}\n"
            "  hint: this Millstream is older than that RisingWave: bring it up to date"
        )
    moment = None if stamp is None else as_moment(stamp)
    found = {name: as_value(value) for name, value in zip(names, values, strict=True)}
    return Change(stamp, moment, SIGNS[op], found)


def as_moment(position: int) -> datetime:
    """The time of a position."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=position)


def as_position(moment: datetime) -> int:
    """The position of a time."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
